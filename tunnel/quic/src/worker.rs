//! Moves packets between a socket and its connections.
//!
//! One turn: take what was asked for, receive, fire timers, tell the users what happened, then send for every connection
//! that may have something. Users who have something to hear get their turn before anything is sent, so that what they answer,
//! and the credit for what they read, travel in one packet with the acknowledgements.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use quinn_proto::{ConnectionError, ConnectionHandle, DatagramEvent, EcnCodepoint, Transmit, TransportError};
use quinn_udp::RecvMeta;

use crate::buffers::{Buffers, Message};
use crate::connection::{Inner, State};
use crate::endpoint::{Inbox, Routes, Shared, take_in};
use crate::limits;
use crate::socket::Socket;
use crate::steering::Steering;
use crate::timers::Timers;

/// The clock of all connections. Tests may stop it, as they stop tokio's.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Why connections end that have no worker any more.
pub(crate) fn ended() -> ConnectionError {
    ConnectionError::TransportError(TransportError {
        code: quinn_proto::TransportErrorCode::INTERNAL_ERROR,
        frame: None,
        reason: "the socket's worker ended".to_owned(),
    })
}

/// Works until no user is left and the last connection is gone, or the socket fails.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    socket: Arc<Socket>,
    steering: Option<Steering>,
    /// The socket before a move: packets that were under way still come there.
    before: Option<Arc<Socket>>,
    buffers: Buffers,
    /// Turns in a row in which receiving failed.
    failures: u32,
    /// Nothing was sent in the last turn, so that users who were told something could answer first.
    put_off: bool,
    /// Connections to send for, each once.
    ready: VecDeque<Arc<Inner>>,
    /// Connections whose users have something to hear, each once.
    unheard: Vec<Arc<Inner>>,
    sending: Sending,
    timers: Timers,
    woken: Vec<Waker>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("ready", &self.ready.len()).finish_non_exhaustive()
    }
}

