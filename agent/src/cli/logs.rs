//! `hitotsu logs`.

use std::path::Path;

use super::End;
use super::output::Output;
use crate::{clock, logs};

pub(super) fn logs(state_dir: &Path, count: usize, output: &Output) -> End {
    match logs::tail(state_dir, count) {
        Ok(lines) => {
            for line in lines {
                output.line(&if output.json { line } else { logs::readable(&line, clock::local_exact) });
            }
            End::Well
        }
        Err(error) => output.wrong("log-not-read", &error),
    }
}
