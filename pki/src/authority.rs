//! The root, and the issuing authorities below it.
//!
//! Two types, so that the root cannot sign a leaf and an issuing authority cannot make another.

use std::sync::Arc;
use std::time::Duration;

use hitotsu_model::identity::{AssuranceLevel, HolderName, Profile};
use hitotsu_model::ids::{OrgId, Serial};
use hitotsu_model::time::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, Issuer, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;

use crate::certificate::Certificate;
use crate::csr::VerifiedCsr;
use crate::key::{Algorithm, SignError, Signer};
use crate::limits::GATEWAY_HOSTS_MAX;
use crate::path::PathFault;
use crate::profile::{self, AUTHORITY_LIFETIME, BACKDATED, BACKDATED_FOR_PCS, CaKind, ROOT_LIFETIME};
use crate::revocation::CrlEntry;
use crate::rules::{self, Misfit};
use crate::serial::SerialBytes;
use crate::signing::{PublicKey, SigningSide};

mod build;
mod list;

/// Why nothing was issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The authority's key cannot be used.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The authority's own certificate cannot be read.
    #[error("the authority's certificate cannot be used: {0}")]
    Certificate(#[from] PathFault),
    /// The authority's own certificate is not one of ours.
    #[error("the authority's certificate breaks a rule: {0}")]
    Unfit(#[from] Misfit),
    /// Key and certificate do not belong together.
    #[error("the key does not belong to the authority's certificate")]
    OtherKey,
    /// A root has P-384, everything else P-256.
    #[error("the key is of the wrong kind; a root needs P-384, everything else P-256")]
    Algorithm,
    /// The authority may not issue this profile.
    #[error("the authority for {0} may not issue certificates of profile `{1}`")]
    Profile(&'static str, Profile),
    /// The name is of another organisation.
    #[error("the name is of another organisation than the authority")]
    Org,
    /// Only gateways have host names.
    #[error("only gateways have host names and addresses")]
    HostsNotAllowed,
    /// More than [`GATEWAY_HOSTS_MAX`].
    #[error("more than {GATEWAY_HOSTS_MAX} host names and addresses")]
    TooManyHosts,
    /// Not a host name or address.
    #[error("`{0}` is not a host name in lower case without wildcard, nor an address")]
    Host(String),
    /// The authority may not name this host.
    #[error("the authority may not name the host `{0}`; make a new gateway authority with `{0}` among its hosts")]
    HostOutside(String),
    /// Longer than the profile's lifetime, or nothing.
    #[error("the lifetime must be between one second and the {0} seconds of the profile")]
    Lifetime(u64),
    /// The authority's own time is over or has not begun.
    #[error("the authority's certificate is out of its time; rotate it")]
    OutOfTime,
    /// The instant cannot be written in a certificate.
    #[error("the instant cannot be written in a certificate")]
    Instant,
    /// A list whose next update is not after this one.
    #[error("the next update must be after this one")]
    NextUpdate,
    /// The certificate could not be encoded.
    #[error("the certificate could not be encoded: {0}")]
    Encoding(rcgen::Error),
}

/// What was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// Its serial number.
    pub serial: Serial,
    /// Its first valid second.
    pub not_before: Timestamp,
    /// Its last valid second.
    pub not_after: Timestamp,
}

/// The root: signs issuing authorities and nothing else. Its key never lies on a gateway.
#[derive(Debug)]
pub struct Root {
    certificate: CertificateDer<'static>,
    org: OrgId,
    life: Life,
    signer: Arc<dyn Signer>,
}

impl Root {
    /// Makes a self-signed root for `org` (P-384 key, [`ROOT_LIFETIME`]).
    ///
    /// # Errors
    /// [`IssueError::Algorithm`], [`IssueError::Sign`], [`IssueError::Instant`].
    pub fn create(
        org: &OrgId,
        signer: Arc<dyn Signer>,
        now: Timestamp,
        serial: SerialBytes,
    ) -> Result<Self, IssueError> {
        if signer.algorithm() != Algorithm::P384 {
            return Err(IssueError::Algorithm);
        }
        let life = Life { not_before: now.minus(BACKDATED_FOR_PCS), not_after: now.plus(ROOT_LIFETIME) };
        let side = SigningSide::new(signer.as_ref())?;
        let mut params = build::common(&side, serial, life, org, build::authority_name("Root", &side))?;
        params.is_ca = rcgen::IsCa::Ca(BasicConstraints::Constrained(1));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issued = params.self_signed(&side).map_err(|error| failed(&side, error))?;
        let certificate = CertificateDer::from(issued);
        Self::open(certificate, signer)
    }

    /// Takes up a root that was made before.
    ///
    /// # Errors
    /// [`IssueError::Certificate`], [`IssueError::Unfit`], [`IssueError::OtherKey`].
    pub fn open(certificate: CertificateDer<'static>, signer: Arc<dyn Signer>) -> Result<Self, IssueError> {
        let parsed = Certificate::parse(&certificate).map_err(PathFault::from)?;
        let org = org_of(&parsed)?;
        rules::check_root(&parsed, &org)?;
        let life = life_of(&parsed, signer.as_ref())?;
        Ok(Self { certificate: certificate.clone(), org, life, signer })
    }

    /// The root's certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The organisation.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// Certifies the key of an issuing authority (P-256, [`AUTHORITY_LIFETIME`], may issue leaves only, in its own
    /// part of the names only).
    ///
    /// `hosts` are the host names (each with all names below it) and addresses that gateways may have, beside
    /// `gateways.<org>`. They are fixed here, with the root's key out of its safe, so that whoever steals the gateways'
    /// authority from a running machine cannot pose as the city's other servers. Empty for the other kinds, which may
    /// name no address at all.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue_ca(
        &self,
        kind: CaKind,
        request: &VerifiedCsr,
        hosts: &[String],
        now: Timestamp,
        serial: SerialBytes,
    ) -> Result<IssuedCertificate, IssueError> {
        match kind {
            CaKind::Gateways => check_hosts(hosts)?,
            CaKind::Devices | CaKind::Staff if hosts.is_empty() => {}
            CaKind::Devices | CaKind::Staff => return Err(IssueError::HostsNotAllowed),
        }
        let life = self.life.part(now, BACKDATED_FOR_PCS, AUTHORITY_LIFETIME)?;
        let key = PublicKey::new(request.spki_der()).ok_or(IssueError::Algorithm)?;
        let title = match kind {
            CaKind::Devices => "Devices",
            CaKind::Gateways => "Gateways",
            CaKind::Staff => "Staff",
        };
        let mut params = build::common(&key, serial, life, &self.org, build::authority_name(title, &key))?;
        params.is_ca = rcgen::IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages = vec![build::purpose(kind)];
        params.use_authority_key_identifier_extension = true;
        params.name_constraints = Some(build::name_constraints(kind, &self.org, hosts)?);
        sign(&params, &key, &self.certificate, self.signer.as_ref(), serial, life)
    }

    /// A list of revoked *issuing authorities* (RFC 5280 §5), DER. Leaves never stand in it.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn authority_crl(
        &self,
        entries: &[CrlEntry],
        number: u64,
        now: Timestamp,
        next_update: Timestamp,
    ) -> Result<Vec<u8>, IssueError> {
        list::sign(entries, number, now, next_update, &self.certificate, self.signer.as_ref())
    }
}

