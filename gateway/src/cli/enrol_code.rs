//! `hitotsu-gateway enrol-code`.

use std::process::ExitCode;

use hitotsu_model::identity::Ownership;
use hitotsu_model::ids::PersonId;

use super::session::refused;
use super::{CliError, Context};
use crate::admin::{EnrolCodeMade, EnrolCodeRequest};
use crate::clock;
use crate::local::Client;
use crate::operate::PersonKnown;

/// What `enrol-code` is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the person that the device will be bound to.
    #[arg(long)]
    person: Option<PersonId>,
    /// Whose the device will be: `issued`, `shared-desk` or `byod`.
    #[arg(long, default_value = "issued")]
    ownership: Ownership,
    /// Make the code though the policy in effect does not know the person yet.
    #[arg(long)]
    unlisted: bool,
    /// How long the code is valid: `30m`, `24h`, `7d`.
    #[arg(long, default_value = "24h", value_parser = seconds)]
    valid: u64,
}

/// A whole number with `s`, `m`, `h` or `d`, in seconds.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a time; write it as `30m`, `24h` or `7d`");
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, CliError> {
    let client = Client::new(&context.config()?.admin_socket);
    // A shared desk with a person is a mistake of its own, which the gateway names.
    let to_check = !args.unlisted && args.ownership != Ownership::SharedDesk;
    if let Some(person) = args.person.as_ref().filter(|_| to_check) {
        must_be_known(person, &client, context).await?;
    }
    let request = EnrolCodeRequest { person: args.person, ownership: args.ownership, valid_seconds: args.valid };
    let request = serde_json::to_value(request).map_err(refused)?;
    let made = client.post("/v1/enrol-codes", &request).await?;
    let made: EnrolCodeMade = serde_json::from_value(made).map_err(refused)?;
    let expires_at = clock::local(made.expires_at);
    context.say(&made, || context.text("enrol-code-made", &[("code", &made.code), ("until", &expires_at)]))?;
    Ok(ExitCode::SUCCESS)
}

/// A device of a person whom no rule knows opens nothing, and a mistyped id is found out only then.
async fn must_be_known(person: &PersonId, client: &Client, context: &Context) -> Result<(), CliError> {
    let answer = client.get(&format!("/v1/policy/people/{person}")).await?;
    let answer: PersonKnown = serde_json::from_value(answer).map_err(refused)?;
    if answer.known {
        return Ok(());
    }
    let file = answer.file.display().to_string();
    Err(CliError::Usage(context.text("code-unknown-person", &[("person", person.as_str()), ("file", &file)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(seconds("30m"), Ok(1800));
        assert_eq!(seconds("7d"), Ok(604_800));
        for bad in ["", "30", "h", "-1h", "1.5h", "99999999999999999999d", "１h"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
