//! `hitotsu-gateway init`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use hitotsu_model::ids::OrgId;
use hitotsu_policy::sample::DemoPorts;

use super::{CliError, Context, told};
use crate::clock;
use crate::init::{Organisation, init};

/// What `init` is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder that is empty or does not exist yet.
    #[arg(long)]
    dir: PathBuf,
    /// Host name or address that agents dial.
    #[arg(long)]
    name: String,
    /// Name of the organisation in certificates; made from `--name` where left out.
    #[arg(long)]
    org: Option<OrgId>,
    /// Where to listen, UDP and TCP.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where to serve metrics and health.
    #[arg(long, default_value = "127.0.0.1:9464")]
    metrics: SocketAddr,
    /// Adds the demo's systems: ports on loopback of web, files, ssh and the system that nobody at home may reach.
    #[arg(long, value_delimiter = ',', num_args = 4, hide = true)]
    demo_ports: Option<Vec<u16>>,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<ExitCode, CliError> {
    let demo = match args.demo_ports.as_deref() {
        Some([web, files, ssh, secret]) => Some(DemoPorts { web: *web, files: *files, ssh: *ssh, secret: *secret }),
        Some(_) => return Err(CliError::Usage("`--demo-ports` takes four ports: web,files,ssh,secret".to_owned())),
        None => None,
    };
    let org = match args.org {
        Some(org) => org,
        None => org_of(&args.name, context)?,
    };
    let wanted = Organisation { dir: args.dir, name: args.name, org, listen: args.listen, metrics: args.metrics, demo };
    let made = init(&wanted, clock::now()).map_err(told)?;
    let (config, offline) = (made.config.display().to_string(), made.offline_root.display().to_string());
    context.say(&made, || {
        context
            .text("init-done", &[("config", &config), ("offline", &offline), ("fingerprint", &made.root_spki_sha256)])
    })?;
    Ok(ExitCode::SUCCESS)
}

/// `gate.kawasaki.example` belongs to `kawasaki.example`; a name without a dot to `<name>.internal`.
fn org_of(name: &str, context: &Context) -> Result<OrgId, CliError> {
    let lower = name.to_ascii_lowercase();
    let org = match lower.split_once('.') {
        Some((_, org)) if org.contains('.') => org.to_owned(),
        Some(_) => lower,
        None => format!("{lower}.internal"),
    };
    org.parse::<OrgId>().map_err(|error| {
        let detail = error.to_string();
        CliError::Usage(context.text("init-no-org", &[("name", name), ("detail", &detail)]))
    })
}