/// An issuing authority: its certificate and something that signs for it.
#[derive(Debug)]
pub struct Authority {
    certificate: CertificateDer<'static>,
    kind: CaKind,
    org: OrgId,
    permitted: Vec<String>,
    life: Life,
    signer: Arc<dyn Signer>,
}

impl Authority {
    /// Takes up an issuing authority.
    ///
    /// # Errors
    /// [`IssueError::Certificate`], [`IssueError::Unfit`], [`IssueError::OtherKey`].
    pub fn open(certificate: CertificateDer<'static>, signer: Arc<dyn Signer>) -> Result<Self, IssueError> {
        let parsed = Certificate::parse(&certificate).map_err(PathFault::from)?;
        let org = org_of(&parsed)?;
        let kind = rules::check_issuing(&parsed, &org)?;
        let life = life_of(&parsed, signer.as_ref())?;
        let permitted = parsed.name_constraints().map(|(permitted, _)| permitted).unwrap_or_default();
        Ok(Self { certificate: certificate.clone(), kind, org, permitted, life, signer })
    }

    /// The authority's certificate, which goes into every chain.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What it may issue.
    #[must_use]
    pub fn kind(&self) -> CaKind {
        self.kind
    }

    /// The organisation.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// When it can issue no longer.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.life.not_after
    }

    /// Issues a leaf for the proven key, in the name that *we* give.
    ///
    /// `hosts` are a gateway's real host names and addresses; empty for every other profile. `lifetime` is at most the
    /// profile's; the end is cut to the authority's own.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue(
        &self,
        request: &VerifiedCsr,
        holder: &HolderName,
        hosts: &[String],
        lifetime: Duration,
        now: Timestamp,
        serial: SerialBytes,
    ) -> Result<IssuedCertificate, IssueError> {
        if !self.kind.profiles().contains(&holder.profile) {
            return Err(IssueError::Profile(self.kind.as_str(), holder.profile));
        }
        if holder.org != self.org {
            return Err(IssueError::Org);
        }
        let backdated = match holder.profile {
            Profile::Gateway => {
                check_hosts(hosts)?;
                hosts.iter().try_for_each(|host| self.check_permitted(host))?;
                BACKDATED_FOR_PCS
            }
            Profile::Device | Profile::Relay | Profile::Staff if hosts.is_empty() => BACKDATED,
            Profile::Device | Profile::Relay | Profile::Staff => return Err(IssueError::HostsNotAllowed),
        };
        let longest = profile::lifetime(holder.profile, AssuranceLevel::L4);
        if lifetime < Duration::from_secs(1) || lifetime > longest {
            return Err(IssueError::Lifetime(longest.as_secs()));
        }
        let life = self.life.part(now, backdated, lifetime)?;
        let key = PublicKey::new(request.spki_der()).ok_or(IssueError::Algorithm)?;
        let mut params = build::common(&key, serial, life, &self.org, holder.id.to_string())?;
        params.is_ca = rcgen::IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![build::purpose(self.kind)];
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = build::alternative_names(holder, hosts)?;
        sign(&params, &key, &self.certificate, self.signer.as_ref(), serial, life)
    }

    /// Whether the authority's name constraints let it name `host`, so that nothing is issued that nobody believes.
    fn check_permitted(&self, host: &str) -> Result<(), IssueError> {
        let within = build::subtree_text(host).is_some_and(|text| self.permitted.contains(&text))
            || self
                .permitted
                .iter()
                .filter_map(|text| text.strip_prefix("dns:"))
                .any(|suffix| host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')));
        if within { Ok(()) } else { Err(IssueError::HostOutside(host.to_owned())) }
    }

    /// A certificate revocation list (RFC 5280 §5) for outsiders, DER. `number` must grow with every list.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn crl(
        &self,
        entries: &[CrlEntry],
        number: u64,
        now: Timestamp,
        next_update: Timestamp,
    ) -> Result<Vec<u8>, IssueError> {
        list::sign(entries, number, now, next_update, &self.certificate, self.signer.as_ref())
    }
}

