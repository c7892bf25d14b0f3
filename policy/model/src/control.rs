//! What agent and gateway say to each other, as JSON over HTTP requests of the same connection.
//!
//! Every message begins with [`ProtocolVersion`]. Paths are under [`CONTROL_PATH`]:
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST attest` | [`AttestRequest`] | [`AttestResponse`] |
//! | `GET notices` | | a stream of [`Notice`], one JSON object a line |
//! | `GET catalogue` | | [`Catalogue`] |
//! | `POST why` | [`WhyRequest`] | [`WhyResponse`] |
//!
//! A refusal of any request is a [`Problem`] (RFC 9457).

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::identity::AssuranceLevel;
use crate::ids::{DeviceId, FlowId, OrgId, PersonId, PlaceId, ResourceId, RuleId};
use crate::posture::{ClaimName, Posture};
use crate::resource::{Target, Tier, Transport};
use crate::time::Timestamp;

/// Where control requests live on every transport (RFC 8615).
pub const CONTROL_PATH: &str = "/.well-known/hitotsu";

/// Media type of a problem document (RFC 9457 §3).
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// The TLS exporter label that binds evidence to a connection (RFC 8446 §7.5); 32 bytes, no context.
pub const ATTEST_EXPORTER_LABEL: &[u8] = b"EXPORTER-hitotsu-attest-v1";

/// ALPN of the enrolment listener, on the same TCP port as everything else.
pub const ENROL_ALPN: &[u8] = b"hitotsu-enrol/1";

/// Version of these messages. A peer refuses what it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProtocolVersion(pub u16);

impl ProtocolVersion {
    /// The version that this build speaks.
    pub const CURRENT: Self = Self(1);
}

/// What a device signs: its state, bound to one connection.
///
/// The signed bytes are the JSON of this as sent; see `pki::attest` for the signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Version of this form.
    pub version: ProtocolVersion,
    /// Who speaks; must be the certificate's device.
    pub device: DeviceId,
    /// The connection's exporter value ([`ATTEST_EXPORTER_LABEL`]), 64 hex digits.
    pub binding: String,
    /// The gateway's nonce that this answers, 64 hex digits. Absent in the first statement of a connection, for which
    /// the exporter value itself is fresh.
    pub nonce: Option<String>,
    /// Counts up by one for each statement of a connection, from 0.
    pub sequence: u64,
    /// When it was made, by the device's clock.
    pub made_at: Timestamp,
    /// The agent's version.
    pub agent_version: String,
    /// The state.
    pub posture: Posture,
}

/// `POST attest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestRequest {
    /// Version of this form.
    pub version: ProtocolVersion,
    /// The bytes of the [`Statement`]'s JSON, Base64 (RFC 4648 §4).
    pub statement: String,
    /// The signature over them, ASN.1 ECDSA P-256 with SHA-256, Base64.
    pub signature: String,
}

/// The answer to `POST attest` when the evidence is believed. (A [`Problem`] otherwise.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestResponse {
    /// Version of this form.
    pub version: ProtocolVersion,
    /// The assurance level that the gateway gives.
    pub level: AssuranceLevel,
    /// The nonce for the next statement, 64 hex digits.
    pub nonce: String,
    /// The next statement is due within this many seconds.
    pub next_within_seconds: u32,
    /// Programs to look for, by process name.
    pub forbidden_software: Vec<String>,
    /// What is wrong now, and what it may cost: for the user's eyes, each as a code.
    pub findings: Vec<Code>,
    /// The gateway's clock, to tell the user of a wrong one.
    pub gateway_time: Timestamp,
}

/// One line of `GET notices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "kebab-case")]
pub enum Notice {
    /// First line of every stream.
    Hello {
        /// Version of this form.
        version: ProtocolVersion,
        /// Organisation of the gateway.
        org: OrgId,
    },
    /// Attest again, with this nonce.
    Reattest {
        /// 64 hex digits.
        nonce: String,
        /// Within so many seconds.
        within_seconds: u32,
        /// Programs to look for, by process name.
        forbidden_software: Vec<String>,
    },
    /// A live flow was cut.
    Cut {
        /// The flow.
        flow: FlowId,
        /// The stream that carried it, by the transport's number.
        stream: u64,
        /// What it reached.
        target: Target,
        /// Why.
        problem: Problem,
    },
    /// Access changed: ask for the catalogue again.
    CatalogueChanged,
    /// The gateway is about to stop: dial anew, then let this connection end.
    Draining,
    /// Nothing happened; proves that the stream lives.
    Still,
}

