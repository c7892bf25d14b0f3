//! `hitotsu-gateway ca`.

mod issue;
mod list;
mod rotate;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use hitotsu_model::identity::{Ownership, Profile};
use hitotsu_model::ids::{OrgId, PersonId, Serial};
use hitotsu_pki::profile::CaKind;
use serde_json::json;

use super::device::with_what_is_owed;
use super::session::refused;
use super::{CliError, Context, told};
use crate::admin::{AdminState, RevokeRequest};
use crate::audit::AuditLog;
use crate::authorities;
use crate::clock;
use crate::config::Config;
use crate::issuer::IssuerClient;
use crate::local::Client;
use crate::registry::{Registry, RegistryCopy};
use crate::revocation::{Owed, known};
use crate::store::Store;

/// What can be done with authorities and certificates.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a root and its three issuing authorities in an empty folder. `init` does this and more.
    Init {
        /// A folder that is empty or does not exist yet.
        #[arg(long)]
        dir: PathBuf,
        /// Name of the organisation in certificates.
        #[arg(long)]
        org: OrgId,
        /// Host name or address that gateways may have; repeat it for more.
        #[arg(long = "host", required = true)]
        hosts: Vec<String>,
    },
    /// Issue a certificate with its key, as PEM and PKCS#12.
    Issue(IssueArgs),
    /// List every certificate on record.
    List,
    /// Revoke one certificate. Its tunnel is cut at once.
    Revoke {
        /// Its serial number.
        serial: Serial,
        /// Why: `key-compromise`, `superseded`, `cessation-of-operation`, `privilege-withdrawn`, or words of your own.
        #[arg(long, default_value = "unspecified")]
        reason: String,
    },
    /// Write a revocation list for outsiders.
    Crl {
        /// Whose: `devices`, `gateways` or `staff`.
        #[arg(long, default_value = "devices", value_parser = kind)]
        kind: CaKind,
        /// The file to write, DER.
        #[arg(long)]
        out: PathBuf,
        /// How many hours until the next list is due.
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=24 * 90))]
        hours: u32,
    },
    /// Give an issuing authority a new key and certificate. Needs the root's key.
    Rotate {
        /// Which: `devices`, `gateways` or `staff`.
        #[arg(long, value_parser = kind)]
        kind: CaKind,
        /// The folder with the root's key, brought back for this.
        #[arg(long)]
        root: PathBuf,
        /// Host name or address that gateways may have, beside the configured one; repeat it for more.
        #[arg(long = "host")]
        hosts: Vec<String>,
    },
}

/// What `ca issue` is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct IssueArgs {
    /// `relay` (a client without our agent), `gateway` or `staff`.
    #[arg(long)]
    profile: Profile,
    /// A folder for the files; it must be empty or not exist yet.
    #[arg(long)]
    out: PathBuf,
    /// Id of the person that it is bound to; needed for `staff`.
    #[arg(long)]
    person: Option<PersonId>,
    /// Whose the client is: `issued`, `shared-desk` or `byod`.
    #[arg(long, default_value = "issued")]
    ownership: Ownership,
    /// Host name or address of a gateway, beside the configured one; repeat it for more.
    #[arg(long = "host")]
    hosts: Vec<String>,
}

fn kind(text: &str) -> Result<CaKind, String> {
    let found = CaKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| format!("`{text}` is no authority; use `devices`, `gateways` or `staff`"))
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<ExitCode, CliError> {
    match command {
        Command::Init { dir, org, hosts } => {
            if dir.exists() && std::fs::read_dir(&dir).map_err(refused)?.next().is_some() {
                return Err(CliError::Refused(
                    context.text("folder-not-empty", &[("folder", &dir.display().to_string())]),
                ));
            }
            let (folder, offline) = (dir.join("authorities"), dir.join("offline-root"));
            authorities::create(&folder, &offline, &org, &hosts, clock::now()).map_err(told)?;
            let made = json!({ "authorities": folder, "offline_root": offline });
            let shown = (folder.display().to_string(), offline.display().to_string());
            context.say(&made, || context.text("ca-init", &[("folder", &shown.0), ("offline", &shown.1)]))?;
        }
        Command::Issue(args) => issue::run(args, context).await?,
        Command::List => list::certificates(context).await?,
        Command::Revoke { serial, reason } => {
            let client = Client::new(&context.config()?.admin_socket);
            let request = serde_json::to_value(RevokeRequest { reason }).map_err(refused)?;
            let answer = client.post(&format!("/v1/certificates/{serial}/revoke"), &request).await?;
            let answer = serde_json::from_value(answer).map_err(refused)?;
            let done = || context.text("ca-revoked", &[("serial", serial.as_str())]);
            context.say(&answer, || with_what_is_owed(done(), &answer, context))?;
        }
        Command::Crl { kind, out, hours } => list::revoked(kind, &out, hours, context).await?,
        Command::Rotate { kind, root, hosts } => rotate::run(kind, &root, hosts, context).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What the routes of the gateway would work on, opened by the command itself while no gateway runs. The audit log's
/// lock keeps a gateway from starting meanwhile.
async fn directly(config: &Config) -> Result<AdminState, CliError> {
    let (audit, recovery) = AuditLog::open(&config.audit_dir, clock::now()).map_err(told)?;
    for damage in &recovery.damage {
        tracing::error!(%damage, "the audit log is damaged");
    }
    let store = Store::open(&config.database).await.map_err(told)?;
    let copy = RegistryCopy::beside(&config.database);
    let registry = Registry::new(known(&store, &copy).await.map_err(told)?);
    Ok(AdminState {
        store,
        registry,
        copy,
        owed: Owed::default(),
        audit,
        issuer: IssuerClient::new(&config.issuer_socket),
        root: authorities::read_certificate(&config.root).map_err(told)?,
        authority: SocketAddr::to_string(&config.listen),
        changing: Arc::default(),
    })
}
