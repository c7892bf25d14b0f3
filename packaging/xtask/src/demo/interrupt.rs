//! Ctrl-C, and whatever else asks us to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::children::Groups;
use crate::run::Trouble;

/// Whether somebody wants the demo to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt {
    came: Arc<AtomicBool>,
    woken: Arc<(Mutex<bool>, Condvar)>,
}

impl Interrupt {
    /// Listens from now on: the first signal ends the demo's processes, so that whoever waits for one goes on and the
    /// demo cleans up as it does at its end.
    ///
    /// # Errors
    /// Signals cannot be watched.
    pub(super) fn watch(groups: Groups) -> Result<Self, Trouble> {
        let interrupt = Self::default();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
            .map_err(|error| Trouble::new(format!("signals cannot be watched: {error}")))?;
        let heard = interrupt.clone();
        thread::spawn(move || {
            for _signal in signals.forever() {
                heard.came.store(true, Ordering::SeqCst);
                groups.interrupt();
                heard.wake();
            }
        });
        Ok(interrupt)
    }

    /// True when it came.
    pub(super) fn came(&self) -> bool {
        self.came.load(Ordering::SeqCst)
    }

    /// Waits for it, or for somebody else to wake us.
    pub(super) fn wait(&self) {
        let mut woken = self.woken.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*woken {
            woken = self.woken.1.wait(woken).unwrap_or_else(PoisonError::into_inner);
        }
        *woken = self.came();
    }

    /// Lets whoever waits go on.
    pub(super) fn wake(&self) {
        *self.woken.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.woken.1.notify_all();
    }
}
