"""An HTTP/3 client for the gateway on aioquic, which shares no code with ours.

It does one thing per run and says what it saw as JSON, one object a line. It judges nothing: that is the test's part.
"""

import argparse
import asyncio
import json
import sys
from contextlib import asynccontextmanager

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.buffer import Buffer, BufferReadError, encode_uint_var
from aioquic.h3.connection import ErrorCode, H3Connection, Setting
from aioquic.h3.events import DatagramReceived, DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StopSendingReceived, StreamDataReceived, StreamReset

# Longer than any step takes, shorter than the patience of the test.
PATIENCE_SECONDS = 20

DATAGRAM_CAPSULE = 0
GOAWAY = 7


class ConnectionEnded(Exception):
    """The connection is over while something was still expected of it."""

    def __init__(self, code):
        super().__init__(f"the connection ended with {code:#x}")
        self.code = code


class Http3(H3Connection):
    """aioquic's HTTP/3 with HTTP datagrams announced or not; `opening` replaces its own control streams."""

    def __init__(self, quic, datagrams, opening=None):
        self.datagrams = datagrams
        self.opening = opening
        super().__init__(quic)

    def _get_local_settings(self):
        settings = super()._get_local_settings()
        if self.datagrams:
            settings[Setting.H3_DATAGRAM] = 1
        return settings

    def _init_connection(self):
        if self.opening is None:
            super()._init_connection()
        else:
            self.opening(self)


class Stream:
    """What came on one request stream."""

    def __init__(self):
        self.headers = None
        self.body = bytearray()
        self.datagrams = []
        self.ended = False
        self.reset = None
        self.stopped = None

    @property
    def over(self):
        return self.ended or self.reset is not None

    @property
    def status(self):
        return int(self.headers[":status"]) if self.headers else None

    def seen(self):
        """For the report."""
        text = bytes(self.body[:4096]).decode("utf-8", "replace")
        return {
            "status": self.status,
            "headers": self.headers,
            "body": text,
            "length": len(self.body),
            "ended": self.ended,
            "reset": self.reset,
            "stopped": self.stopped,
        }


class Client(QuicConnectionProtocol):
    """One connection."""

    def __init__(self, *args, datagrams=True, opening=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.datagrams = datagrams
        self.opening = opening
        self.http = None
        self.streams = {}
        self.terminated = None
        self.control = {}
        self.waiting = []

    def begin(self):
        """Speaks HTTP/3 from here on."""
        self.http = Http3(self._quic, self.datagrams, self.opening)
        self.transmit()

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.terminated = event
        elif isinstance(event, StreamReset):
            self.of(event.stream_id).reset = event.error_code
        elif isinstance(event, StopSendingReceived):
            self.of(event.stream_id).stopped = event.error_code
        elif isinstance(event, StreamDataReceived) and event.stream_id % 4 == 3:
            self.control.setdefault(event.stream_id, bytearray()).extend(event.data)
        for http_event in self.http.handle_event(event) if self.http else ():
            self.http_event_received(http_event)
        for waiter in self.waiting:
            waiter.set()

    def http_event_received(self, event):
        stream = self.of(event.stream_id)
        if isinstance(event, HeadersReceived):
            stream.headers = {name.decode(): value.decode() for name, value in event.headers}
            stream.ended = stream.ended or event.stream_ended
        elif isinstance(event, DataReceived):
            stream.body += event.data
            stream.ended = stream.ended or event.stream_ended
        elif isinstance(event, DatagramReceived):
            stream.datagrams.append(event.data)

    def of(self, stream_id):
        return self.streams.setdefault(stream_id, Stream())

    async def until(self, condition, ends_too=False):
        """Waits until something holds. The end of the connection is an error unless `ends_too`."""
        waiter = asyncio.Event()
        self.waiting.append(waiter)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not condition():
                    if self.terminated is not None:
                        if ends_too:
                            return
                        raise ConnectionEnded(self.terminated.error_code)
                    waiter.clear()
                    await waiter.wait()
        finally:
            self.waiting.remove(waiter)

    def next_stream(self):
        return self._quic.get_next_available_stream_id()

    def connect_tcp(self, authority, data=b"", fin=False):
        """Opens a flow and sends at once, before the answer."""
        stream_id = self.next_stream()
        self.http.send_headers(stream_id, [(b":method", b"CONNECT"), (b":authority", authority.encode())])
        if data or fin:
            self.http.send_data(stream_id, data, fin)
        self.transmit()
        return stream_id

    def connect_udp(self, authority, target):
        host, port = target.rsplit(":", 1)
        stream_id = self.next_stream()
        path = f"/.well-known/masque/udp/{host.replace(':', '%3A')}/{port}/"
        self.http.send_headers(
            stream_id,
            [
                (b":method", b"CONNECT"),
                (b":protocol", b"connect-udp"),
                (b":scheme", b"https"),
                (b":authority", authority.encode()),
                (b":path", path.encode()),
                (b"capsule-protocol", b"?1"),
            ],
        )
        self.transmit()
        return stream_id

    def raw(self, stream_id, data, fin=False):
        self._quic.send_stream_data(stream_id, data, fin)
        self.transmit()

    def goaways(self):
        """The ids of the GOAWAY frames that came."""
        ids = []
        for octets in self.control.values():
            buffer = Buffer(data=bytes(octets))
            try:
                if buffer.pull_uint_var() != 0:
                    continue
                while not buffer.eof():
                    kind, length = buffer.pull_uint_var(), buffer.pull_uint_var()
                    payload = Buffer(data=buffer.pull_bytes(length))
                    if kind == GOAWAY:
                        ids.append(payload.pull_uint_var())
            except BufferReadError:
                continue
        return ids


@asynccontextmanager
async def connected(options, datagrams=True, opening=None, quic_datagrams=True, wait=True):
    """A connection with the client certificate of the options, if they have one."""
    host, port = options.gateway.rsplit(":", 1)
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name="localhost")
    if quic_datagrams:
        configuration.max_datagram_frame_size = 65536
    configuration.load_verify_locations(options.root)
    if options.certificate:
        configuration.load_cert_chain(options.certificate, options.key)

    def protocol(*args, **kwargs):
        return Client(*args, datagrams=datagrams, opening=opening, **kwargs)

    async with connect(host, int(port), configuration=configuration, create_protocol=protocol) as client:
        client.begin()
        if wait:
            await client.until(lambda: client.http.received_settings is not None)
        yield client


