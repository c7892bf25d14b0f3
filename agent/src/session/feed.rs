//! The posture as the session sees it: the last collected one, a way to ask for a fresh one, and a way back for what
//! the gateway says about collecting.

use hitotsu_model::posture::Posture;
use hitotsu_model::time::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use crate::posture::Watch;

/// Requests that may wait; the keeper of each tunnel sends one at a time.
const REQUESTS_MAX: usize = 16;

/// What the session asks of the collectors.
#[derive(Debug)]
pub enum FeedRequest {
    /// Look at everything again now.
    Recollect(oneshot::Sender<Posture>),
    /// Look for these programs.
    Forbidden(Vec<String>),
    /// The gateway said that it was `gateway` when this computer's clock said `here`.
    GatewayTime {
        /// The gateway's clock.
        gateway: Timestamp,
        /// Ours.
        here: Timestamp,
    },
}

/// The session's end.
#[derive(Debug, Clone)]
pub struct Feed {
    posture: watch::Receiver<Option<Posture>>,
    requests: mpsc::Sender<FeedRequest>,
}

/// The collectors' end.
#[derive(Debug)]
pub struct FeedSource {
    posture: watch::Sender<Option<Posture>>,
    requests: mpsc::Receiver<FeedRequest>,
}

/// A feed without a posture yet.
#[must_use]
pub fn feed() -> (Feed, FeedSource) {
    let (posture_in, posture) = watch::channel(None);
    let (requests, requests_out) = mpsc::channel(REQUESTS_MAX);
    (Feed { posture, requests }, FeedSource { posture: posture_in, requests: requests_out })
}

impl Feed {
    /// The posture, once it was collected; `None` when the collectors are gone.
    pub async fn current(&mut self) -> Option<Posture> {
        let posture = self.posture.wait_for(Option::is_some).await.ok()?;
        posture.clone()
    }

    /// Waits until another posture than the last one seen is there. Never completes when the collectors are gone.
    pub async fn changed(&mut self) {
        if self.posture.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// A fresh posture; the current one when the collectors are gone or busy.
    pub async fn recollect(&mut self) -> Option<Posture> {
        let (answer, answered) = oneshot::channel();
        if self.requests.send(FeedRequest::Recollect(answer)).await.is_ok()
            && let Ok(posture) = answered.await
        {
            return Some(posture);
        }
        self.current().await
    }

    /// Hands on what the gateway said. Dropped when the collectors are gone.
    pub async fn tell(&self, request: FeedRequest) {
        let _ = self.requests.send(request).await;
    }
}

impl FeedSource {
    /// The session's next request; `None` when the session is gone.
    pub async fn request(&mut self) -> Option<FeedRequest> {
        self.requests.recv().await
    }

    /// A posture that says something new.
    pub fn publish(&self, posture: Posture) {
        self.posture.send_replace(Some(posture));
    }

    /// Connects a [`Watch`] for as long as the session lives.
    pub async fn run(mut self, mut watch: Watch) {
        self.publish(watch.current());
        loop {
            tokio::select! {
                posture = watch.changed() => self.publish(posture),
                request = self.requests.recv() => match request {
                    Some(FeedRequest::Recollect(answer)) => {
                        let _ = answer.send(watch.recollect().await);
                    }
                    Some(FeedRequest::Forbidden(programs)) => watch.set_forbidden(programs),
                    Some(FeedRequest::GatewayTime { gateway, here }) => watch.set_gateway_time(gateway, here),
                    None => return,
                },
            }
        }
    }
}
