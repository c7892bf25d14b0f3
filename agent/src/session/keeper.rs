//! Keeps one tunnel's evidence fresh and listens to what the gateway says about it.

use std::sync::Arc;
use std::time::Duration;

use hitotsu_model::code::Code;
use hitotsu_model::control::{AttestRequest, AttestResponse, Notice, ProtocolVersion, Statement};
use hitotsu_model::ids::DeviceId;
use hitotsu_model::posture::Posture;
use hitotsu_pki::attest::sign_statement;
use hitotsu_pki::key::Signer;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::feed::{Feed, FeedRequest};
use super::handle::Shared;
use super::notices::{self, NOTICES_WAITING_MAX};
use super::requests::{self, RequestFailure};
use super::tunnel::{Attested, Tunnel};
use crate::clock;

/// Shortest time between two statements of a tunnel, so that a claim that flickers does not flood the gateway.
const ATTEST_SPACING: Duration = Duration::from_millis(250);

/// Statements in a row that may fail before the connection is given up.
const ATTEST_FAILURES_MAX: u32 = 3;

/// What every keeper needs.
#[derive(Debug, Clone)]
pub(crate) struct KeeperContext {
    pub(crate) shared: Arc<Shared>,
    pub(crate) device: DeviceId,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) feed: Feed,
}

/// Why a tunnel never became usable.
#[derive(Debug)]
pub(crate) enum KeepFailure {
    /// The gateway does not want this device, or not this evidence.
    Request(RequestFailure),
    /// This computer cannot attest.
    Here(String),
}

/// Runs until the connection ends or its evidence is not believed any more. Tells `first` how the first statement went.
pub(crate) async fn keep(
    mut context: KeeperContext,
    tunnel: Arc<Tunnel>,
    first: oneshot::Sender<Result<(), KeepFailure>>,
) {
    let (notices, notified) = mpsc::channel(NOTICES_WAITING_MAX);
    let catalogue_wanted = Notify::new();
    let listener = listen(Arc::clone(&context.shared), Arc::clone(&tunnel), notices);
    let librarian = fetch_catalogues(Arc::clone(&context.shared), Arc::clone(&tunnel), &catalogue_wanted);
    let keeper = async {
        let mut evidence = Evidence { nonce: None, sequence: 0, unanswered: None, due: Duration::ZERO, last: None };
        match evidence.attest_with_current(&mut context, &tunnel).await {
            Ok(()) => {
                let _ = first.send(Ok(()));
            }
            Err(failure) => {
                let _ = first.send(Err(failure));
                return;
            }
        }
        evidence.keep_fresh(&mut context, &tunnel, notified, &catalogue_wanted).await;
    };
    tokio::select! {
        () = keeper => {}
        () = listener => {}
        () = librarian => {}
        closed = tunnel.connection.closed() => tracing::info!(tunnel = tunnel.number, %closed, "the tunnel ended"),
    }
    tunnel.abandon();
}

/// What the next statement must say.
#[derive(Debug)]
struct Evidence {
    nonce: Option<String>,
    sequence: u64,
    /// A statement whose answer did not come, as it was sent. It may have used its nonce up, so that another statement with
    /// that nonce would count as a replay; the same once more is answered with a new nonce, whether it arrived or not.
    unanswered: Option<Said>,
    due: Duration,
    last: Option<Posture>,
}

/// A statement as it was sent.
#[derive(Debug)]
struct Said {
    request: AttestRequest,
    posture: Posture,
}

/// What came of one turn of the keeper.
enum Turn {
    /// Nothing was stated.
    Quiet,
    /// A statement was made.
    Stated(Result<(), KeepFailure>),
    /// Nobody listens any more.
    Over,
}

