//! `hitotsu logs`.

use std::path::Path;

use super::End;
use super::output::Output;
use crate::logs;

pub(super) fn logs(state_dir: &Path, count: usize, output: &Output) -> End {
    match logs::tail(state_dir, count) {
        Ok(lines) => {
            for line in lines {
                output.line(&if output.json { line } else { logs::readable(&line) });
            }
            End::Well
        }
        Err(error) => output.failure(&output.text("log-not-read", &[("why", &error.to_string())])),
    }
}
