//! The threads that carry. Each has a socket, a runtime and connections of its own, so that a packet, the flow that it belongs
//! to and the socket of the system behind it never change threads, and one thread more is one processor more.

use std::num::NonZeroU8;
use std::sync::Arc;
use std::thread;

use hitotsu_tunnel::fault::ListenError;
use hitotsu_tunnel::listener::{Arrival, Listener, Seat};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::ServeError;
use crate::enrol::Enrolment;
use crate::gateway::Gateway;
use crate::limits::FAREWELL_WAIT;
use crate::session;

/// As many as the machine has processors, and as connection ids have numbers for.
pub(super) fn count() -> NonZeroU8 {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    u8::try_from(processors).ok().and_then(NonZeroU8::new).unwrap_or(NonZeroU8::MAX)
}

/// All of them. Dropping it ends them, with their sessions.
pub(super) struct Workers {
    stop: CancellationToken,
    abort: CancellationToken,
    running: JoinSet<()>,
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
        self.abort.cancel();
    }
}

impl Workers {
    /// Starts one for each seat.
    ///
    /// # Errors
    /// A thread or its socket cannot be had.
    pub(super) async fn start(
        seats: Vec<Seat>,
        gateway: &Arc<Gateway>,
        enrolment: &Enrolment,
    ) -> Result<Self, ServeError> {
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let mut workers = Self { stop, abort, running: JoinSet::new() };
        for (number, seat) in seats.into_iter().enumerate() {
            let (started, starting) = oneshot::channel();
            // Dropped when the thread ends, however it does.
            let (running, over) = oneshot::channel::<()>();
            let worker = Worker {
                gateway: gateway.clone(),
                enrolment: enrolment.clone(),
                stop: workers.stop.clone(),
                abort: workers.abort.clone(),
            };
            let run = move || {
                let _running = running;
                worker.run(seat, started);
            };
            let failed = |error| ServeError::Local { what: format!("worker thread {number}"), error };
            thread::Builder::new().name(format!("worker-{number}")).spawn(run).map_err(failed)?;
            match starting.await {
                Ok(started) => started?,
                Err(_) => return Err(ServeError::WorkerEnded),
            }
            workers.running.spawn(async { drop(over.await) });
        }
        Ok(workers)
    }

    /// Takes no new connection any more.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Ends the sessions that are left.
    pub(super) fn abort(&self) {
        self.abort.cancel();
    }

    /// Completes when one has ended. Cancel-safe.
    pub(super) async fn one_over(&mut self) {
        self.running.join_next().await;
    }

    /// Completes when all have ended. Cancel-safe.
    pub(super) async fn all_over(&mut self) {
        while self.running.join_next().await.is_some() {}
    }
}

/// One of them.
struct Worker {
    gateway: Arc<Gateway>,
    enrolment: Enrolment,
    stop: CancellationToken,
    abort: CancellationToken,
}

impl Worker {
    fn run(self, seat: Seat, started: oneshot::Sender<Result<(), ServeError>>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = started.send(Err(ServeError::Local { what: "worker runtime".to_owned(), error }));
                return;
            }
        };
        runtime.block_on(async {
            match seat.listen() {
                Ok(listener) => {
                    let _ = started.send(Ok(()));
                    self.work(listener).await;
                }
                Err(error) => drop(started.send(Err(ListenError::into(error)))),
            }
        });
        runtime.shutdown_background();
    }

    /// Serves until told to stop, then what is left of it.
    async fn work(&self, listener: Listener) {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                arrival = listener.accept() => match arrival {
                    Some(arrival) => self.serve(arrival, &mut sessions),
                    None => break,
                },
                Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
                () = self.stop.cancelled() => break,
            }
        }
        listener.stop();
        let ending = async { while sessions.join_next().await.is_some() {} };
        tokio::select! {
            () = ending => {}
            () = self.abort.cancelled() => {}
        }
        sessions.shutdown().await;
        let _ = timeout(FAREWELL_WAIT, listener.wait_idle()).await;
    }

    fn serve(&self, arrival: Arrival, sessions: &mut JoinSet<()>) {
        match arrival {
            Arrival::Connection(handshaken) => {
                sessions.spawn(session::serve::serve(self.gateway.clone(), *handshaken));
            }
            Arrival::Other { stream, remote } => {
                // The door counts and logs whom it turns away.
                let Some(place) = self.gateway.enrolment_door.enter(Some(remote.ip())) else { return };
                let enrolment = self.enrolment.clone();
                sessions.spawn(async move {
                    enrolment.serve(*stream, remote).await;
                    drop(place);
                });
            }
        }
    }
}
