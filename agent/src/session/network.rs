//! Tells the supervisor when the machine's addresses or routes changed, or when it slept.

#[cfg(target_os = "linux")]
#[path = "network/linux.rs"]
mod here;
#[cfg(not(target_os = "linux"))]
#[path = "network/other.rs"]
mod here;

use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;

use super::Nudge;

/// How often the clocks are compared; a wake is seen this late at most.
const CLOCKS_EVERY: Duration = Duration::from_secs(3);

/// The wall clock ran so much further than the running time: the machine slept. A slew of NTP is smaller.
const SLEPT_MIN: Duration = Duration::from_secs(10);

/// Changes come in bursts: an address goes, another comes, routes follow. They are told once after so much quiet.
const QUIET: Duration = Duration::from_millis(150);

/// Runs until nobody listens.
pub(crate) async fn watch(nudges: mpsc::Sender<Nudge>) {
    tokio::join!(watch_network(&nudges), watch_clocks(&nudges));
}

async fn watch_network(nudges: &mpsc::Sender<Nudge>) {
    let mut changes = match here::Changes::new() {
        Ok(changes) => changes,
        Err(error) => {
            tracing::warn!(%error, "changes of the network cannot be watched; they will be noticed late");
            return;
        }
    };
    while let Ok(()) = changes.next().await {
        while let Ok(Ok(())) = tokio::time::timeout(QUIET, changes.next()).await {}
        if nudges.send(Nudge::NetworkChanged).await.is_err() {
            return;
        }
    }
}

async fn watch_clocks(nudges: &mpsc::Sender<Nudge>) {
    let mut last = (Instant::now(), SystemTime::now());
    loop {
        tokio::time::sleep(CLOCKS_EVERY).await;
        let now = (Instant::now(), SystemTime::now());
        if slept(now.0.duration_since(last.0), now.1.duration_since(last.1).unwrap_or_default())
            && nudges.send(Nudge::Woke).await.is_err()
        {
            return;
        }
        last = now;
    }
}

/// Whether the machine slept while its running time and its wall clock went on by so much.
fn slept(running: Duration, wall: Duration) -> bool {
    wall.saturating_sub(running) >= SLEPT_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_runs_ahead_means_sleep_and_one_that_is_set_back_does_not() {
        assert!(slept(Duration::from_secs(3), Duration::from_secs(60)));
        assert!(!slept(Duration::from_secs(3), Duration::from_secs(4)));
        assert!(!slept(Duration::from_secs(3), Duration::ZERO));
    }
}
