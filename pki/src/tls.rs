//! All that, in rustls. TLS 1.3 only.

use std::sync::Arc;

use hitotsu_model::time::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, Signer as TlsSigner, SigningKey};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureAlgorithm, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};

use crate::certificate::Certificate;
use crate::enrol::EnrolCode;
use crate::key::{Algorithm, Signer};
use crate::limits::CHAIN_CERTIFICATES_MAX;
use crate::path::{OUR_ALGORITHMS, PathFault};
use crate::peer::{PeerFault, verify_gateway, verify_in_handshake};
use crate::rules::{Misfit, org_of_holder};
use crate::spki;
use crate::trust::Trust;

/// What handshakes may be signed with, and (RFC 8446 §4.2.3) certificates. Leaves with P-384 are refused by their rules.
static SCHEMES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: OUR_ALGORITHMS,
    mapping: &[
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[webpki::ring::ECDSA_P256_SHA256]),
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[webpki::ring::ECDSA_P384_SHA384]),
    ],
};

/// A chain (leaf first) and its key for a rustls configuration. The key is used through [`Signer`] only.
#[must_use]
pub fn certified_key(chain: Vec<CertificateDer<'static>>, signer: Arc<dyn Signer>) -> Arc<CertifiedKey> {
    Arc::new(CertifiedKey::new(chain, Arc::new(TlsKey { signer })))
}

/// A [`Signer`] as rustls wants it.
#[derive(Debug)]
struct TlsKey {
    signer: Arc<dyn Signer>,
}

impl TlsKey {
    fn scheme(&self) -> SignatureScheme {
        match self.signer.algorithm() {
            Algorithm::P256 => SignatureScheme::ECDSA_NISTP256_SHA256,
            Algorithm::P384 => SignatureScheme::ECDSA_NISTP384_SHA384,
        }
    }
}

impl SigningKey for TlsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn TlsSigner>> {
        let key = Self { signer: Arc::clone(&self.signer) };
        offered.contains(&self.scheme()).then(|| Box::new(key) as Box<dyn TlsSigner>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.signer.public_spki_der()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl TlsSigner for TlsKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.signer.sign(message).map_err(|error| Error::Other(OtherError(Arc::new(error))))
    }

    fn scheme(&self) -> SignatureScheme {
        Self::scheme(self)
    }
}

/// Asks every client for a certificate and lets in only chains of ours that keep every rule. One exception: a wrong
/// time is let through, so that `identify` can tell the user (it calls [`crate::peer::verify_peer`] again, which also
/// covers resumed connections, for which rustls asks nobody).
#[derive(Debug)]
pub struct ClientVerifier {
    trust: Arc<Trust>,
    hints: Vec<DistinguishedName>,
}

impl ClientVerifier {
    /// For the clients of one organisation.
    #[must_use]
    pub fn new(trust: Arc<Trust>) -> Self {
        let hints = vec![DistinguishedName::from(trust.subject_der().to_vec())];
        Self { trust, hints }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match verify_in_handshake(&chain(end_entity, intermediates)?, &self.trust, timestamp(now)) {
            Ok(()) | Err(PeerFault::Expired(_) | PeerFault::NotYetValid(_)) => Ok(ClientCertVerified::assertion()),
            Err(fault @ (PeerFault::Untrusted { .. } | PeerFault::Unfit { .. })) => Err(refusal(fault)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &SCHEMES)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.supported_schemes()
    }
}

/// How a server is judged.
trait JudgesServers: std::fmt::Debug + Send + Sync {
    fn judge(&self, chain: &[CertificateDer<'_>], host: &ServerName<'_>, now: Timestamp) -> Result<(), PeerFault>;
}

/// Lets an agent talk to gateways of its own organisation only: root pinned, profile `gateway`, serverAuth, host name.
#[derive(Debug)]
pub struct GatewayVerifier {
    trust: Arc<Trust>,
}

impl GatewayVerifier {
    /// For the gateways of one organisation.
    #[must_use]
    pub fn new(trust: Arc<Trust>) -> Self {
        Self { trust }
    }
}

impl JudgesServers for GatewayVerifier {
    fn judge(&self, chain: &[CertificateDer<'_>], host: &ServerName<'_>, now: Timestamp) -> Result<(), PeerFault> {
        verify_gateway(chain, &self.trust, host, now).map(drop)
    }
}

/// Lets an agent enrol only at the gateway that its code was made for: trusts the root that the server presents if and
/// only if its key has the code's fingerprint, then demands what [`GatewayVerifier`] does. So an enrolling gateway
/// sends its root too.
#[derive(Debug)]
pub struct EnrolVerifier {
    root_spki_sha256: [u8; 32],
}

impl EnrolVerifier {
    /// For one code.
    #[must_use]
    pub fn new(code: &EnrolCode) -> Self {
        Self { root_spki_sha256: *code.root_spki_sha256() }
    }

