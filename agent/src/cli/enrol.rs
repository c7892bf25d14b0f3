//! `hitotsu enrol`.

use std::io::Read;
use std::path::Path;

use hitotsu_model::control::Problem;
use hitotsu_pki::enrol::EnrolCode;
use serde_json::json;

use super::End;
use super::output::Output;
use super::words::Say;
use crate::enrol::{EnrolError, Enrolled, Existing};
use crate::identity::FileStore;
use crate::{clock, enrol};

/// Longest code that is read from standard input: four times a real one.
const CODE_BYTES_MAX: u64 = 1024;

pub(super) async fn enrol(state_dir: &Path, code: &str, again: bool, output: &Output) -> End {
    let code = match code {
        "-" => from_standard_input(),
        code => code.to_owned(),
    };
    let code: EnrolCode = match code.trim().parse() {
        Ok(code) => code,
        Err(error) => {
            output.failed(&error);
            return End::Usage;
        }
    };
    if let Err(error) = prepare(state_dir) {
        return output.cannot_use(state_dir, &error);
    }
    let existing = if again { Existing::Replace } else { Existing::Keep };
    let store = FileStore::new(state_dir.to_owned());
    match enrol::enrol(&code, &store, state_dir, existing, &output.messages, clock::now()).await {
        Ok(enrolled) => done(&enrolled, output),
        Err(error) => failed(&error, output),
    }
}

fn from_standard_input() -> String {
    let mut text = String::new();
    let _ = std::io::stdin().lock().take(CODE_BYTES_MAX).read_to_string(&mut text);
    text
}

/// The state directory, closed to others from the beginning.
pub(super) fn prepare(state_dir: &Path) -> std::io::Result<()> {
    if state_dir.is_dir() {
        return Ok(());
    }
    crate::process::create_private_directory(state_dir)
}

fn done(enrolled: &Enrolled, output: &Output) -> End {
    let identity = &enrolled.identity;
    if output.json {
        output.json(&json!({
            "enrolled": {
                "org": identity.org,
                "device": identity.device,
                "person": enrolled.person,
                "gateway": identity.gateway,
                "not_after": enrolled.not_after,
            }
        }));
        return End::Well;
    }
    output.line(&output.good(&output.text("enrolled", &[("org", identity.org.as_str())])));
    output.say("enrolled-device", &[("device", &identity.device.to_string())]);
    if let Some(person) = &enrolled.person {
        output.say("enrolled-person", &[("person", person.as_str())]);
    }
    output.say("enrolled-next", &[]);
    End::Well
}

fn failed(error: &EnrolError, output: &Output) -> End {
    match (error, error.code()) {
        (EnrolError::Problem(problem), _) => output.problem(problem),
        (_, Some(code)) => {
            let problem = Problem::new(code, &output.messages);
            if output.json {
                output.json(&json!({ "problem": problem, "detail": error.to_string() }));
            } else {
                output.problem_lines(&problem, "");
                output.line(&output.faint(&error.say(&output.messages)));
            }
            End::Problem
        }
        (_, None) => output.failed(error),
    }
}