def say(value):
    print(json.dumps(value), flush=True)


def pattern(seed, length):
    """Octets that tell one flow from another, and a shifted piece from the right one."""
    return bytes((seed * 31 + index * 7 + index // 251) % 256 for index in range(length))


def capsule(payload, kind=DATAGRAM_CAPSULE):
    return encode_uint_var(kind) + encode_uint_var(len(payload)) + payload


def datagram_capsules(octets):
    """Payloads of the whole DATAGRAM capsules at the front of `octets`."""
    buffer, payloads = Buffer(data=bytes(octets)), []
    try:
        while not buffer.eof():
            kind = buffer.pull_uint_var()
            payload = buffer.pull_bytes(buffer.pull_uint_var())
            if kind == DATAGRAM_CAPSULE:
                payloads.append(payload)
    except BufferReadError:
        pass
    return payloads


async def tcp(options):
    """Flows that all begin at once; each sends its octets, closes its half, and reads to the end."""
    async with connected(options) as client:
        flows = {}
        for seed in range(options.flows):
            sent = pattern(seed, options.octets)
            flows[client.connect_tcp(options.target, sent, fin=True)] = sent
        await client.until(lambda: all(client.of(flow).over for flow in flows))
        say([{**client.of(flow).seen(), "echoed": bytes(client.of(flow).body) == sent} for flow, sent in flows.items()])


async def reset(options):
    """A flow that is given up when something has come back."""
    async with connected(options) as client:
        flow = client.connect_tcp(options.target, b"x")
        await client.until(lambda: client.of(flow).body)
        client._quic.reset_stream(flow, ErrorCode.H3_REQUEST_CANCELLED)
        client.transmit()
        await client.until(lambda: client.of(flow).over)
        say(client.of(flow).seen())


async def udp(options):
    """Flows over UDP: each sends the same sizes, all different octets, and reads as many back."""
    by_capsule = options.by == "capsule"
    async with connected(options, datagrams=not options.no_datagrams) as client:
        flows = [client.connect_udp(options.gateway, options.target) for _ in range(options.flows)]
        await client.until(lambda: all(client.of(flow).headers for flow in flows))
        came = (lambda flow: datagram_capsules(client.of(flow).body)) if options.no_datagrams else (
            lambda flow: client.of(flow).datagrams
        )
        report = {flow: {**client.of(flow).seen(), "echoed": []} for flow in flows}
        # One in flight per flow, because datagrams may be lost where many are.
        for round_, size in enumerate(options.sizes):
            sent = {flow: b"\0" + pattern(flow + round_, size) for flow in flows}
            for flow, payload in sent.items():
                if by_capsule:
                    client.http.send_data(flow, capsule(payload), False)
                else:
                    client.http.send_datagram(flow, payload)
            client.transmit()
            await client.until(lambda: all(len(came(flow)) > round_ for flow in flows))
            for flow, payload in sent.items():
                report[flow]["echoed"].append(came(flow)[round_] == payload)
        say(list(report.values()))


async def drain(options):
    """An open flow, then whatever GOAWAY brings: the flow goes on, a later request does not."""
    async with connected(options) as client:
        flow = client.connect_tcp(options.target, b"before")
        await client.until(lambda: bytes(client.of(flow).body) == b"before")
        say({"open": True})
        await client.until(client.goaways)
        late = client.connect_tcp(options.target, b"late")
        await client.until(lambda: client.of(late).over)
        client.http.send_data(flow, b" and after", True)
        client.transmit()
        await client.until(lambda: client.of(flow).over)
        await client.until(lambda: client.terminated is not None)
        say(
            {
                "goaway": client.goaways(),
                "late_id": late,
                "late": client.of(late).seen(),
                "flow": client.of(flow).seen(),
                "closed": client.terminated.error_code,
            }
        )


async def handshake(options):
    """Whether a connection comes up and serves a request, or with which code it ends."""
    try:
        async with connected(options, wait=False) as client:
            flow = client.connect_tcp(options.target)
            await client.until(lambda: client.of(flow).headers or client.of(flow).over, ends_too=True)
            ended = client.terminated.error_code if client.terminated else None
            say({"code": ended, "status": client.of(flow).status})
    except ConnectionError:
        say({"code": None, "status": None, "refused": True})


def options(commands):
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=sorted(commands))
    parser.add_argument("--gateway", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--target", required=True)
    parser.add_argument("--udp-target")
    parser.add_argument("--flows", type=int, default=1)
    parser.add_argument("--octets", type=int, default=0)
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=[])
    parser.add_argument("--by", choices=["datagram", "capsule"], default="datagram")
    parser.add_argument("--no-datagrams", action="store_true")
    return parser.parse_args()


def main(commands):
    chosen = options(commands)
    asyncio.run(commands[chosen.command](chosen))


if __name__ == "__main__":
    main({"tcp": tcp, "reset": reset, "udp": udp, "drain": drain, "handshake": handshake})
    sys.exit(0)
