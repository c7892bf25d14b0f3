//! The closed list of reasons. Every refusal that a person can meet has one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $slug:literal, $status:literal, $proxy:literal;)+) => {
        /// A reason, with the 6-digit number that a help desk types in.
        ///
        /// The first digit groups: 1 identity, 2 evidence, 3 posture, 4 policy, 5 upstream, 6 gateway, 7 enrolment,
        /// 8 the agent itself. Numbers are never used again for another reason.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $slug)] $variant,)+
        }

        impl Code {
            /// Every code, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The 6-digit number.
            #[must_use]
            pub fn number(self) -> u32 {
                match self { $(Self::$variant => $number,)+ }
            }

            /// The name in JSON, policy annotations (`@code("...")`) and message files (`code-...`).
            #[must_use]
            pub fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug,)+ }
            }

            /// The HTTP status of a refusal with this code (RFC 9110 §15).
            #[must_use]
            pub fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// The `error` parameter of Proxy-Status (RFC 9209 §2.3).
            #[must_use]
            pub fn proxy_error(self) -> &'static str {
                match self { $(Self::$variant => $proxy,)+ }
            }
        }

        impl FromStr for Code {
            type Err = UnknownCode;

            /// From the slug or the number.
            fn from_str(text: &str) -> Result<Self, UnknownCode> {
                match text {
                    $($slug => Ok(Self::$variant),)+
                    other => {
                        let by_number = other.parse::<u32>().ok();
                        let found = Self::ALL.iter().find(|code| Some(code.number()) == by_number);
                        found.copied().ok_or_else(|| UnknownCode(other.to_owned()))
                    }
                }
            }
        }
    };
}

