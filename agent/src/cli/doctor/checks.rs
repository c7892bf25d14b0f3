//! The looks themselves.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hitotsu_model::code::Code;
use hitotsu_model::message::Messages;
use hitotsu_pki::export::from_pkcs8_pem;
use hitotsu_pki::key::Signer;
use hitotsu_pki::peer::{PeerFault, verify_peer};
use hitotsu_pki::trust::Trust;
use hitotsu_tunnel::dialer::Preference;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::super::words::Say;
use super::Check;
use crate::config::{Config, GatewayAddress};
use crate::control::{Answer, Ask, ConnectionStatus, ask};
use crate::identity::{FileStore, Identity, IdentityStore, KeyPem};
use crate::posture::{Collectors, Context, Description, Machine, describe};
use crate::run::RunError;
use crate::session::Link;
use crate::{clock, platform, run};

/// Longest look at one part of the network.
const LOOK_TIME_MAX: Duration = Duration::from_secs(8);

/// Everything but the posture, in the order of the path.
pub(super) async fn all(state_dir: &Path, messages: &Messages) -> Vec<Check> {
    let mut checks = Vec::new();
    let config = Config::load(state_dir);
    checks.push(match &config {
        Ok(_) => Check::good("config", good(messages)),
        Err(error) => Check::bad("config", error.say(messages)),
    });
    let identity = FileStore::new(state_dir.to_owned()).load();
    checks.push(match &identity {
        Ok((identity, _)) => certificate(identity, messages),
        Err(error) => Check::bad("identity", error.say(messages)),
    });
    checks.push(owner(messages).await);
    checks.push(running(state_dir, messages).await);
    let (Ok(config), Ok((identity, key))) = (config, identity) else {
        checks.extend(["gateway-name", "gateway-tcp", "gateway-h3", "gateway-h2"].map(Check::skipped));
        return checks;
    };
    match run::gateway(&config, &identity) {
        Ok(gateway) => checks.extend(network(&gateway, &identity, &key, messages).await),
        Err(error) => checks.push(Check::bad("gateway-name", error.say(messages))),
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

fn good(messages: &Messages) -> String {
    messages.text("found-good", &[])
}

fn certificate(identity: &Identity, messages: &Messages) -> Check {
    let unfit = |why: String| Check::bad("identity", messages.text("found-certificate", &[("why", &why)]));
    let trust = match Trust::new(&identity.root, identity.org.clone()) {
        Ok(trust) => trust,
        Err(error) => return unfit(error.to_string()),
    };
    match verify_peer(&identity.chain, &trust, clock::now()) {
        Ok(peer) => {
            let (from, until) = (clock::local(peer.not_before), clock::local(peer.not_after));
            Check::good("identity", messages.text("found-valid", &[("from", &from), ("until", &until)]))
        }
        Err(PeerFault::Expired(_)) => Check::bad("identity", told(Code::CertificateExpired, messages)),
        Err(PeerFault::NotYetValid(_)) => Check::bad("identity", told(Code::CertificateNotYetValid, messages)),
        Err(fault) => unfit(fault.to_string()),
    }
}

/// What is known of a code, as any command tells it.
fn told(code: Code, messages: &Messages) -> String {
    let (title, remedy) = messages.code(code);
    format!("{title} {remedy}")
}

/// Whether the owner of a connection can be told: without it every front stays closed.
async fn owner(messages: &Messages) -> Check {
    let look = async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let (stream, peer) = listener.accept().await?;
        let owner = platform::peer_uid(stream.local_addr()?, peer)?;
        drop(client);
        Ok::<_, std::io::Error>(owner == platform::own_user_id())
    };
    match look.await {
        Ok(true) => Check::good("owner", good(messages)),
        Ok(false) => Check::bad("owner", messages.text("found-other-user", &[])),
        Err(error) => Check::bad("owner", error.say(messages)),
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
        Ok(Answer::Catalogue { .. } | Answer::Why { .. }) => {
            Check::bad("agent", messages.text("agent-answered-otherwise", &[]))
        }
        Err(error) => Check::bad("agent", error.say(messages)),
    }
}

async fn network(gateway: &GatewayAddress, identity: &Identity, key: &KeyPem, messages: &Messages) -> Vec<Check> {
    let late = || messages.text("found-late", &[]);
    let lookup = tokio::net::lookup_host((gateway.host.as_str(), gateway.port));
    let addresses: Vec<_> = match timeout(LOOK_TIME_MAX, lookup).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            let why = error.say(messages);
            return unnamed(Check::bad("gateway-name", messages.text("found-name", &[("why", &why)])));
        }
        Err(_) => return unnamed(Check::bad("gateway-name", late())),
    };
    let count = addresses.len().to_string();
    let mut checks = vec![Check::good("gateway-name", messages.text("found-addresses", &[("count", &count)]))];
    checks.push(match timeout(LOOK_TIME_MAX, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(_)) => Check::good("gateway-tcp", good(messages)),
        Ok(Err(error)) => Check::bad("gateway-tcp", error.say(messages)),
        Err(_) => Check::bad("gateway-tcp", late()),
    });
    for (name, preference) in [("gateway-h3", Preference::QuicOnly), ("gateway-h2", Preference::Http2Only)] {
        let dialled = timeout(LOOK_TIME_MAX, dial(preference, gateway, identity, key, messages)).await;
        checks.push(match dialled.unwrap_or_else(|_| Err(late())) {
            Ok(()) => Check::good(name, good(messages)),
            Err(why) => Check::bad(name, why),
        });
    }
    checks
}

fn unnamed(first: Check) -> Vec<Check> {
    let mut checks = vec![first];
    checks.extend(["gateway-tcp", "gateway-h3", "gateway-h2"].map(Check::skipped));
    checks
}

/// A connection that is closed again at once, or why there is none.
async fn dial(
    preference: Preference,
    gateway: &GatewayAddress,
    identity: &Identity,
    key: &KeyPem,
    messages: &Messages,
) -> Result<(), String> {
    let key = from_pkcs8_pem(key.expose()).map_err(|error| RunError::Unusable(error.to_string()).say(messages))?;
    let signer: Arc<dyn Signer> = Arc::new(key);
    let tls = run::client_tls(identity, signer).map_err(|error| error.say(messages))?;
    let link = Link::new(gateway.clone(), tls).with_preference(preference);
    let connection = link.dial().await.map_err(|error| error.say(messages))?;
    connection.close("doctor");
    Ok(())
}