    /// The one certificate that was sent whose key has the fingerprint.
    fn pinned<'c, 'd>(&self, chain: &'c [CertificateDer<'d>]) -> Option<&'c CertificateDer<'d>> {
        chain.iter().skip(1).find(|der| {
            Certificate::parse(der).is_ok_and(|parsed| spki::sha256(parsed.spki()) == self.root_spki_sha256)
        })
    }
}

impl JudgesServers for EnrolVerifier {
    fn judge(&self, chain: &[CertificateDer<'_>], host: &ServerName<'_>, now: Timestamp) -> Result<(), PeerFault> {
        let root = self.pinned(chain).ok_or(PathFault::OtherRoot)?;
        let leaf = chain.first().ok_or(PathFault::Missing)?;
        // The organisation is learned here: it is whichever the pinned root belongs to, or nothing fits together.
        let org = org_of_holder(&Certificate::parse(leaf).map_err(PathFault::from)?)?;
        let trust = Trust::new(root, org).map_err(|_| PathFault::OtherRoot)?;
        verify_gateway(chain, &trust, host, now).map(drop)
    }
}

macro_rules! server_verifier {
    ($name:ident) => {
        impl ServerCertVerifier for $name {
            fn verify_server_cert(
                &self,
                end_entity: &CertificateDer<'_>,
                intermediates: &[CertificateDer<'_>],
                server_name: &ServerName<'_>,
                _ocsp_response: &[u8],
                now: UnixTime,
            ) -> Result<ServerCertVerified, Error> {
                self.judge(&chain(end_entity, intermediates)?, server_name, timestamp(now))
                    .map(|()| ServerCertVerified::assertion())
                    .map_err(refusal)
            }

            fn verify_tls12_signature(
                &self,
                _message: &[u8],
                _cert: &CertificateDer<'_>,
                _dss: &DigitallySignedStruct,
            ) -> Result<HandshakeSignatureValid, Error> {
                Err(only_tls13())
            }

            fn verify_tls13_signature(
                &self,
                message: &[u8],
                cert: &CertificateDer<'_>,
                dss: &DigitallySignedStruct,
            ) -> Result<HandshakeSignatureValid, Error> {
                verify_tls13_signature(message, cert, dss, &SCHEMES)
            }

            fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
                SCHEMES.supported_schemes()
            }
        }
    };
}

server_verifier!(GatewayVerifier);
server_verifier!(EnrolVerifier);

/// What our verifiers said, out of rustls' error; `None` for any other error.
///
/// Only for an unknown issuer, a wrong time and a wrong host name rustls has words of its own, and alerts that other
/// clients understand; then this is `None` too and the error speaks for itself.
#[must_use]
pub fn fault(error: &Error) -> Option<&PeerFault> {
    if let Error::InvalidCertificate(CertificateError::Other(other)) = error { other.0.downcast_ref() } else { None }
}

/// The error with the alert that fits best.
fn refusal(fault: PeerFault) -> Error {
    let certificate_error = match &fault {
        PeerFault::Untrusted { why: PathFault::Chain(webpki::Error::UnknownIssuer) } => CertificateError::UnknownIssuer,
        PeerFault::Unfit { why: Misfit::Purpose } => CertificateError::InvalidPurpose,
        PeerFault::Unfit { why: Misfit::Host } => CertificateError::NotValidForName,
        PeerFault::Expired(_) => CertificateError::Expired,
        PeerFault::NotYetValid(_) => CertificateError::NotValidYet,
        PeerFault::Untrusted { .. } | PeerFault::Unfit { .. } => CertificateError::Other(OtherError(Arc::new(fault))),
    };
    Error::InvalidCertificate(certificate_error)
}

/// Leaf and intermediates in one, bounded before it is copied.
fn chain<'a>(
    end_entity: &'a CertificateDer<'_>,
    intermediates: &'a [CertificateDer<'_>],
) -> Result<Vec<CertificateDer<'a>>, Error> {
    if intermediates.len() >= CHAIN_CERTIFICATES_MAX {
        return Err(refusal(PathFault::TooMany.into()));
    }
    let all = std::iter::once(end_entity).chain(intermediates);
    Ok(all.map(|der| CertificateDer::from(der.as_ref())).collect())
}

/// A configuration of ours offers no TLS 1.2, so this is seen only when one was made wrongly.
fn only_tls13() -> Error {
    Error::General("only TLS 1.3 is spoken".to_owned())
}

fn timestamp(now: UnixTime) -> Timestamp {
    Timestamp::from_unix_seconds(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}