codes! {
    /// The certificate is of this organisation, but its device is not on record.
    DeviceUnknown = 100_101, "device-unknown", 403, "http_request_denied";
    /// The certificate's time is over.
    CertificateExpired = 100_102, "certificate-expired", 403, "http_request_denied";
    /// The certificate's time has not begun; most often a clock is wrong.
    CertificateNotYetValid = 100_103, "certificate-not-yet-valid", 403, "http_request_denied";
    /// This certificate was revoked.
    CertificateRevoked = 100_104, "certificate-revoked", 403, "http_request_denied";
    /// The device was revoked, with every certificate that it has.
    DeviceRevoked = 100_105, "device-revoked", 403, "http_request_denied";
    /// The certificate is of a kind that cannot open flows, or breaks a rule of its profile.
    CertificateUnfit = 100_106, "certificate-unfit", 403, "http_request_denied";

    /// The device has not attested on this connection.
    EvidenceMissing = 200_201, "evidence-missing", 403, "http_request_denied";
    /// The last evidence is too old.
    EvidenceStale = 200_202, "evidence-stale", 403, "http_request_denied";
    /// The evidence's signature or form is wrong.
    EvidenceInvalid = 200_203, "evidence-invalid", 403, "http_request_denied";
    /// The evidence was made for another connection.
    EvidenceOtherConnection = 200_204, "evidence-other-connection", 403, "http_request_denied";
    /// The nonce was used before or was never given.
    EvidenceReplayed = 200_205, "evidence-replayed", 403, "http_request_denied";

    /// The firewall is off.
    FirewallOff = 300_301, "firewall-off", 403, "http_request_denied";
    /// The system's disk is not encrypted.
    DiskNotEncrypted = 300_302, "disk-not-encrypted", 403, "http_request_denied";
    /// Security updates are overdue.
    UpdatesOverdue = 300_303, "updates-overdue", 403, "http_request_denied";
    /// The screen does not lock by itself, or too late.
    ScreenLockOff = 300_304, "screen-lock-off", 403, "http_request_denied";
    /// No antivirus program runs.
    AntivirusOff = 300_305, "antivirus-off", 403, "http_request_denied";
    /// The antivirus program's signatures are old.
    AntivirusOld = 300_306, "antivirus-old", 403, "http_request_denied";
    /// Secure boot is off.
    SecureBootOff = 300_307, "secure-boot-off", 403, "http_request_denied";
    /// A program that policy forbids runs.
    ForbiddenSoftware = 300_308, "forbidden-software", 403, "http_request_denied";
    /// The agent's program file was changed.
    AgentNotIntact = 300_309, "agent-not-intact", 403, "http_request_denied";
    /// The device's clock is wrong.
    ClockWrong = 300_310, "clock-wrong", 403, "http_request_denied";
    /// A state that policy requires could not be found out.
    PostureUnknown = 300_311, "posture-unknown", 403, "http_request_denied";

    /// No rule permits it, or there is no such system; both answer alike.
    NotPermitted = 400_401, "not-permitted", 403, "http_request_denied";
    /// Not permitted from this place.
    PlaceNotPermitted = 400_402, "place-not-permitted", 403, "http_request_denied";
    /// Not permitted at this time.
    TimeNotPermitted = 400_403, "time-not-permitted", 403, "http_request_denied";
    /// The resolved address is not one that the system may have.
    AddressNotPermitted = 400_404, "address-not-permitted", 403, "destination_ip_prohibited";
    /// Not permitted on this kind of device.
    OwnershipNotPermitted = 400_405, "ownership-not-permitted", 403, "http_request_denied";
    /// The device's assurance level is too low.
    LevelTooLow = 400_406, "level-too-low", 403, "http_request_denied";
    /// An approval is missing.
    ApprovalMissing = 400_407, "approval-missing", 403, "http_request_denied";
    /// A rule could not be evaluated, so everything that it touches is refused.
    PolicyError = 400_408, "policy-error", 500, "proxy_configuration_error";
    /// The device is bound to no person, and the system needs one.
    PersonMissing = 400_409, "person-missing", 403, "http_request_denied";
    /// A site's own rule refused; the bundle has its sentence.
    SiteRule = 400_410, "site-rule", 403, "http_request_denied";
    /// A system of tier 1 and one of tier 3 are not open on one device at the same time.
    TiersTogether = 400_411, "tiers-together", 403, "http_request_denied";

    /// The system's name could not be resolved.
    NameNotResolved = 500_501, "name-not-resolved", 502, "dns_error";
    /// Resolving the system's name took too long.
    NameTimeout = 500_502, "name-timeout", 504, "dns_timeout";
    /// The system refused the connection.
    UpstreamRefused = 500_503, "upstream-refused", 502, "connection_refused";
    /// The system did not answer in time.
    UpstreamTimeout = 500_504, "upstream-timeout", 504, "connection_timeout";
    /// There is no way to the system.
    UpstreamUnreachable = 500_505, "upstream-unreachable", 502, "destination_unavailable";
    /// The system reset the connection.
    UpstreamReset = 500_506, "upstream-reset", 502, "connection_terminated";

    /// The audit log cannot be written, so nothing new may be opened.
    AuditUnavailable = 600_601, "audit-unavailable", 503, "proxy_internal_error";
    /// A limit is reached.
    OverLimit = 600_602, "over-limit", 503, "connection_limit_reached";
    /// The gateway is about to stop and takes nothing new.
    Draining = 600_603, "draining", 503, "proxy_internal_response";
    /// The request is malformed.
    BadRequest = 600_604, "bad-request", 400, "http_request_error";
    /// Security staff ended the session.
    SessionKilled = 600_605, "session-killed", 403, "http_request_denied";
    /// The gateway failed.
    Internal = 600_606, "internal", 500, "proxy_internal_error";
    /// The gateway's database does not answer.
    StoreUnavailable = 600_607, "store-unavailable", 503, "proxy_internal_error";
    /// No policy is loaded.
    PolicyMissing = 600_608, "policy-missing", 503, "proxy_configuration_error";

    /// The enrolment code is not known.
    EnrolCodeUnknown = 700_701, "enrol-code-unknown", 403, "http_request_denied";
    /// The enrolment code was used before.
    EnrolCodeUsed = 700_702, "enrol-code-used", 403, "http_request_denied";
    /// The enrolment code's time is over.
    EnrolCodeExpired = 700_703, "enrol-code-expired", 403, "http_request_denied";
    /// The certificate request is wrong.
    EnrolRequestInvalid = 700_704, "enrol-request-invalid", 400, "http_request_error";
    /// The server is not the one that the code was made for.
    EnrolWrongGateway = 700_705, "enrol-wrong-gateway", 403, "tls_certificate_error";
    /// The issuer does not answer.
    IssuerUnavailable = 700_706, "issuer-unavailable", 503, "proxy_internal_error";

    /// The gateway cannot be reached.
    GatewayUnreachable = 800_801, "gateway-unreachable", 504, "connection_timeout";
    /// This machine is not enrolled.
    NotEnrolled = 800_802, "not-enrolled", 403, "proxy_configuration_error";
    /// The target is no internal system, so it does not go through the tunnel.
    NotRouted = 800_803, "not-routed", 403, "http_request_denied";
    /// The tunnel was lost while the flow was open.
    TunnelLost = 800_804, "tunnel-lost", 502, "connection_terminated";
    /// Another user of this machine asked.
    OtherUser = 800_805, "other-user", 403, "http_request_denied";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.slug())
    }
}

/// A word or number that is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a reason code")]
pub struct UnknownCode(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_six_digits_unique_and_ascending() {
        let numbers: Vec<u32> = Code::ALL.iter().map(|code| code.number()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        assert!(numbers.iter().all(|number| (100_000..1_000_000).contains(number)));
    }

    #[test]
    fn a_code_reads_back_from_slug_and_number() {
        for code in Code::ALL {
            assert_eq!(code.slug().parse::<Code>().as_ref(), Ok(code));
            assert_eq!(code.number().to_string().parse::<Code>().as_ref(), Ok(code));
        }
    }
}
