//! `hitotsu-gateway check`.

use std::process::ExitCode;

use serde::Serialize;

use super::{CliError, Context};
use crate::bundle_dir;
use crate::config::Config;
use crate::files::others_may;
use crate::serve::credentials;
use crate::words::{InWords, Words};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    warning: bool,
    detail: String,
}

pub(crate) fn run(context: &Context) -> Result<ExitCode, CliError> {
    let config = context.config()?;
    let findings = findings(&config, context);
    let ok = findings.iter().all(|finding| finding.ok || finding.warning);
    context.say(&findings, || {
        let line = |finding: &Finding| {
            let mark = if finding.ok {
                "✓"
            } else if finding.warning {
                "!"
            } else {
                "✗"
            };
            format!("{mark} {} {}", context.text(finding.what, &[]), finding.detail)
        };
        findings.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn findings(config: &Config, context: &Context) -> Vec<Finding> {
    let told = |what, result: Result<String, String>| match result {
        Ok(detail) => Finding { what, ok: true, warning: false, detail },
        Err(detail) => Finding { what, ok: false, warning: false, detail },
    };
    let said = |error: &dyn InWords| error.words().said_in(&context.messages);
    let mut found = vec![told("check-config", Ok(config.file.display().to_string()))];
    let credentials = credentials::load(config);
    found.push(told("check-credentials", credentials.map(|_| config.name.clone()).map_err(|error| said(&error))));
    let bundle = bundle_dir::load(&config.policy_dir);
    found.push(told(
        "check-policy",
        bundle.map(|bundle| bundle.version().to_owned()).map_err(|error| format!("\n{}", said(&error))),
    ));
    for secret in
        [Some(&config.devices_ca_passphrase), Some(&config.devices_ca_key), config.server_key_passphrase.as_ref()]
            .into_iter()
            .flatten()
    {
        let state = match others_may(secret) {
            Ok(false) => Ok(secret.display().to_string()),
            Ok(true) => Err(context.text("check-open", &[("path", &secret.display().to_string())])),
            Err(error) => Err(Words::file("file-unreadable", secret, &error).said_in(&context.messages)),
        };
        found.push(told("check-secret", state));
    }
    let root_key = config.file.with_file_name("offline-root").join("root.key.pem");
    if root_key.exists() {
        let detail = context.text("check-root-here", &[("path", &root_key.display().to_string())]);
        found.push(Finding { what: "check-root", ok: false, warning: true, detail });
    }
    found
}
