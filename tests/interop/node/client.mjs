// An HTTP/2 client for the gateway on Node's core module. It does one thing per run and says what it saw as JSON, one
// object a line; it judges nothing.

import { readFileSync } from "node:fs";
import http2 from "node:http2";
import tls from "node:tls";
import { parseArgs } from "node:util";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    gateway: { type: "string" },
    root: { type: "string" },
    certificate: { type: "string" },
    key: { type: "string" },
    target: { type: "string" },
    flows: { type: "string", default: "1" },
    octets: { type: "string", default: "0" },
    sizes: { type: "string", default: "" },
  },
});

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...values) => resolve(values)));

function connect() {
  const [host, port] = options.gateway.split(":");
  const files = { ca: readFileSync(options.root) };
  if (options.certificate) {
    files.cert = readFileSync(options.certificate);
    files.key = readFileSync(options.key);
  }
  const socket = tls.connect({ host, port: Number(port), servername: "localhost", ALPNProtocols: ["h2"], ...files });
  const session = http2.connect(`https://localhost:${port}`, { createConnection: () => socket });
  // Which of the two is told of an alert depends on how far the session has come.
  return { session, failed: Promise.race([once(socket, "error"), once(session, "error")]) };
}

// Octets that tell one flow from another, and a shifted piece from the right one.
function pattern(seed, length) {
  const octets = Buffer.alloc(length);
  for (let index = 0; index < length; index += 1) {
    octets[index] = (seed * 31 + index * 7 + Math.floor(index / 251)) % 256;
  }
  return octets;
}

function variableInteger(value) {
  if (value < 64) return Buffer.from([value]);
  const octets = Buffer.alloc(value < 16384 ? 2 : 4);
  if (octets.length === 2) octets.writeUInt16BE(value | 0x4000);
  else octets.writeUInt32BE((value | 0x80000000) >>> 0);
  return octets;
}

const capsule = (payload) => Buffer.concat([variableInteger(0), variableInteger(payload.length), payload]);

// Payloads of the whole DATAGRAM capsules at the front.
function datagramCapsules(octets) {
  const payloads = [];
  let at = 0;
  const integer = () => {
    if (at >= octets.length) return undefined;
    const size = 1 << (octets[at] >> 6);
    if (at + size > octets.length) return undefined;
    let value = octets[at] & 0x3f;
    for (let index = 1; index < size; index += 1) value = value * 256 + octets[at + index];
    at += size;
    return value;
  };
  for (;;) {
    const kind = integer();
    const length = kind === undefined ? undefined : integer();
    if (length === undefined || at + length > octets.length) return payloads;
    if (kind === 0) payloads.push(octets.subarray(at, at + length));
    at += length;
  }
}

// What comes on one stream, and promises of its parts.
function watch(request) {
  const seen = { status: null, headers: null, chunks: [], ended: false, code: null };
  request.on("response", (headers) => {
    seen.status = headers[":status"];
    seen.headers = Object.fromEntries(Object.entries(headers));
  });
  request.on("data", (chunk) => seen.chunks.push(chunk));
  request.on("end", () => (seen.ended = true));
  request.on("error", (error) => (seen.error = error.code));
  seen.closed = once(request, "close").then(() => (seen.code = request.rstCode));
  seen.body = () => Buffer.concat(seen.chunks);
  seen.report = () => ({
    status: seen.status,
    headers: seen.headers,
    body: seen.body().subarray(0, 4096).toString(),
    length: seen.body().length,
    ended: seen.ended && request.rstCode === 0,
    code: seen.code,
  });
  return seen;
}

async function until(request, condition) {
  while (!condition()) await Promise.race([once(request, "data"), once(request, "response"), once(request, "close")]);
}

function connectTcp(session, target) {
  return session.request({ ":method": "CONNECT", ":authority": target });
}

function connectUdp(session, target) {
  const [host, port] = target.split(":");
  return session.request({
    ":method": "CONNECT",
    ":protocol": "connect-udp",
    ":scheme": "https",
    ":authority": options.gateway,
    ":path": `/.well-known/masque/udp/${host}/${port}/`,
    "capsule-protocol": "?1",
  });
}

const commands = {
  // Flows that all begin at once; each sends its octets, ends its half, and reads to the end.
  async tcp(session) {
    const flows = Array.from({ length: Number(options.flows) }, (_, seed) => {
      const sent = pattern(seed, Number(options.octets));
      const request = connectTcp(session, options.target);
      const seen = watch(request);
      request.end(sent);
      return { sent, seen };
    });
    await Promise.all(flows.map((flow) => flow.seen.closed));
    say(flows.map(({ sent, seen }) => ({ ...seen.report(), echoed: seen.body().equals(sent) })));
  },

  // A flow that is given up when something has come back.
  async reset(session) {
    const request = connectTcp(session, options.target);
    const seen = watch(request);
    request.write("x");
    await until(request, () => seen.chunks.length > 0);
    request.close(http2.constants.NGHTTP2_CANCEL);
    await seen.closed;
    say(seen.report());
  },

  // Sends payloads of each size in capsules, one at a time, and reads as many back.
  async udp(session) {
    const request = connectUdp(session, options.target);
    const seen = watch(request);
    const echoed = [];
    for (const [round, size] of options.sizes.split(",").map(Number).entries()) {
      const sent = Buffer.concat([Buffer.from([0]), pattern(round, size)]);
      request.write(capsule(sent));
      await until(request, () => datagramCapsules(seen.body()).length > round || request.closed);
      echoed.push(datagramCapsules(seen.body())[round]?.equals(sent) ?? false);
    }
    const report = seen.report();
    request.close();
    say({ ...report, body: null, echoed });
  },

  // A request of a kind that the gateway does not have.
  async websocket(session) {
    const path = { ":scheme": "https", ":authority": options.gateway, ":path": "/chat" };
    const request = session.request({ ":method": "CONNECT", ":protocol": "websocket", ...path });
    const seen = watch(request);
    await until(request, () => seen.status !== null || request.closed);
    request.close();
    say(seen.report());
  },

  // An open flow, then whatever GOAWAY brings: the flow goes on.
  async drain(session) {
    const goaway = once(session, "goaway");
    const request = connectTcp(session, options.target);
    const seen = watch(request);
    request.write("before");
    await until(request, () => seen.body().toString() === "before");
    say({ open: true });
    const [code] = await goaway;
    request.end(" and after");
    await seen.closed;
    say({ goaway: code, flow: seen.report() });
  },

  async handshake(session) {
    const request = connectTcp(session, options.target);
    const seen = watch(request);
    request.end();
    await seen.closed;
    say({ status: seen.status, settings: session.remoteSettings ?? null });
  },
};

const { session, failed } = connect();
await Promise.race([
  failed.then(([error]) => {
    say({ status: null, error: error.code });
    session.destroy();
  }),
  (async () => {
    // Extended CONNECT may be asked for only once the server has said that it takes it (RFC 8441 §3).
    await once(session, "remoteSettings");
    await commands[positionals[0]](session);
    session.close();
  })(),
]);
