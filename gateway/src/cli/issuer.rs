//! `hitotsu-gateway issuer`.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{CliError, Context, serve};
use crate::issuer;

/// Run the process that holds the key of the devices' authority. `serve` starts it by itself unless `issuer.spawn` is
/// false.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End with this process.
    #[arg(long, hide = true)]
    parent: Option<u32>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<ExitCode, CliError> {
    serve::log_to_stderr()?;
    let config = context.config()?;
    super::short(async {
        let stop = CancellationToken::new();
        let told = stop.clone();
        let mut ended = signal(SignalKind::terminate()).map_err(|error| CliError::Refused(error.to_string()))?;
        let mut interrupted = signal(SignalKind::interrupt()).map_err(|error| CliError::Refused(error.to_string()))?;
        tokio::spawn(async move {
            tokio::select! {
                _ = ended.recv() => {}
                _ = interrupted.recv() => {}
            }
            told.cancel();
        });
        issuer::run(&config, args.parent, stop).await.map_err(super::told)
    })?;
    Ok(ExitCode::SUCCESS)
}
