//! One claim as a collector makes it, and why one could not be made.

use std::fmt::Display;

use hitotsu_model::posture::{CLAIM_LIST_MAX, CLAIM_TEXT_BYTES_MAX, ClaimName, ClaimValue, Source};

/// One claim as a collector makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which claim.
    pub name: ClaimName,
    /// What was found.
    pub value: ClaimValue,
    /// Who vouches for it.
    pub source: Source,
}

impl Finding {
    /// Yes or no, from the operating system's own interface.
    #[must_use]
    pub fn yes_or_no(name: ClaimName, value: bool) -> Self {
        Self { name, value: ClaimValue::Bool(value), source: Source::Os }
    }

    /// A whole number, from the operating system's own interface.
    #[must_use]
    pub fn number(name: ClaimName, value: i64) -> Self {
        Self { name, value: ClaimValue::Integer(value), source: Source::Os }
    }

    /// A text, from the operating system's own interface; cut where it is longer than a claim may be.
    #[must_use]
    pub fn text(name: ClaimName, value: &str) -> Self {
        Self { name, value: ClaimValue::Text(shortened(value)), source: Source::Os }
    }

    /// Texts, from the operating system's own interface; cut where they are more or longer than a claim may hold.
    #[must_use]
    pub fn texts(name: ClaimName, values: impl IntoIterator<Item = String>) -> Self {
        let list = values.into_iter().take(CLAIM_LIST_MAX).map(|text| shortened(&text)).collect();
        Self { name, value: ClaimValue::TextList(list), source: Source::Os }
    }

    /// It could not be found out.
    #[must_use]
    pub fn unknown(name: ClaimName, why: WhyUnknown) -> Self {
        Self { name, value: ClaimValue::Unknown(why.sentence().to_owned()), source: Source::Unknown }
    }

    /// It could not be found out, with what the operating system said about it.
    #[must_use]
    pub fn unknown_because(name: ClaimName, why: WhyUnknown, detail: impl Display) -> Self {
        let text = shortened(&format!("{} ({detail})", why.sentence()));
        Self { name, value: ClaimValue::Unknown(text), source: Source::Unknown }
    }

    /// The same finding with the agent's own word for it instead of the operating system's: what follows from
    /// configuration files and not from the thing itself.
    #[must_use]
    pub fn on_own_word(mut self) -> Self {
        if self.source == Source::Os {
            self.source = Source::Agent;
        }
        self
    }
}

macro_rules! whys {
    ($($(#[$doc:meta])* $variant:ident = $slug:literal : $sentence:literal),+ $(,)?) => {
        /// Why a claim could not be made. Its English sentence travels in the claim; the agent shows it translated.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum WhyUnknown {
            $($(#[$doc])* $variant,)+
        }

        impl WhyUnknown {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The end of its message's id: `why-<slug>`.
            #[must_use]
            pub fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug,)+ }
            }

            /// The sentence in claims.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

whys! {
    /// No collector of this platform makes the claim.
    NotOnThisPlatform = "not-on-this-platform": "this version cannot find that out on this operating system",
    /// The collector has not come back.
    NoAnswer = "no-answer": "the check has not answered",
    /// The collector panicked.
    Crashed = "crashed": "the check failed by a fault of its own",
    /// The collector left the claim out or made it wrongly.
    NotSaid = "not-said": "the check gave no usable result",
    /// A file or interface could not be read.
    NotReadable = "not-readable": "it may not be read or is not there",
    /// The root file system is no block device.
    NotOnDisk = "not-on-disk": "the system does not lie on a disk of its own, as in a container",
    /// The block device is not in sysfs.
    DeviceNotVisible = "device-not-visible": "the device is not visible from here",
    /// The ruleset needs privileges, and no manager's configuration says enough.
    RulesetNotReadable = "ruleset-not-readable": "the firewall's rules may not be read by this user",
    /// Some rule decides by something that the agent cannot judge.
    RuleNotUnderstood = "rule-not-understood": "a firewall rule decides by something that this version cannot judge",
    /// Neither nft nor iptables is installed.
    NoFirewallTool = "no-firewall-tool": "no program is installed that can list the firewall's rules",
    /// Nobody sits at a graphical screen.
    NoGraphicalSession = "no-graphical-session": "nobody is signed in at a graphical screen",
    /// A desktop whose settings the agent cannot read.
    DesktopNotKnown = "desktop-not-known": "this version cannot read this desktop's settings",
    /// The screen never locks, so there is no time.
    NeverLocks = "never-locks": "the screen never locks by itself",
    /// There is no antivirus program, so there are no signatures.
    NoAntivirus = "no-antivirus": "no antivirus program was found",
    /// Its signatures cannot be read.
    SignaturesNotKnown = "signatures-not-known": "this antivirus program does not tell the age of its signatures",
    /// Neither apt nor dnf data.
    NoPackageManager = "no-package-manager": "no package manager that this version knows was found",
    /// No security source is configured or was ever fetched.
    NoSecuritySource = "no-security-source": "no list of security updates has been fetched",
    /// Updates wait since nobody knows when.
    UpdatesWait = "updates-wait": "security updates wait, and it is not known since when",
    /// The pending updates could not be listed.
    UpdatesNotListed = "updates-not-listed": "the waiting updates could not be listed",
    /// No hash was recorded.
    NoRecordedHash = "no-recorded-hash": "no fingerprint of the program was recorded when it was installed",
    /// Other users' processes are hidden.
    ProcessesHidden = "processes-hidden": "the programs of other users are hidden from this user",
    /// The gateway's time is not known yet.
    NoGatewayTime = "no-gateway-time": "the gateway has not told its time yet",
}

impl WhyUnknown {
    /// The reason that a claim's text gives, and its detail, if the agent wrote it.
    #[must_use]
    pub fn parse(text: &str) -> Option<(Self, &str)> {
        Self::ALL.iter().find_map(|why| {
            let rest = text.strip_prefix(why.sentence())?;
            match rest.strip_prefix(" (") {
                Some(detail) => Some((*why, detail.strip_suffix(')').unwrap_or(detail))),
                None if rest.is_empty() => Some((*why, "")),
                None => None,
            }
        })
    }
}

/// At most as many bytes as a claim's text may have, without control characters, cut between characters.
fn shortened(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = clean.floor_char_boundary(CLAIM_TEXT_BYTES_MAX);
    clean.get(..end).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_back_with_its_detail() {
        let finding = Finding::unknown_because(ClaimName::FirewallOn, WhyUnknown::NotReadable, "no such file (2)");
        let ClaimValue::Unknown(text) = &finding.value else { panic!("unknown") };
        assert_eq!(WhyUnknown::parse(text), Some((WhyUnknown::NotReadable, "no such file (2)")));
        assert_eq!(WhyUnknown::parse(WhyUnknown::NoAnswer.sentence()), Some((WhyUnknown::NoAnswer, "")));
        assert_eq!(WhyUnknown::parse("something else"), None);
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_fits_its_claim() {
        let finding = Finding::text(ClaimName::OsName, &"漢".repeat(200));
        assert!(finding.value.fits(ClaimName::OsName.kind()));
        let many = Finding::texts(ClaimName::ForbiddenSoftware, (0..100).map(|n| n.to_string()));
        assert!(many.value.fits(ClaimName::ForbiddenSoftware.kind()));
        let why = Finding::unknown_because(ClaimName::OsName, WhyUnknown::NotReadable, "あ".repeat(300));
        assert!(why.value.fits(ClaimName::OsName.kind()));
    }
}
