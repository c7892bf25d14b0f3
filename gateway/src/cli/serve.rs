//! `hitotsu-gateway serve`.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use super::{CliError, Context, told};
use crate::serve;

/// What `serve` is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen, instead of what the configuration says.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Where to serve metrics, instead of what the configuration says.
    #[arg(long)]
    metrics: Option<SocketAddr>,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<ExitCode, CliError> {
    log_to_stderr()?;
    let mut config = context.config()?;
    config.listen = args.listen.unwrap_or(config.listen);
    config.metrics_listen = args.metrics.or(config.metrics_listen);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::Refused(error.to_string()))?;
    let ready = |ready: &serve::Ready| {
        let listen = ready.listen.to_string();
        let said =
            context.say(ready, || context.text("serve-ready", &[("listen", &listen), ("bundle", &ready.bundle)]));
        if let Err(error) = said {
            tracing::debug!(%error, "nobody reads our output");
        }
    };
    runtime.block_on(serve::run(config, ready)).map_err(told)?;
    Ok(ExitCode::SUCCESS)
}

/// Sends the log to standard error: text for a terminal, JSON for everything else.
pub(super) fn log_to_stderr() -> Result<(), CliError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // The program's first log line may come from a library; a second subscriber cannot be there in a command.
    let set = if std::io::stderr().is_terminal() { log.try_init() } else { log.json().try_init() };
    set.map_err(|error| CliError::Refused(error.to_string()))
}
