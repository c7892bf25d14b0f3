//! The looks themselves.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hitotsu_model::message::Messages;
use hitotsu_pki::export::from_pkcs8_pem;
use hitotsu_pki::key::Signer;
use hitotsu_pki::peer::verify_peer;
use hitotsu_pki::trust::Trust;
use hitotsu_tunnel::dialer::Preference;
use tokio::net::{TcpListener, TcpStream};

use super::Check;
use crate::config::{Config, GatewayAddress};
use crate::control::{Answer, Ask, ConnectionStatus, ask};
use crate::identity::{FileStore, Identity, IdentityStore, KeyPem};
use crate::posture::{Collectors, Context, Description, Machine, describe};
use crate::session::Link;
use crate::{clock, platform, run};

/// Longest look at one part of the network.
const LOOK_TIME_MAX: Duration = Duration::from_secs(8);

/// Everything but the posture, in the order of the path.
pub(super) async fn all(state_dir: &Path, messages: &Messages) -> Vec<Check> {
    let mut checks = Vec::new();
    let config = Config::load(state_dir);
    checks.push(match &config {
        Ok(_) => Check::good("config", "ok"),
        Err(error) => Check::bad("config", error),
    });
    let identity = FileStore::new(state_dir.to_owned()).load();
    checks.push(match &identity {
        Ok((identity, _)) => certificate(identity),
        Err(error) => Check::bad("identity", error),
    });
    checks.push(owner().await);
    checks.push(running(state_dir, messages).await);
    let (Ok(config), Ok((identity, key))) = (config, identity) else {
        checks.extend(["gateway-name", "gateway-tcp", "gateway-h3", "gateway-h2"].map(Check::skipped));
        return checks;
    };
    match run::gateway(&config, &identity) {
        Ok(gateway) => checks.extend(network(&gateway, &identity, &key).await),
        Err(error) => checks.push(Check::bad("gateway-name", error)),
    }
    checks
}

/// The posture in words, collected now.
pub(super) async fn posture(state_dir: &Path, messages: &Messages) -> Vec<Description> {
    let collectors = Collectors::of_this_platform(state_dir);
    let context = Context {
        machine: Arc::new(Machine::this()),
        forbidden: Arc::from(Vec::new()),
        now: clock::now(),
        clock_skew_seconds: None,
    };
    let posture = tokio::task::spawn_blocking(move || collectors.collect(&context)).await.unwrap_or_default();
    describe(&posture, messages)
}

fn certificate(identity: &Identity) -> Check {
    let trust = match Trust::new(&identity.root, identity.org.clone()) {
        Ok(trust) => trust,
        Err(error) => return Check::bad("identity", error),
    };
    match verify_peer(&identity.chain, &trust, clock::now()) {
        Ok(peer) => Check::good("identity", format!("{} – {}", peer.not_before, peer.not_after)),
        Err(fault) => Check::bad("identity", fault),
    }
}

/// Whether the owner of a connection can be told: without it every front stays closed.
async fn owner() -> Check {
    let look = async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let (stream, peer) = listener.accept().await?;
        let owner = platform::peer_uid(stream.local_addr()?, peer)?;
        drop(client);
        Ok::<_, std::io::Error>(owner == platform::own_user_id())
    };
    match look.await {
        Ok(true) => Check::good("owner", "ok"),
        Ok(false) => Check::bad("owner", "another user"),
        Err(error) => Check::bad("owner", error),
    }
}

async fn running(state_dir: &Path, messages: &Messages) -> Check {
    match ask(state_dir, &Ask::Status).await {
        Ok(Answer::Status(status)) => match &status.connection {
            ConnectionStatus::Connected { transport, .. } => Check::good("agent", transport),
            ConnectionStatus::Connecting { failure: Some(failure) } => {
                Check::bad("agent", format!("{} ({})", failure.problem.title, failure.problem.help_code))
            }
            ConnectionStatus::Connecting { failure: None } => {
                Check::bad("agent", messages.text("check-connecting", &[]))
            }
            ConnectionStatus::Refused { problem } => {
                Check::bad("agent", format!("{} ({})", problem.title, problem.help_code))
            }
        },
        Ok(Answer::Problem(problem)) => Check::bad("agent", format!("{} ({})", problem.title, problem.help_code)),
        Ok(Answer::Catalogue { .. } | Answer::Why { .. }) => Check::bad("agent", "?"),
        Err(error) => Check::bad("agent", error),
    }
}

async fn network(gateway: &GatewayAddress, identity: &Identity, key: &KeyPem) -> Vec<Check> {
    let lookup = tokio::net::lookup_host((gateway.host.as_str(), gateway.port));
    let addresses: Vec<_> = match tokio::time::timeout(LOOK_TIME_MAX, lookup).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return unnamed(Check::bad("gateway-name", error)),
        Err(_) => return unnamed(Check::bad("gateway-name", LATE)),
    };
    let mut checks = vec![Check::good("gateway-name", addresses.len())];
    checks.push(match tokio::time::timeout(LOOK_TIME_MAX, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(_)) => Check::good("gateway-tcp", "ok"),
        Ok(Err(error)) => Check::bad("gateway-tcp", error),
        Err(_) => Check::bad("gateway-tcp", LATE),
    });
    for (name, preference) in [("gateway-h3", Preference::QuicOnly), ("gateway-h2", Preference::Http2Only)] {
        checks.push(dial(name, preference, gateway, identity, key).await);
    }
    checks
}

/// What is said of a look that took too long.
const LATE: &str = "no answer in time";

fn unnamed(first: Check) -> Vec<Check> {
    let mut checks = vec![first];
    checks.extend(["gateway-tcp", "gateway-h3", "gateway-h2"].map(Check::skipped));
    checks
}

async fn dial(
    name: &'static str,
    preference: Preference,
    gateway: &GatewayAddress,
    identity: &Identity,
    key: &KeyPem,
) -> Check {
    let key = match from_pkcs8_pem(key.expose()) {
        Ok(key) => key,
        Err(error) => return Check::bad(name, error),
    };
    let signer: Arc<dyn Signer> = Arc::new(key);
    let tls = match run::client_tls(identity, signer) {
        Ok(tls) => tls,
        Err(error) => return Check::bad(name, error),
    };
    let link = Link::new(gateway.clone(), tls).with_preference(preference);
    match tokio::time::timeout(LOOK_TIME_MAX, link.dial()).await {
        Ok(Ok(connection)) => {
            connection.close("doctor");
            Check::good(name, "ok")
        }
        Ok(Err(error)) => Check::bad(name, error),
        Err(_) => Check::bad(name, LATE),
    }
}