/// From when to when, both ends included.
#[derive(Debug, Clone, Copy)]
struct Life {
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Life {
    /// A life within this one: begins a little before `now`, ends `lifetime` after it.
    fn part(self, now: Timestamp, backdated: Duration, lifetime: Duration) -> Result<Self, IssueError> {
        if now < self.not_before || now >= self.not_after {
            return Err(IssueError::OutOfTime);
        }
        let whole = |at: Timestamp| Timestamp::from_unix_seconds(at.unix_seconds());
        Ok(Self {
            not_before: whole(now.minus(backdated).max(self.not_before)),
            not_after: whole(now.plus(lifetime).min(self.not_after)),
        })
    }
}

fn org_of(certificate: &Certificate<'_>) -> Result<OrgId, IssueError> {
    let text = certificate.organization().ok_or(Misfit::Org)?;
    text.parse().map_err(|_| Misfit::Org.into())
}

fn life_of(certificate: &Certificate<'_>, signer: &dyn Signer) -> Result<Life, IssueError> {
    if certificate.spki() != signer.public_spki_der() {
        return Err(IssueError::OtherKey);
    }
    Ok(Life { not_before: certificate.not_before(), not_after: certificate.not_after() })
}

fn check_hosts(hosts: &[String]) -> Result<(), IssueError> {
    if hosts.len() > GATEWAY_HOSTS_MAX {
        return Err(IssueError::TooManyHosts);
    }
    match hosts.iter().find(|host| build::subtree_text(host).is_none()) {
        Some(host) => Err(IssueError::Host(host.clone())),
        None => Ok(()),
    }
}

fn sign(
    params: &CertificateParams,
    key: &PublicKey<'_>,
    issuer: &CertificateDer<'_>,
    signer: &dyn Signer,
    serial: SerialBytes,
    life: Life,
) -> Result<IssuedCertificate, IssueError> {
    let issuer = Issuer::from_ca_cert_der(issuer, SigningSide::new(signer)?).map_err(IssueError::Encoding)?;
    let issued = params.signed_by(key, &issuer).map_err(|error| failed(issuer.key(), error))?;
    Ok(IssuedCertificate {
        der: CertificateDer::from(issued),
        serial: serial.serial(),
        not_before: life.not_before,
        not_after: life.not_after,
    })
}

/// The signer's own fault where there is one, else rcgen's.
fn failed(side: &SigningSide<'_>, error: rcgen::Error) -> IssueError {
    side.fault().map_or(IssueError::Encoding(error), IssueError::Sign)
}
