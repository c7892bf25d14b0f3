//! Clock: how far it is from the gateway's. The session learns the gateway's time and passes it in.

use std::time::Duration;

use hitotsu_model::posture::ClaimName;

use crate::posture::{Collector, Context, Finding, Machine, Watched, WhyUnknown};

/// Nothing changes by itself; a new time from the gateway asks for a new look.
const POLL: Duration = Duration::from_secs(3600);

/// Makes `clock_skew_seconds`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockSkew;

impl Collector for ClockSkew {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::ClockSkewSeconds]
    }

    fn collect(&self, context: &Context) -> Vec<Finding> {
        vec![match context.clock_skew_seconds {
            Some(seconds) => Finding::number(ClaimName::ClockSkewSeconds, seconds).on_own_word(),
            None => Finding::unknown(ClaimName::ClockSkewSeconds, WhyUnknown::NoGatewayTime),
        }]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        Watched::every(POLL)
    }
}
