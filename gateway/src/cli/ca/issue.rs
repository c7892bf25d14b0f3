//! `hitotsu-gateway ca issue`.

use std::path::Path;

use data_encoding::BASE64;
use hitotsu_model::identity::{AssuranceLevel, HolderName, Profile};
use hitotsu_model::ids::DeviceId;
use hitotsu_model::time::Timestamp;
use hitotsu_pki::csr::{make_csr, verify_csr};
use hitotsu_pki::export;
use hitotsu_pki::key::PrivateKey;
use hitotsu_pki::profile::{CaKind, lifetime};
use hitotsu_pki::serial::SerialBytes;
use ring::rand::SystemRandom;
use rustls_pki_types::CertificateDer;
use serde_json::json;
use uuid::Uuid;

use super::super::session::refused;
use super::super::{CliError, Context, told};
use super::{IssueArgs, directly};
use crate::admin::certificates::{RecordRequest, RelayRequest};
use crate::authorities::{draw_passphrase, open, read_certificate, write_certificates, write_passphrase};
use crate::clock;
use crate::config::Config;
use crate::files::{make_private_dir, write_private};
use crate::init::hosts;
use crate::issuer::Issued;
use crate::local::Client;
use crate::registry::Device;
use crate::store::StoredCertificate;

pub(super) async fn run(args: IssueArgs, context: &Context) -> Result<(), CliError> {
    check(&args, context)?;
    let config = context.config()?;
    let key = PrivateKey::generate_p256(&SystemRandom::new()).map_err(refused)?;
    let csr = make_csr(&key).map_err(refused)?;
    let holder = Device {
        id: DeviceId(Uuid::new_v4()),
        profile: args.profile,
        person: args.person.clone(),
        ownership: args.ownership,
        level: AssuranceLevel::L1,
        platform: String::new(),
        created_at: clock::now(),
        revoked: None,
    };
    let client = Client::new(&config.admin_socket);
    let running = client.is_running().await;
    let issued = if args.profile == Profile::Relay && running {
        let request = RelayRequest { holder: holder.clone(), csr: BASE64.encode(&csr) };
        let request = serde_json::to_value(request).map_err(refused)?;
        let answer = client.post("/v1/certificates/relay", &request).await?;
        serde_json::from_value(answer).map_err(refused)?
    } else {
        let issued = sign(&args, &config, &csr, &holder)?;
        let request = RecordRequest {
            certificate: stored(&issued, &holder),
            // A gateway is no client.
            holder: (args.profile != Profile::Gateway).then(|| holder.clone()),
        };
        if running {
            let request = serde_json::to_value(request).map_err(refused)?;
            client.post("/v1/certificates", &request).await?;
        } else {
            directly(&config).await?.record_certificate(&request).await.map_err(refused)?;
        }
        issued
    };
    write(&args.out, &config, &key, &issued, args.profile)?;
    let said = json!({
        "serial": issued.serial, "holder": holder.id, "profile": args.profile,
        "not_after": issued.not_after, "out": args.out,
    });
    let (serial, until) = (issued.serial.to_string(), clock::local(issued.not_after));
    let out = args.out.display().to_string();
    context.say(&said, || context.text("ca-issued", &[("serial", &serial), ("until", &until), ("out", &out)]))
}

fn check(args: &IssueArgs, context: &Context) -> Result<(), CliError> {
    match args.profile {
        Profile::Device => {
            return Err(CliError::Usage(context.text("ca-device-enrols", &[])));
        }
        Profile::Staff if args.person.is_none() => {
            return Err(CliError::Usage(context.text("ca-staff-needs-a-person", &[])));
        }
        Profile::Relay | Profile::Gateway | Profile::Staff => {}
    }
    if args.profile != Profile::Gateway && !args.hosts.is_empty() {
        return Err(CliError::Usage(context.text("ca-only-gateways-have-hosts", &[])));
    }
    let taken = args.out.exists() && std::fs::read_dir(&args.out).map_err(refused)?.next().is_some();
    if taken {
        let out = args.out.display().to_string();
        return Err(CliError::Usage(context.text("folder-not-empty", &[("folder", &out)])));
    }
    Ok(())
}

/// Signs with the authority's own key, which this command reads.
fn sign(args: &IssueArgs, config: &Config, csr: &[u8], holder: &Device) -> Result<Issued, CliError> {
    let authority = open(&config.authorities_dir, CaKind::of(args.profile)).map_err(told)?;
    let request = verify_csr(csr).map_err(refused)?;
    let name = HolderName { org: config.org.clone(), profile: args.profile, id: holder.id };
    let names = match args.profile {
        Profile::Gateway => {
            let mut names = hosts(&config.name, config.listen);
            names.extend(args.hosts.iter().cloned());
            names
        }
        Profile::Device | Profile::Relay | Profile::Staff => Vec::new(),
    };
    let life = lifetime(args.profile, holder.level);
    let serial = SerialBytes::draw(&SystemRandom::new()).map_err(refused)?;
    let issued = authority.issue(&request, &name, &names, life, clock::now(), serial).map_err(refused)?;
    Ok(Issued {
        org: config.org.clone(),
        certificate: issued.der.to_vec(),
        authority: authority.certificate().to_vec(),
        serial: issued.serial,
        not_after: issued.not_after,
    })
}

fn stored(issued: &Issued, holder: &Device) -> StoredCertificate {
    let now: Timestamp = clock::now();
    StoredCertificate {
        serial: issued.serial.clone(),
        profile: holder.profile,
        holder: holder.id,
        der: issued.certificate.clone(),
        issued_at: now,
        not_after: issued.not_after,
        revoked: None,
    }
}

/// `chain.pem`, `key.pem`, `root.pem`, and `<profile>.p12` with `p12.passphrase`.
fn write(out: &Path, config: &Config, key: &PrivateKey, issued: &Issued, profile: Profile) -> Result<(), CliError> {
    make_private_dir(out).map_err(refused)?;
    let root = read_certificate(&config.root).map_err(told)?;
    let leaf = CertificateDer::from(issued.certificate.clone());
    let authority = CertificateDer::from(issued.authority.clone());
    write_certificates(&out.join("chain.pem"), &[&leaf, &authority]).map_err(refused)?;
    write_certificates(&out.join("root.pem"), &[&root]).map_err(refused)?;
    let plain = export::to_pkcs8_pem(key).map_err(refused)?;
    write_private(&out.join("key.pem"), plain.as_bytes()).map_err(refused)?;
    let password = draw_passphrase().map_err(refused)?;
    let name = format!("{} {profile}", config.org);
    let bundle = export::pkcs12(key, &[leaf, authority], &name, &password).map_err(refused)?;
    write_private(&out.join(format!("{profile}.p12")), &bundle).map_err(refused)?;
    write_passphrase(&out.join("p12.passphrase"), &password).map_err(refused)
}
