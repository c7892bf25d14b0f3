//! What went wrong, in the words of whoever reads it. What a library or the operating system said in its own words stands
//! behind them in brackets, for the help desk.

use std::io;
use std::path::Path;

use hitotsu_model::message::Messages;
use hitotsu_model::resource::TargetError;
use hitotsu_pki::enrol::EnrolCodeError;
use hitotsu_tunnel::fault::DialError;

use crate::capture::FrontError;
use crate::config::{ConfigError, ValueFault};
use crate::control::ControlError;
use crate::enrol::EnrolError;
use crate::identity::IdentityError;
use crate::limits::{CONFIG_BYTES_MAX, FORWARDS_MAX, ROUTE_PATTERNS_MAX};
use crate::loose::Loose;
use crate::run::RunError;

/// Says an error in the language of these messages.
pub(super) trait Say {
    fn say(&self, messages: &Messages) -> String;
}

impl Say for io::Error {
    fn say(&self, messages: &Messages) -> String {
        match self.get_ref().and_then(|inner| inner.downcast_ref::<Loose>()) {
            Some(loose) => loose.say(messages),
            None => messages.system(self),
        }
    }
}

impl Say for Loose {
    fn say(&self, messages: &Messages) -> String {
        match self {
            Self::Link(path) => messages.text("loose-link", &[("path", &shown(path))]),
            Self::Owner { path, owner, own } => {
                let (owner, own) = (owner.to_string(), own.to_string());
                messages.text("loose-owner", &[("path", &shown(path)), ("owner", &owner), ("own", &own)])
            }
            Self::Open { path, tight, .. } => messages.text("loose-open", &[("path", &shown(path)), ("tight", tight)]),
            Self::Elsewhere(path) => messages.text("loose-elsewhere", &[("path", &shown(path))]),
        }
    }
}

impl Say for EnrolCodeError {
    fn say(&self, messages: &Messages) -> String {
        match self {
            Self::TooLong => messages.text("enrol-code-too-long", &[]),
            Self::NoGateway => messages.text("enrol-code-no-gateway", &[]),
            Self::Gateway(text) => messages.text("enrol-code-bad-gateway", &[("text", text)]),
            Self::Symbol { symbol, group } => {
                messages.text("enrol-code-symbol", &[("symbol", &symbol.to_string()), ("group", &group.to_string())])
            }
            Self::Length { found, expected } => messages
                .text("enrol-code-length", &[("found", &found.to_string()), ("expected", &expected.to_string())]),
            Self::Checksum => messages.text("enrol-code-checksum", &[]),
            Self::Root => messages.text("enrol-code-root", &[]),
        }
    }
}

impl Say for EnrolError {
    fn say(&self, messages: &Messages) -> String {
        match self {
            Self::Problem(problem) => problem.title.clone(),
            Self::Unreachable { gateway, why } => {
                messages.text("enrol-unreachable", &[("gateway", gateway), ("why", why)])
            }
            Self::WrongGateway(why) => messages.text("enrol-wrong-gateway", &[("why", why)]),
            Self::Answer(why) => messages.text("enrol-answer", &[("why", why)]),
            Self::Already => messages.text("enrol-already", &[]),
            Self::Identity(error) => error.say(messages),
            Self::Key(why) => messages.text("enrol-key", &[("why", why)]),
        }
    }
}

impl Say for IdentityError {
    fn say(&self, messages: &Messages) -> String {
        match self {
            Self::NotEnrolled => messages.text("identity-not-enrolled", &[]),
            Self::Loose(error) => error.say(messages),
            Self::Damaged { path, why } => messages.text("identity-damaged", &[("path", &shown(path)), ("why", why)]),
            Self::Io { path, error } => {
                messages.text("file-not-usable", &[("path", &shown(path)), ("why", &error.say(messages))])
            }
        }
    }
}

impl Say for ConfigError {
    fn say(&self, messages: &Messages) -> String {
        match self {
            Self::Unreadable { path, source } => {
                messages.text("config-unreadable", &[("path", &shown(path)), ("why", &source.say(messages))])
            }
            Self::TooLong { path } => {
                messages.text("config-too-long", &[("path", &shown(path)), ("max", &CONFIG_BYTES_MAX.to_string())])
            }
            Self::Form { line, what } => messages.text("config-form", &[("line", &line.to_string()), ("what", what)]),
            Self::Value { key, fault } => {
                messages.text("config-value", &[("key", key), ("what", &fault.say(messages))])
            }
        }
    }
}

impl Say for ValueFault {
    fn say(&self, messages: &Messages) -> String {
        let of = |id: &str, text: &str| messages.text(id, &[("text", text)]);
        match self {
            Self::NoAddress(text) => of("value-no-address", text),
            Self::NotLoopback(text) => of("value-not-loopback", text),
            Self::Target(error) => error.say(messages),
            Self::Pattern(error) => of("value-pattern", &error.0),
            Self::Transport(text) => of("value-transport", text),
            Self::Taken(address) => of("value-taken", &address.to_string()),
            Self::Route(text) => of("value-route", text),
            Self::Congestion(error) => of("value-congestion", &error.0),
            Self::Forwards(count) => {
                messages.text("value-forwards", &[("count", &count.to_string()), ("max", &FORWARDS_MAX.to_string())])
            }
            Self::Patterns(count) => messages
                .text("value-patterns", &[("count", &count.to_string()), ("max", &ROUTE_PATTERNS_MAX.to_string())]),
        }
    }
}

impl Say for TargetError {
    fn say(&self, messages: &Messages) -> String {
        match self {
            Self::Host(text) => messages.text("target-host", &[("text", text)]),
            Self::Port(text) => messages.text("target-port", &[("text", text)]),
        }
    }
}

impl Say for RunError {
    fn say(&self, messages: &Messages) -> String {
        match self {
            Self::Identity(error) => error.say(messages),
            Self::Config(error) => error.say(messages),
            Self::Front(FrontError::Bind { key, address, source }) => messages.text(
                "front-taken",
                &[("key", key), ("address", &address.to_string()), ("why", &source.say(messages))],
            ),
            Self::Front(FrontError::Messages(error)) => error.to_string(),
            Self::Control(error) => error.say(messages),
            Self::Unusable(why) => messages.text("identity-unusable", &[("why", why)]),
        }
    }
}

impl Say for ControlError {
    fn say(&self, messages: &Messages) -> String {
        match self {
            Self::NotRunning => messages.text("not-running", &[]),
            Self::AlreadyRunning => messages.text("already-running", &[]),
            Self::NotYet => messages.text("control-not-yet", &[]),
            Self::PathTooLong(path) => messages.text("control-path-too-long", &[("path", path)]),
            Self::Io(error) => messages.text("control-failed", &[("why", &error.say(messages))]),
            Self::OtherVersion(version) => messages.text("control-other-version", &[("version", version)]),
        }
    }
}

impl Say for DialError {
    fn say(&self, messages: &Messages) -> String {
        let of = |id: &str, why: &str| messages.text(id, &[("why", why)]);
        match self {
            Self::Unreachable { .. } => of("dial-unreachable", &self.to_string()),
            Self::GatewayUntrusted(why) => of("dial-untrusted", why),
            Self::NotAccepted(why) => of("dial-not-accepted", why),
            Self::Incompatible(why) => of("dial-incompatible", why),
            Self::Misconfigured(why) => of("identity-unusable", why),
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
