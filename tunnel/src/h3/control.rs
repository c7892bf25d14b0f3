//! The unidirectional streams: ours with SETTINGS and GOAWAY, the peer's control and QPACK streams.

use std::sync::Arc;
use std::sync::Mutex;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hitotsu_proto::control::{self, ControlEvent, ControlReader};
use hitotsu_proto::error::{Code, Error};
use hitotsu_proto::frame::Side;
use hitotsu_proto::qpack::{DecoderStream, EncoderStream};
use hitotsu_proto::settings::Settings;
use hitotsu_proto::stream::{self, UniStream, UniStreamReader, UniStreams};
use hitotsu_quic::{ReadError, RecvStream};

use super::{Shared, var_int};

/// Writes SETTINGS at once and GOAWAY when it is asked for, then keeps the stream open.
pub(super) async fn write(shared: &Shared) -> Result<(), Error> {
    let Ok(mut stream) = shared.quic.open_uni().await else { return Ok(()) };
    // Control frames go before the octets of flows.
    let _ = stream.set_priority(1);
    let mut out = BytesMut::with_capacity(64);
    stream::write_control_type(&mut out);
    Settings::ours().encode(None, &mut out);
    if stream.write_chunk(out.freeze()).await.is_err() {
        return Ok(());
    }
    let stopped = stream.stopped();
    let goaway = async {
        if shared.side == Side::Server
            && let Ok(id) = shared.drain.subscribe().wait_for(Option::is_some).await.map(|id| id.unwrap_or_default())
        {
            let mut out = BytesMut::with_capacity(16);
            control::write_goaway(id, &mut out);
            let _ = stream.write_chunk(out.freeze()).await;
        }
        std::future::pending::<()>().await;
    };
    // A critical stream must not be closed while the connection lives (RFC 9114 §6.2.1).
    tokio::select! {
        _ = stopped => {}
        () = goaway => {}
    }
    if shared.quic.close_reason().is_none() { Err(Error::ClosedCriticalStream("control")) } else { Ok(()) }
}

/// Accepts the peer's unidirectional streams and reads them until the connection is over.
pub(super) async fn read(shared: &Arc<Shared>) -> Result<(), Error> {
    let known = Mutex::new(UniStreams::new(shared.side));
    let mut streams = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = shared.quic.accept_uni() => match accepted {
                // INVARIANT (uni): QUIC permits no more than `limits::UNI_STREAMS_MAX` at once.
                Ok(stream) => streams.push(read_one(shared, &known, stream)),
                Err(_) => return Ok(()),
            },
            Some(ended) = streams.next() => ended?,
        }
    }
}

async fn read_one(shared: &Shared, known: &Mutex<UniStreams>, mut stream: RecvStream) -> Result<(), Error> {
    // Dropping a stream stops it, and nobody may ask to stop a critical one (RFC 9114 §6.2.1; RFC 9204 §4.2): the
    // connection ends before the stream does.
    read_to_end(shared, known, &mut stream).await.inspect_err(|error| drop(shared.fail(*error)))
}

async fn read_to_end(shared: &Shared, known: &Mutex<UniStreams>, stream: &mut RecvStream) -> Result<(), Error> {
    let mut reader = UniStreamReader::default();
    let mut piece = Bytes::new();
    let kind = loop {
        if let Some(kind) = reader.read(&mut piece) {
            break kind;
        }
        match next(stream).await {
            Next::Piece(next) => piece = next,
            Next::Ended | Next::Lost => return Ok(()),
        }
    };
    let kind = known.lock().unwrap_or_else(std::sync::PoisonError::into_inner).open(kind)?;
    match kind {
        UniStream::Control => read_control(shared, stream, piece).await,
        UniStream::QpackEncoder => {
            let mut instructions = EncoderStream::default();
            loop {
                instructions.read(&mut piece)?;
                match next(stream).await {
                    Next::Piece(next) => piece = next,
                    Next::Ended => return Err(instructions.closed()),
                    Next::Lost => return Ok(()),
                }
            }
        }
        UniStream::QpackDecoder => {
            let mut instructions = DecoderStream::default();
            loop {
                instructions.read(&mut piece)?;
                match next(stream).await {
                    Next::Piece(next) => piece = next,
                    Next::Ended => return Err(instructions.closed()),
                    Next::Lost => return Ok(()),
                }
            }
        }
        UniStream::Ignored => {
            let _ = stream.stop(var_int(Code::H3_STREAM_CREATION_ERROR));
            Ok(())
        }
    }
}

async fn read_control(shared: &Shared, stream: &mut RecvStream, mut piece: Bytes) -> Result<(), Error> {
    let mut reader = ControlReader::new(shared.side);
    let mut requests_seen = 0;
    loop {
        let requests = shared.requests_seen();
        for _ in requests_seen..requests {
            reader.on_request();
        }
        requests_seen = requests;
        while let Some(event) = reader.read(&mut piece)? {
            match event {
                ControlEvent::Settings(settings) => shared.on_settings(settings)?,
                ControlEvent::GoAway(id) => match shared.side {
                    Side::Client => drop(shared.drain.send_replace(Some(id))),
                    // A push id; we push nothing.
                    Side::Server => {}
                },
            }
        }
        match next(stream).await {
            Next::Piece(next) => piece = next,
            Next::Ended => return Err(reader.closed()),
            Next::Lost => return Ok(()),
        }
    }
}

enum Next {
    Piece(Bytes),
    /// By FIN or by reset.
    Ended,
    /// The whole connection is gone.
    Lost,
}

async fn next(stream: &mut RecvStream) -> Next {
    match stream.read_chunk(4096).await {
        Ok(Some(piece)) => Next::Piece(piece),
        Ok(None) | Err(ReadError::Reset(_)) => Next::Ended,
        Err(ReadError::ConnectionLost(_) | ReadError::ClosedStream) => Next::Lost,
    }
}
