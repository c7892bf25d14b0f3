"""What the RFCs forbid, and what they say to ignore, one connection each. Says how the gateway answered.

Every case that leaves the connection alive opens an ordinary flow afterwards, to show that it is.
"""

import asyncio

import pylsqpack
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import encode_frame, encode_settings
from client import capsule, connected, main, say

DATA, HEADERS, CANCEL_PUSH, SETTINGS, PUSH_PROMISE, GOAWAY, MAX_PUSH_ID = 0, 1, 3, 4, 5, 7, 13
CONTROL, PUSH, ENCODER, DECODER = 0, 1, 2, 3
PRIORITY_UPDATE = 0xF0700
GREASE = 0x21
H3_DATAGRAM = 0x33
UDP_PAYLOAD_MAX = 65527


def fields(*pairs, then=b""):
    """A HEADERS frame as aioquic's QPACK writes it, without any check; `then` are field lines as they are."""
    pairs = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in pairs]
    return encode_frame(HEADERS, pylsqpack.Encoder().encode(0, pairs)[1] + then)


def connect(target, *more):
    return fields((":method", "CONNECT"), (":authority", target), *more)


def get(*more, path="/", method="GET"):
    return fields((":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path), *more)


def extended(path="/.well-known/masque/udp/echo.test.internal/9/", protocol="connect-udp", *more):
    return fields(
        (":method", "CONNECT"),
        (":protocol", protocol),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
        *more,
    )


def settings(*pairs):
    return encode_frame(SETTINGS, b"".join(encode_uint_var(id_) + encode_uint_var(value) for id_, value in pairs))


def control(octets, fin=False):
    """An opening whose control stream says exactly this; the QPACK streams are ordinary."""

    def opening(http):
        for attribute, kind in [("_local_encoder_stream_id", ENCODER), ("_local_decoder_stream_id", DECODER)]:
            setattr(http, attribute, http._create_uni_stream(kind))
        http._local_control_stream_id = http._create_uni_stream(CONTROL)
        http._quic.send_stream_data(http._local_control_stream_id, octets, fin)

    return opening


def on_control(*frames):
    """Ordinary settings, then these frames on the control stream."""
    return control(settings() + b"".join(frames))


class Case:
    """One connection: how it opens, what it sends on a request stream, on a new stream of its own, as a datagram."""

    def __init__(self, opening=None, request=None, fin=False, uni=None, uni_fin=False, action=None, **transport):
        self.opening = opening
        self.request = request
        self.fin = fin
        self.uni = uni
        self.uni_fin = uni_fin
        self.action = action
        self.transport = transport


def request(*frames, fin=False):
    return Case(request=b"".join(frames), fin=fin)


def uni(octets, fin=False):
    return Case(uni=octets, uni_fin=fin)


def datagram(octets):
    return Case(action=lambda client: client._quic.send_datagram_frame(octets))


def critical_reset(attribute):
    """Resets one of our own critical streams."""

    def act(client):
        client._quic.reset_stream(getattr(client.http, attribute), 0x10C)

    return Case(action=act)


def critical_end(attribute):
    return Case(action=lambda client: client._quic.send_stream_data(getattr(client.http, attribute), b"", True))


def on_own(attribute, octets):
    """More octets on one of our own streams."""
    return Case(action=lambda client: client._quic.send_stream_data(getattr(client.http, attribute), octets))


def cases(target, udp_target):
    host, port = udp_target.rsplit(":", 1)
    udp_path = f"/.well-known/masque/udp/{host}/{port}/"
    flow = connect(target)
    grease_frame = encode_frame(GREASE, b"grease")
    fatal = {
        # Frames on request streams.
        "DATA before HEADERS": request(encode_frame(DATA, b"x")),
        "HEADERS within a flow": request(flow, get()),
        "SETTINGS on a request stream": request(settings()),
        "GOAWAY on a request stream": request(encode_frame(GOAWAY, b"\0")),
        "MAX_PUSH_ID on a request stream": request(encode_frame(MAX_PUSH_ID, b"\0")),
        "CANCEL_PUSH on a request stream": request(encode_frame(CANCEL_PUSH, b"\0")),
        "PUSH_PROMISE by the client": request(encode_frame(PUSH_PROMISE, b"\0")),
        "a frame cut off by the end": request(encode_frame(HEADERS, b"1234567")[:-2], fin=True),
        "a frame header cut off by the end": request(flow, b"\0", fin=True),
        # The control stream.
        "a second control stream": uni(encode_uint_var(CONTROL) + settings()),
        "a second encoder stream": uni(encode_uint_var(ENCODER)),
        "a second decoder stream": uni(encode_uint_var(DECODER)),
        "a push stream by the client": uni(encode_uint_var(PUSH) + b"\0"),
        "no SETTINGS first": Case(control(encode_frame(MAX_PUSH_ID, b"\0"))),
        "a grease frame before SETTINGS": Case(control(grease_frame + settings())),
        "SETTINGS twice": Case(on_control(settings())),
        "a setting of HTTP/2": Case(control(settings((0x2, 0)))),
        "a setting twice": Case(control(settings((0x6, 100), (0x6, 100)))),
        "H3_DATAGRAM of 2": Case(control(settings((H3_DATAGRAM, 2)))),
        "ENABLE_CONNECT_PROTOCOL of 2": Case(control(settings((0x8, 2)))),
        "H3_DATAGRAM without QUIC datagrams": Case(control(settings((H3_DATAGRAM, 1))), quic_datagrams=False),
        "a setting cut off": Case(control(encode_frame(SETTINGS, b"\x06"))),
        "DATA on the control stream": Case(on_control(encode_frame(DATA, b"x"))),
        "HEADERS on the control stream": Case(on_control(flow)),
        "PUSH_PROMISE on the control stream": Case(on_control(encode_frame(PUSH_PROMISE, b"\0"))),
        "GOAWAY with more than an id": Case(on_control(encode_frame(GOAWAY, b"\0\0"))),
        "GOAWAY whose id grows": Case(on_control(encode_frame(GOAWAY, b"\1"), encode_frame(GOAWAY, b"\2"))),
        "MAX_PUSH_ID that shrinks": Case(on_control(encode_frame(MAX_PUSH_ID, b"\2"), encode_frame(MAX_PUSH_ID, b"\1"))),
        "CANCEL_PUSH of no push": Case(on_control(encode_frame(CANCEL_PUSH, b"\5"))),
        "the control stream ends": critical_end("_local_control_stream_id"),
        "the control stream is reset": critical_reset("_local_control_stream_id"),
        "the encoder stream ends": critical_end("_local_encoder_stream_id"),
        "the decoder stream ends": critical_end("_local_decoder_stream_id"),
        # QPACK.
        "a reference to the dynamic table": request(encode_frame(HEADERS, b"\x02\x00\x80")),
        "a static reference out of range": request(encode_frame(HEADERS, b"\x00\x00\xff\x24")),
        "a field section cut off": request(encode_frame(HEADERS, b"\x00\x00\x5f\x1d\x05ab")),
        "a dynamic table larger than allowed": on_own("_local_encoder_stream_id", b"\x3f\x01"),
        "an insertion without a table": on_own("_local_encoder_stream_id", b"\xc0\x01a"),
        "an insert count that was not": on_own("_local_decoder_stream_id", b"\x01"),
        # Datagrams.
        "an empty datagram": datagram(b""),
        "a datagram whose id is out of range": datagram(encode_uint_var(2**60)),
    }
    refused = {
        # Messages.
        "the stream ends before the request": request(fin=True),
        "only grease before the end": request(grease_frame, fin=True),
        "CONNECT with a path": request(connect(target, (":path", "/"))),
        "CONNECT with a scheme": request(connect(target, (":scheme", "https"))),
        "CONNECT without an authority": request(fields((":method", "CONNECT"))),
        "CONNECT without a port": request(connect(target.split(":")[0])),
        "CONNECT to port 0": request(connect(target.split(":")[0] + ":0")),
        "CONNECT to port 65536": request(connect(target.split(":")[0] + ":65536")),
        "CONNECT with user information": request(connect("user@" + target)),
        "a name in upper case": request(connect(target, ("X-Shout", "1"))),
        "a name with a space": request(connect(target, ("x y", "1"))),
        # A literal line whose name has no octets (RFC 9204 §4.5.6); the encoder would refuse to write it.
        "an empty name": request(fields((":method", "CONNECT"), (":authority", target), then=b"\x20\x011")),
        "a value with a line feed": request(connect(target, ("x", b"a\nb: c"))),
        "a value with a null": request(connect(target, ("x", b"a\0"))),
        "a value that begins with a space": request(connect(target, ("x", " a"))),
        "a pseudo-header twice": request(connect(target, (":authority", target))),
        "a pseudo-header after a field": request(fields((":method", "CONNECT"), ("x", "1"), (":authority", target))),
        "an unknown pseudo-header": request(connect(target, (":status", "200"))),
        "a connection-specific field": request(connect(target, ("connection", "close"))),
        "transfer-encoding": request(connect(target, ("transfer-encoding", "chunked"))),
        "te other than trailers": request(connect(target, ("te", "gzip"))),
        "host other than the authority": request(connect(target, ("host", "other.test.internal:1"))),
        "no method": request(fields((":scheme", "https"), (":authority", "localhost"), (":path", "/"))),
        "GET without a path": request(fields((":method", "GET"), (":scheme", "https"), (":authority", "localhost"))),
        "GET with an empty path": request(get(path="")),
        "GET without a scheme": request(fields((":method", "GET"), (":authority", "localhost"), (":path", "/"))),
        "a protocol without CONNECT": request(get((":protocol", "connect-udp"))),
        "extended CONNECT without a path": request(
            fields((":method", "CONNECT"), (":protocol", "connect-udp"), (":scheme", "https"), (":authority", "localhost"))
        ),
        "a UDP target without a port": request(extended(f"/.well-known/masque/udp/{host}/")),
        "a UDP target on port 0": request(extended(f"/.well-known/masque/udp/{host}/0/")),
        "an oversized field section": request(connect(target, ("x", "y" * 33_000))),
        "too many small fields": request(connect(target, *[("x", "1")] * 2000)),
        "a HEADERS frame that announces 1 GiB": request(encode_uint_var(HEADERS) + encode_uint_var(2**30)),
    }
    # Capsules are read once the flow is there.
    refused_later = {
        "a DATAGRAM capsule that is too long": request(
            extended(udp_path), encode_frame(DATA, encode_uint_var(0) + encode_uint_var(UDP_PAYLOAD_MAX + 10))
        ),
        "a UDP payload that is too long": request(
            extended(udp_path), encode_frame(DATA, capsule(b"\0" + bytes(UDP_PAYLOAD_MAX + 1)))
        ),
        "a capsule cut off by the end": request(extended(udp_path), encode_frame(DATA, capsule(b"\0abc")[:-1]), fin=True),
        "a capsule without a context id": request(extended(udp_path), encode_frame(DATA, capsule(b""))),
        "unknown capsules without end": request(
            extended(udp_path), encode_frame(DATA, encode_uint_var(0x29) + encode_uint_var(2**40))
        ),
    }
    answered = {
        # Well formed, but nothing that the gateway has.
        "an unknown protocol": request(extended("/chat", "websocket")),
        "CONNECT-UDP to another path": request(extended("/udp")),
    }
    ignored = {
        "grease settings": Case(control(settings((GREASE, 7), (0x7FFFFF, 1)))),
        "grease frames on the control stream": Case(on_control(grease_frame, encode_frame(0x40, b""))),
        "PRIORITY_UPDATE": Case(on_control(encode_frame(PRIORITY_UPDATE, b"\0u=1"))),
        "MAX_PUSH_ID and GOAWAY": Case(on_control(encode_frame(MAX_PUSH_ID, b"\7"), encode_frame(GOAWAY, b"\0"))),
        "grease streams": uni(encode_uint_var(GREASE) + b"grease", fin=True),
        "a stream that ends before its type": uni(b"\x40", fin=True),
        "a stream cancellation": on_own("_local_decoder_stream_id", b"\x40"),
        "a dynamic table of nothing": on_own("_local_encoder_stream_id", b"\x20"),
        "a datagram for an unknown flow": datagram(encode_uint_var(12) + b"\0lost"),
        "grease frames before and in a flow": request(grease_frame, flow, grease_frame, encode_frame(DATA, b"")),
        "another context": Case(request=extended(udp_path) + encode_frame(DATA, capsule(b"\2ignored"))),
        "unknown capsules": Case(request=extended(udp_path) + encode_frame(DATA, capsule(b"grease", 0x29))),
        "unknown fields": request(connect(target, ("x-unknown", "1"), ("cookie", "a=b"), ("te", "trailers"))),
    }
    for kind in (0x2, 0x6, 0x8, 0x9):
        fatal[f"frame type {kind:#x} on a request stream"] = request(encode_frame(kind, b""))
        fatal[f"frame type {kind:#x} on the control stream"] = Case(on_control(encode_frame(kind, b"")))
    return {
        "fatal": (fatal, connection_over),
        "refused": (refused, answered_or_over),
        "refused-later": (refused_later, stream_over),
        "answered": (answered, answered_or_over),
        "ignored": (ignored, no_more),
    }


# How long to wait for what the gateway does about a case, before an ordinary flow is tried.


def connection_over(client, stream):
    return client.terminated is not None


def answered_or_over(client, stream):
    return stream.headers is not None or stream.over


def stream_over(client, stream):
    return stream.over


def no_more(client, stream):
    return True


async def answer(case, enough, options):
    """How the gateway answers one case: with the end of the connection, of the stream, a status, or nothing."""
    try:
        async with connected(options, opening=case.opening, wait=False, **case.transport) as client:
            # Our own streams have been read before anything wrong comes, or a reset could overtake what they are.
            if case.opening is None:
                before = client.connect_tcp(options.target, b"before", fin=True)
                await client.until(lambda: client.of(before).over)
            stream_id = None
            if case.request is not None:
                stream_id = client.next_stream()
                client.raw(stream_id, case.request, case.fin)
            if case.uni is not None:
                client.raw(client._quic.get_next_available_stream_id(is_unidirectional=True), case.uni, case.uni_fin)
            if case.action is not None:
                case.action(client)
                client.transmit()
            saw = client.of(stream_id) if stream_id is not None else None
            await client.until(lambda: enough(client, saw), ends_too=True)
            if client.terminated is not None:
                return {"connection": client.terminated.error_code}
            works = client.connect_tcp(options.target, b"alive", fin=True)
            alive = client.of(works)
            await client.until(lambda: alive.over, ends_too=True)
            return {
                "connection": client.terminated.error_code if client.terminated else None,
                "alive": alive.ended and bytes(alive.body) == b"alive",
                "reset": saw.reset if saw else None,
                "stopped": saw.stopped if saw else None,
                "status": saw.status if saw else None,
            }
    except ConnectionError:
        return {"connection": "no handshake"}


async def run(options):
    group, enough = cases(options.target, options.udp_target)[options.command]
    # A few at once: each is mostly waiting.
    turn = asyncio.Semaphore(8)

    async def one(name, case):
        async with turn:
            try:
                return name, await answer(case, enough, options)
            except Exception as error:
                return name, {"failed": repr(error)}

    say(dict(await asyncio.gather(*[one(name, case) for name, case in group.items()])))


if __name__ == "__main__":
    main(dict.fromkeys(["fatal", "refused", "refused-later", "answered", "ignored"], run))
