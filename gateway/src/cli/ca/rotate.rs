//! `hitotsu-gateway ca rotate`.

use std::path::Path;

use hitotsu_model::audit::AuditEvent;
use hitotsu_pki::profile::CaKind;
use serde_json::json;

use super::super::session::refused;
use super::super::{CliError, Context, told};
use super::directly;
use crate::authorities::rotate;
use crate::clock;
use crate::init::hosts;
use crate::local::Client;

pub(super) async fn run(kind: CaKind, root: &Path, more: Vec<String>, context: &Context) -> Result<(), CliError> {
    let config = context.config()?;
    if kind != CaKind::Gateways && !more.is_empty() {
        return Err(CliError::Usage(context.text("ca-only-gateways-have-hosts", &[])));
    }
    // The audit log is written by one process, and the issuer must read its new key: the gateway stands still for this.
    if Client::new(&config.admin_socket).is_running().await {
        return Err(CliError::Refused(context.text("ca-stop-first", &[])));
    }
    let state = directly(&config).await?;
    let mut names = hosts(&config.name, config.listen);
    names.extend(more);
    let issued = rotate(&config.authorities_dir, root, kind, &names, clock::now()).map_err(told)?;
    let event = AuditEvent::AuthorityIssued {
        kind: kind.as_str().to_owned(),
        serial: issued.serial.clone(),
        not_after: issued.not_after,
    };
    state.record(event).await.map_err(refused)?;
    let said = json!({ "kind": kind.as_str(), "serial": issued.serial, "not_after": issued.not_after });
    let (serial, until) = (issued.serial.to_string(), clock::local(issued.not_after));
    context
        .say(&said, || context.text("ca-rotated", &[("kind", kind.as_str()), ("serial", &serial), ("until", &until)]))
}
