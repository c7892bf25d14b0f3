//! Elsewhere: the list of addresses is compared from time to time.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// How often addresses are compared. A moved laptop waits this long at most before its tunnel follows.
const COMPARE_EVERY: Duration = Duration::from_secs(2);

/// Changes of the machine's addresses.
#[derive(Debug)]
pub(super) struct Changes {
    known: BTreeSet<IpAddr>,
}

impl Changes {
    /// Begins with the addresses of this moment.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { known: addresses()? })
    }

    /// Waits for a change. Cancel-safe.
    pub(super) async fn next(&mut self) -> io::Result<()> {
        loop {
            tokio::time::sleep(COMPARE_EVERY).await;
            let now = addresses()?;
            if now != self.known {
                self.known = now;
                return Ok(());
            }
        }
    }
}

fn addresses() -> io::Result<BTreeSet<IpAddr>> {
    let networks = sysinfo::Networks::new_with_refreshed_list().map_err(|error| io::Error::other(error.to_string()))?;
    let each = networks.values().flat_map(|network| network.ip_networks().iter().map(|network| network.addr));
    Ok(each.collect())
}