impl Evidence {
    async fn keep_fresh(
        &mut self,
        context: &mut KeeperContext,
        tunnel: &Tunnel,
        mut notified: mpsc::Receiver<Notice>,
        catalogue_wanted: &Notify,
    ) {
        let mut failures = 0;
        let mut due = Instant::now() + self.due;
        catalogue_wanted.notify_one();
        loop {
            let turn = tokio::select! {
                biased;
                notice = notified.recv() => self.on_notice(notice, context, tunnel, catalogue_wanted).await,
                () = context.feed.changed() => self.attest_if_new(context, tunnel).await,
                () = tokio::time::sleep_until(due) => Turn::Stated(self.attest_afresh(context, tunnel).await),
                () = tunnel.connection.goaway_received(), if tunnel.takes_flows() => {
                    tunnel.leaving.cancel();
                    Turn::Quiet
                }
            };
            match turn {
                Turn::Quiet => {}
                Turn::Over => return,
                Turn::Stated(Ok(())) => {
                    failures = 0;
                    catalogue_wanted.notify_one();
                    due = Instant::now() + self.due;
                    tokio::time::sleep(ATTEST_SPACING).await;
                }
                Turn::Stated(Err(failure)) => {
                    failures += 1;
                    tracing::warn!(?failure, failures, "a statement was not accepted");
                    if failures >= ATTEST_FAILURES_MAX || ends_the_tunnel(&failure) {
                        return;
                    }
                    due = Instant::now() + context.shared.timing.attest_retry;
                }
            }
        }
    }

    async fn on_notice(
        &mut self,
        notice: Option<Notice>,
        context: &mut KeeperContext,
        tunnel: &Tunnel,
        catalogue_wanted: &Notify,
    ) -> Turn {
        match notice {
            Some(Notice::Reattest { nonce, within_seconds: _, forbidden_software }) => {
                self.nonce = Some(nonce);
                self.unanswered = None;
                context.feed.tell(FeedRequest::Forbidden(forbidden_software)).await;
                Turn::Stated(self.attest_afresh(context, tunnel).await)
            }
            Some(Notice::CatalogueChanged) => {
                catalogue_wanted.notify_one();
                Turn::Quiet
            }
            Some(Notice::Draining) => {
                tunnel.leaving.cancel();
                Turn::Quiet
            }
            Some(Notice::Hello { .. } | Notice::Still | Notice::Cut { .. }) => Turn::Quiet,
            None => Turn::Over,
        }
    }

    /// The collectors said something; a statement is due if it is not what the last one said.
    async fn attest_if_new(&mut self, context: &mut KeeperContext, tunnel: &Tunnel) -> Turn {
        let posture = context.feed.current().await;
        match (&posture, &self.last) {
            (Some(posture), Some(last)) if posture.says_the_same_as(last) => Turn::Quiet,
            _ => Turn::Stated(self.attest(context, tunnel, posture).await),
        }
    }

    async fn attest_afresh(&mut self, context: &mut KeeperContext, tunnel: &Tunnel) -> Result<(), KeepFailure> {
        let posture = context.feed.recollect().await;
        self.attest(context, tunnel, posture).await
    }

    async fn attest_with_current(&mut self, context: &mut KeeperContext, tunnel: &Tunnel) -> Result<(), KeepFailure> {
        let posture = context.feed.current().await;
        self.attest(context, tunnel, posture).await
    }

