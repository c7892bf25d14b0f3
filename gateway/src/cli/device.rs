//! `hitotsu-gateway device`.

use std::process::ExitCode;

use hitotsu_model::ids::DeviceId;
use serde_json::Value;

use super::session::refused;
use super::{CliError, Context};
use crate::admin::RevokeRequest;
use crate::clock;
use crate::local::Client;
use crate::registry::Device;
use crate::revocation::{Awaited, RevocationAnswer};

/// What can be done with devices.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List every device.
    List,
    /// Show one device with its certificates.
    Show {
        /// The device.
        device: DeviceId,
    },
    /// Revoke a device with everything that it has. Its tunnel is cut at once.
    Revoke {
        /// The device.
        device: DeviceId,
        /// Why; it stands in the audit log.
        #[arg(long, default_value = "revoked by security staff")]
        reason: String,
    },
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<ExitCode, CliError> {
    let client = Client::new(&context.config()?.admin_socket);
    match command {
        Command::List => {
            let answer = client.get("/v1/devices").await?;
            let devices: Vec<Device> = serde_json::from_value(answer).map_err(refused)?;
            context.say(&devices, || {
                if devices.is_empty() {
                    return context.text("device-none", &[]);
                }
                devices.iter().map(|device| line(device, context)).collect::<Vec<_>>().join("\n")
            })?;
        }
        Command::Show { device } => {
            let answer = client.get(&format!("/v1/devices/{device}")).await?;
            context.say(&answer, || shown(&answer, context))?;
        }
        Command::Revoke { device, reason } => {
            let request = serde_json::to_value(RevokeRequest { reason }).map_err(refused)?;
            let answer = client.post(&format!("/v1/devices/{device}/revoke"), &request).await?;
            let answer = serde_json::from_value(answer).map_err(refused)?;
            let done = || context.text("device-revoked", &[("device", &device.to_string())]);
            context.say(&answer, || with_what_is_owed(done(), &answer, context))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What was done, and what of it is still to be written.
pub(super) fn with_what_is_owed(done: String, answer: &RevocationAnswer, context: &Context) -> String {
    let awaits = match answer.awaits {
        None => return done,
        Some(Awaited::Database) => context.text("awaits-database", &[]),
        Some(Awaited::AuditLog) => context.text("awaits-audit-log", &[]),
    };
    let id = if answer.survives_restart { "revoked-owed" } else { "revoked-owed-in-memory" };
    format!("{done}\n{}", context.text(id, &[("awaits", &awaits)]))
}

fn line(device: &Device, context: &Context) -> String {
    let person = device.person.as_ref().map_or("-", |person| person.as_str());
    let state = match &device.revoked {
        Some(revoked) => context.text("device-state-revoked", &[("reason", &revoked.reason)]),
        None => context.text("device-state-good", &[]),
    };
    let level = device.level.number();
    format!(
        "{}  {}  {person}  {}  L{level}  {}  {state}",
        device.id,
        device.profile,
        device.ownership.as_str(),
        device.platform
    )
}

fn shown(answer: &Value, context: &Context) -> String {
    let device = answer.get("device").cloned().unwrap_or(Value::Null);
    let mut lines = match serde_json::from_value::<Device>(device) {
        Ok(device) => vec![line(&device, context)],
        Err(error) => vec![error.to_string()],
    };
    for certificate in answer.get("certificates").and_then(Value::as_array).into_iter().flatten() {
        let serial = certificate.get("serial").and_then(Value::as_str).unwrap_or("?");
        let until = certificate.get("not_after").and_then(Value::as_i64).unwrap_or(0);
        let until = clock::local(hitotsu_model::time::Timestamp(until));
        let revoked = certificate.get("revoked").is_some_and(|revoked| !revoked.is_null());
        let id = if revoked { "certificate-revoked" } else { "certificate-good" };
        lines.push(format!("    {}", context.text(id, &[("serial", serial), ("until", &until)])));
    }
    lines.join("\n")
}
