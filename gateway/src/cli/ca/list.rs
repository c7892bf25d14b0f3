//! `hitotsu-gateway ca list` and `ca crl`.

use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64;
use hitotsu_pki::profile::CaKind;
use serde_json::json;

use super::super::session::refused;
use super::super::{CliError, Context, told};
use super::directly;
use crate::admin::certificates::{CrlAsked, CrlMade};
use crate::authorities::open;
use crate::clock;
use crate::files::write_public;
use crate::local::Client;
use crate::store::{Store, StoredCertificate};

pub(super) async fn certificates(context: &Context) -> Result<(), CliError> {
    let config = context.config()?;
    let client = Client::new(&config.admin_socket);
    let rows: Vec<StoredCertificate> = if client.is_running().await {
        let answer = client.get("/v1/certificates").await?;
        serde_json::from_value(answer).map_err(refused)?
    } else {
        let store = Store::open(&config.database).await.map_err(told)?;
        store.certificates().await.map_err(told)?
    };
    context.say(&rows, || {
        if rows.is_empty() {
            return context.text("ca-none", &[]);
        }
        rows.iter().map(|row| line(row, context)).collect::<Vec<_>>().join("\n")
    })
}

fn line(row: &StoredCertificate, context: &Context) -> String {
    let state = match &row.revoked {
        Some(revoked) => context.text("device-state-revoked", &[("reason", &revoked.reason)]),
        None if row.not_after < clock::now() => context.text("ca-ended", &[]),
        None => context.text("device-state-good", &[]),
    };
    format!("{}  {}  {}  {}  {state}", row.serial, row.profile, row.holder, clock::local(row.not_after))
}

pub(super) async fn revoked(kind: CaKind, out: &Path, hours: u32, context: &Context) -> Result<(), CliError> {
    let config = context.config()?;
    let next_update = clock::now().plus(Duration::from_secs(u64::from(hours) * 3600));
    let client = Client::new(&config.admin_socket);
    let made: CrlMade = if client.is_running().await {
        let asked = serde_json::to_value(CrlAsked { next_update }).map_err(refused)?;
        let answer = client.post(&format!("/v1/crl/{}", kind.as_str()), &asked).await?;
        serde_json::from_value(answer).map_err(refused)?
    } else {
        let (number, entries) = directly(&config).await?.revocations(kind).await.map_err(refused)?;
        CrlMade { number, entries, der: None }
    };
    let der = match &made.der {
        Some(text) => BASE64.decode(text.as_bytes()).map_err(refused)?,
        None => {
            let authority = open(&config.authorities_dir, kind).map_err(told)?;
            authority.crl(&made.entries, made.number, clock::now(), next_update).map_err(refused)?
        }
    };
    write_public(out, &der).map_err(refused)?;
    let said = json!({
        "kind": kind.as_str(), "number": made.number, "revoked": made.entries.len(),
        "next_update": next_update, "out": out,
    });
    let (number, count) = (made.number.to_string(), made.entries.len().to_string());
    let out = out.display().to_string();
    context.say(&said, || context.text("ca-crl", &[("number", &number), ("count", &count), ("out", &out)]))
}