/// What is sent is written here first, for one connection after the other.
#[derive(Default)]
struct Sending {
    octets: Vec<u8>,
    /// The kernel had no room for it.
    waiting: Option<Transmit>,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, socket: Arc<Socket>, steering: Option<Steering>) -> Self {
        Self {
            shared,
            socket,
            steering,
            before: None,
            buffers: Buffers::new(),
            failures: 0,
            put_off: false,
            ready: VecDeque::new(),
            unheard: Vec::new(),
            sending: Sending::default(),
            timers: Timers::default(),
            woken: Vec::new(),
        }
    }

    /// True when there is more to do at once.
    fn turn(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        self.take_requests();
        let mut more = self.receive(cx)?;
        for connection in self.timers.due(now()) {
            self.fire(connection);
        }
        let told = self.tell();
        self.put_off = told && !self.put_off;
        if self.put_off {
            return Ok(true);
        }
        more |= self.send(cx)?;
        Ok(more)
    }

    fn take_requests(&mut self) {
        let mut inbox = self.shared.inbox();
        // In both lists a connection stands only while it is marked as queued, so it stands in one of them, once.
        self.ready.extend(inbox.ready.drain(..));
        let moved_to = inbox.moved_to.take();
        drop(inbox);
        if let Some(socket) = moved_to {
            self.before = Some(std::mem::replace(&mut self.socket, socket));
            let all: Vec<_> = self.shared.routes().connections.values().cloned().collect();
            for connection in all {
                let mut state = connection.lock();
                state.proto.local_address_changed();
                self.queue(&connection, &mut state);
            }
        }
    }

    fn queue(&mut self, connection: &Arc<Inner>, state: &mut State) {
        if !state.queued && !state.drained {
            state.queued = true;
            self.ready.push_back(Arc::clone(connection));
        }
    }

    /// Something came for the connection, or a timer fired.
    fn touched(&mut self, connection: &Arc<Inner>, state: &mut State) {
        if !state.unheard {
            state.unheard = true;
            self.unheard.push(Arc::clone(connection));
        }
        self.queue(connection, state);
    }

    /// True when a socket has more.
    fn receive(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut more = false;
        let handed_on = self.steering.as_ref().map(|steering| steering.take(cx.waker())).unwrap_or_default();
        for (meta, octets) in handed_on {
            self.take_message(&meta, Message::Copied(&octets), now());
        }
        // Errors of the socket before do not matter any more.
        if let Some(before) = self.before.take()
            && let Ok((_, rest)) = self.receive_from(cx, &before)
        {
            self.before = Some(before);
            more = rest;
        }
        let socket = Arc::clone(&self.socket);
        match self.receive_from(cx, &socket) {
            Ok((messages, rest)) => {
                self.failures = 0;
                if messages > 0 {
                    self.before = None;
                } else {
                    self.buffers.rest();
                }
                Ok(more | rest)
            }
            Err(error) if self.failures == limits::RECEIVE_FAILURES_MAX => Err(error),
            Err(error) => {
                tracing::debug!(%error, "the UDP socket received nothing");
                self.failures += 1;
                Ok(true)
            }
        }
    }

    /// Gives the number of messages, and whether there may be more; if not, the socket will wake us.
    fn receive_from(&mut self, cx: &mut Context<'_>, socket: &Socket) -> io::Result<(usize, bool)> {
        let mut buffers = std::mem::take(&mut self.buffers);
        let received = self.receive_into(&mut buffers, cx, socket);
        self.buffers = buffers;
        received
    }

    fn receive_into(&mut self, into: &mut Buffers, cx: &mut Context<'_>, socket: &Socket) -> io::Result<(usize, bool)> {
        let mut count = 0;
        for _ in 0..limits::RECEIVES_PER_TURN {
            let mut metas = [RecvMeta::default(); limits::RECEIVES_AT_ONCE];
            match socket.poll_receive(cx, &mut into.slices(), &mut metas) {
                Poll::Ready(Ok(messages)) => {
                    count += messages;
                    let time = now();
                    for (place, meta) in metas.iter().enumerate().take(messages) {
                        self.take_message(meta, into.take(place, meta.len), time);
                    }
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok((count, false)),
            }
        }
        Ok((count, true))
    }

    fn take_message(&mut self, meta: &RecvMeta, mut message: Message<'_>, time: Instant) {
        let shared = Arc::clone(&self.shared);
        let mut routes = shared.routes();
        while let Some(datagram) = message.next(meta.stride) {
            if self.steering.as_ref().is_some_and(|steering| steering.hand_on(meta, &datagram)) {
                continue;
            }
            let mut answer = Vec::new();
            let ecn = meta.ecn.and_then(|ecn| EcnCodepoint::from_bits(ecn as u8));
            match routes.proto.handle(time, meta.addr, meta.dst_ip, ecn, datagram, &mut answer) {
                Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                    if let Some(connection) = routes.connections.get(&handle) {
                        let mut state = connection.lock();
                        state.proto.handle_event(event);
                        self.touched(connection, &mut state);
                    }
                }
                Some(DatagramEvent::NewConnection(incoming)) => take_in(&mut routes, incoming, &mut self.woken),
                Some(DatagramEvent::Response(transmit)) => routes.respond(&transmit, &answer),
                None => {}
            }
        }
    }

    fn fire(&mut self, handle: ConnectionHandle) {
        let Some(connection) = self.shared.routes().connections.get(&handle).cloned() else { return };
        let mut state = connection.lock();
        state.scheduled = None;
        let time = now();
        match state.proto.poll_timeout() {
            Some(deadline) if deadline <= time => {
                state.proto.handle_timeout(time);
                self.touched(&connection, &mut state);
            }
            // It was put off since.
            Some(_) | None => self.timers.schedule(&mut state),
        }
    }

    /// Tells the endpoint and the users what came and what fired. True when somebody waited for it.
    fn tell(&mut self) -> bool {
        for connection in self.unheard.drain(..) {
            let mut state = connection.lock();
            state.unheard = false;
            tell_of(&mut state, &self.shared, &mut self.timers, &mut self.woken);
        }
        let told = !self.woken.is_empty();
        self.woken.drain(..).for_each(Waker::wake);
        told
    }

    /// Sends for every connection that is ready. True when some have more.
    fn send(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if self.send_waiting(cx)?.is_pending() {
            self.schedule_ready();
            return Ok(false);
        }
        let mut more = false;
        for _ in 0..self.ready.len() {
            let Some(connection) = self.ready.pop_front() else { break };
            let mut state = connection.lock();
            // Before it is looked at, so that whatever changes afterwards queues it again.
            state.queued = false;
            if state.drained {
                continue;
            }
            let sent = self.send_for(&mut state, cx)?;
            tell_of(&mut state, &self.shared, &mut self.timers, &mut self.woken);
            if sent != Sent::All {
                self.queue(&connection, &mut state);
            }
            if !state.drained {
                self.timers.schedule(&mut state);
            }
            drop(state);
            self.woken.drain(..).for_each(Waker::wake);
            if sent == Sent::NoRoom {
                self.schedule_ready();
                return Ok(false);
            }
            more |= sent == Sent::More;
        }
        Ok(more)
    }

    /// Connections that cannot send yet have timers all the same: nobody waits for ever for a kernel that has no room.
    fn schedule_ready(&mut self) {
        for connection in &self.ready {
            let mut state = connection.lock();
            if state.scheduled.is_none() && !state.drained {
                self.timers.schedule(&mut state);
            }
        }
    }

    fn send_for(&mut self, state: &mut State, cx: &mut Context<'_>) -> io::Result<Sent> {
        let mtu = usize::from(state.proto.current_mtu()).max(1);
        let segments = self.socket.segments_max().min(limits::SEGMENTS_MAX).min(limits::SEND_OCTETS_MAX / mtu).max(1);
        let mut datagrams = 0;
        while datagrams < limits::DATAGRAMS_PER_TURN {
            self.sending.octets.clear();
            let Some(transmit) = state.proto.poll_transmit(now(), segments, &mut self.sending.octets) else {
                return Ok(Sent::All);
            };
            datagrams += transmit.segment_size.map_or(1, |size| transmit.size.div_ceil(size));
            self.sending.waiting = Some(transmit);
            if self.send_waiting(cx)?.is_pending() {
                return Ok(Sent::NoRoom);
            }
        }
        Ok(Sent::More)
    }

    /// Sends what the kernel had no room for.
    fn send_waiting(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        let Some(transmit) = &self.sending.waiting else { return Ok(Poll::Ready(())) };
        let octets = self.sending.octets.get(..transmit.size).unwrap_or_default();
        match self.socket.poll_send(cx, &of_udp(transmit, octets)) {
            Poll::Ready(sent) => {
                self.sending.waiting = None;
                sent.map(Poll::Ready)
            }
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    fn is_over(&self) -> bool {
        !self.shared.held.load(Ordering::Acquire) && self.shared.routes().connections.is_empty()
    }
}

/// Tells the endpoint and the users what happened on one connection.
fn tell_of(state: &mut State, shared: &Shared, timers: &mut Timers, woken: &mut Vec<Waker>) {
    state.tell(woken);
    while let Some(event) = state.proto.poll_endpoint_events() {
        let mut routes = shared.routes();
        if event.is_drained() {
            state.drained = true;
            timers.forget(&mut state.scheduled, state.handle);
            routes.connections.remove(&state.handle);
            if routes.connections.is_empty() {
                routes.idle.take(woken);
            }
        }
        if let Some(event) = routes.proto.handle_event(state.handle, event) {
            state.proto.handle_event(event);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// All that there was.
    All,
    /// As much as one may in one turn.
    More,
    /// The kernel has no room.
    NoRoom,
}

impl Future for Worker {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Registered before anything is looked at, so that whatever comes later wakes us.
        self.shared.worker.register(cx.waker());
        match self.turn(cx) {
            Err(error) => {
                tracing::error!(%error, "the UDP socket failed: its connections end");
                Poll::Ready(())
            }
            Ok(_) if self.is_over() => Poll::Ready(()),
            Ok(more) => {
                if more || self.timers.poll(cx).is_ready() {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut routes = self.shared.routes();
        routes.over = true;
        let mut woken = std::mem::take(&mut self.woken);
        let Routes { accepting, idle, connections, .. } = &mut *routes;
        accepting.take(&mut woken);
        idle.take(&mut woken);
        let connections = std::mem::take(connections);
        drop(routes);
        for connection in connections.values() {
            let mut state = connection.lock();
            state.drained = true;
            state.end(ended(), &mut woken);
        }
        // They hold what we share with them, so what we share must not hold them. Nothing is queued any more.
        *self.shared.inbox() = Inbox::default();
        woken.into_iter().for_each(Waker::wake);
    }
}

/// As the socket wants it.
pub(crate) fn of_udp<'a>(transmit: &Transmit, contents: &'a [u8]) -> quinn_udp::Transmit<'a> {
    quinn_udp::Transmit {
        destination: transmit.destination,
        ecn: transmit.ecn.and_then(|ecn| quinn_udp::EcnCodepoint::from_bits(ecn as u8)),
        contents,
        segment_size: transmit.segment_size,
        src_ip: transmit.src_ip,
    }
}