/// `GET catalogue`: what this person may reach from here, now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// Version of this form.
    pub version: ProtocolVersion,
    /// The organisation.
    pub org: OrgId,
    /// The device.
    pub device: DeviceId,
    /// The person bound to it, if any.
    pub person: Option<PersonId>,
    /// The place that the gateway sees.
    pub place: Option<PlaceId>,
    /// The assurance level.
    pub level: AssuranceLevel,
    /// When each kind of evidence was last believed.
    pub attested_at: Option<Timestamp>,
    /// The systems, sorted by id. A system that this person could never reach is absent.
    pub entries: Vec<CatalogueEntry>,
}

/// One system of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueEntry {
    /// The system.
    pub resource: ResourceId,
    /// Its name in Japanese.
    pub title_ja: String,
    /// Its name in English.
    pub title_en: String,
    /// Its zone.
    pub tier: Tier,
    /// Names and address ranges that lead to it: `files.example`, `*.files.example`, `10.1.0.0/24`.
    pub hosts: Vec<String>,
    /// Its ports.
    pub ports: Vec<CataloguePorts>,
    /// Whether it would open now.
    pub allowed: bool,
    /// If not, why.
    pub problems: Vec<Problem>,
}

/// A range of ports of one transport, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CataloguePorts {
    /// TCP or UDP.
    pub transport: Transport,
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

/// `POST why`: would this open, and if not, why?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyRequest {
    /// Version of this form.
    pub version: ProtocolVersion,
    /// What would be opened.
    pub target: Target,
}

/// The answer to `POST why`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyResponse {
    /// Version of this form.
    pub version: ProtocolVersion,
    /// The target asked about.
    pub target: Target,
    /// Whether it would open now.
    pub allowed: bool,
    /// The deciding rules.
    pub rules: Vec<RuleId>,
    /// If not, why.
    pub problems: Vec<Problem>,
    /// When the answer must be asked for again.
    pub valid_until: Timestamp,
}

/// A refusal that a person can read (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:hitotsu:problem:<slug>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One plain sentence, in the language asked for (Accept-Language), else Japanese.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// How to mend it, in the same language.
    pub remedy: String,
    /// The 6-digit number for the help desk.
    pub help_code: u32,
    /// The code.
    pub code: Code,
    /// The claim that decided, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimName>,
    /// The deciding rules; empty where nobody may learn them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleId>,
    /// The flow's number in the audit log, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowId>,
}

impl Problem {
    /// A problem with its sentence and remedy in one language.
    #[must_use]
    pub fn new(code: Code, messages: &crate::message::Messages) -> Self {
        let (title, remedy) = messages.code(code);
        Self {
            kind: format!("urn:hitotsu:problem:{}", code.slug()),
            title,
            status: code.http_status(),
            remedy,
            help_code: code.number(),
            code,
            claim: None,
            rules: Vec::new(),
            flow: None,
        }
    }
}

/// The enrolment request, `POST /enrol` over [`ENROL_ALPN`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// Version of this form.
    pub version: ProtocolVersion,
    /// The enrolment code's secret, as in the code.
    pub secret: String,
    /// The PKCS#10 request (RFC 2986), DER, Base64.
    pub csr: String,
    /// `linux` or `windows`.
    pub platform: String,
    /// The agent's version.
    pub agent_version: String,
}

impl std::fmt::Debug for EnrolRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrolRequest").field("platform", &self.platform).finish_non_exhaustive()
    }
}

/// The answer to [`EnrolRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolResponse {
    /// Version of this form.
    pub version: ProtocolVersion,
    /// The organisation.
    pub org: OrgId,
    /// The device's id.
    pub device: DeviceId,
    /// The person that it is bound to, if any.
    pub person: Option<PersonId>,
    /// The certificate and its issuer's, DER, Base64, leaf first.
    pub chain: Vec<String>,
    /// The root certificate, DER, Base64. The agent demands the fingerprint of its code.
    pub root: String,
    /// When the certificate ends.
    pub not_after: Timestamp,
}