    async fn attest(
        &mut self,
        context: &KeeperContext,
        tunnel: &Tunnel,
        posture: Option<Posture>,
    ) -> Result<(), KeepFailure> {
        let posture = posture.ok_or_else(|| KeepFailure::Here("the collectors have stopped".to_owned()))?;
        if let Some(said) = self.unanswered.take() {
            self.say(context, tunnel, said).await?;
        }
        let statement = Statement {
            version: ProtocolVersion::CURRENT,
            device: context.device,
            binding: data_encoding::HEXLOWER.encode(&tunnel.connection.binding()),
            nonce: self.nonce.clone(),
            sequence: self.sequence,
            made_at: clock::now(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            posture: posture.clone(),
        };
        let request =
            sign_statement(&*context.signer, &statement).map_err(|error| KeepFailure::Here(error.to_string()))?;
        // The number is used up even if the answer is lost.
        self.sequence += 1;
        self.say(context, tunnel, Said { request, posture }).await
    }

    async fn say(&mut self, context: &KeeperContext, tunnel: &Tunnel, said: Said) -> Result<(), KeepFailure> {
        let language = context.shared.messages.language();
        match requests::post(&tunnel.connection, "attest", language, &said.request).await {
            Ok(response) => {
                self.last = Some(said.posture);
                self.take(context, tunnel, response).await;
                Ok(())
            }
            Err(failure) => {
                self.unanswered = Some(said);
                Err(KeepFailure::Request(failure))
            }
        }
    }

    async fn take(&mut self, context: &KeeperContext, tunnel: &Tunnel, response: AttestResponse) {
        let here = clock::now();
        let known = tunnel.attested.borrow().as_ref().map(|attested| attested.findings.clone());
        if known.as_ref() != Some(&response.findings) {
            tracing::info!(findings = ?response.findings, level = response.level.number(), "attested");
        }
        let count = tunnel.attested.borrow().as_ref().map_or(0, |attested| attested.count).saturating_add(1);
        self.nonce = Some(response.nonce);
        // Two thirds of the time that the gateway gives leave room for a retry.
        let allowed = Duration::from_secs(u64::from(response.next_within_seconds)) * 2 / 3;
        self.due = allowed.min(context.shared.timing.attest_every);
        context.feed.tell(FeedRequest::GatewayTime { gateway: response.gateway_time, here }).await;
        context.feed.tell(FeedRequest::Forbidden(response.forbidden_software)).await;
        let attested = Attested { at: here, level: response.level, findings: response.findings, count };
        tunnel.attested.send_replace(Some(attested));
    }
}

/// Whether a new connection is the only way on: its nonce or its right to attest is lost.
fn ends_the_tunnel(failure: &KeepFailure) -> bool {
    match failure {
        KeepFailure::Request(RequestFailure::Problem(problem)) => {
            let group = problem.code.number() / 100_000;
            group == 1 || group == 2 || matches!(problem.code, Code::SessionKilled | Code::Draining)
        }
        KeepFailure::Request(
            RequestFailure::Connection(_) | RequestFailure::NotUnderstood(_) | RequestFailure::Late,
        )
        | KeepFailure::Here(_) => false,
    }
}

/// Fetches the catalogue whenever it is wanted.
async fn fetch_catalogues(shared: Arc<Shared>, tunnel: Arc<Tunnel>, wanted: &Notify) {
    loop {
        wanted.notified().await;
        if let Err(error) = shared.fetch_catalogue(&tunnel.connection).await {
            tracing::info!(%error, "the catalogue could not be fetched");
        }
    }
}

/// Reads notices for as long as the connection lives. Cuts take effect here, before anything else is looked at.
async fn listen(shared: Arc<Shared>, tunnel: Arc<Tunnel>, notices: mpsc::Sender<Notice>) {
    let (inner, mut incoming) = mpsc::channel(NOTICES_WAITING_MAX);
    let read = async {
        loop {
            if let Err(why) = notices::listen(&tunnel.connection, shared.messages.language(), &inner).await {
                tracing::debug!(why, "the stream of notices ended");
            }
            tokio::time::sleep(shared.timing.notices_retry).await;
        }
    };
    let act = async {
        while let Some(notice) = incoming.recv().await {
            match notice {
                Notice::Cut { flow: _, stream, target, problem } => {
                    tracing::info!(code = problem.help_code, "the gateway cut a flow");
                    shared.flows.cut(tunnel.number, stream, target, problem);
                }
                Notice::Still => {}
                other @ (Notice::Hello { .. }
                | Notice::Reattest { .. }
                | Notice::CatalogueChanged
                | Notice::Draining) => {
                    if notices.send(other).await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = act => {}
    }
}
