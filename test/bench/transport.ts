// Round trips and messages per second through our links on loopback, against bare ws with JSON in the same run. In: nothing. Out: rows.
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import { WebSocket, WebSocketServer } from 'ws';
import type { Subprotocol } from '../../src/protocol/codec.js';
import { codecs, subprotocols } from '../../src/protocol/codec.js';
import type { Link } from '../../src/transport/transport.js';
import { ownWsListener, wsDialer } from '../../src/transport/ws-transport.js';
import type { BenchOptions, BenchRow } from './row.js';
import { median, row } from './row.js';

/** An echo over some wire: `send` gives it messages; each comes back to `onEcho`. */
interface Echo {
  send(message: object): void;
  onEcho: () => void;
  close(): void;
}

/** Runs everything, in about 15 s. */
export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  const scale = options.quick === true ? 0.05 : 1;
  const rows: BenchRow[] = [];
  const wires: [string, () => Promise<Echo>][] = [
    ...subprotocols.map((name): [string, () => Promise<Echo>] => [`link ${name}`, () => linkEcho(name)]),
    ['bare ws + JSON', bareEcho],
  ];
  const rounds = options.quick === true ? 1 : 3;
  for (const [mode, count, inFlight, perTurn] of [
    ['one at a time', 2_000, 1, 1],
    ['64 in flight', 10_000, 64, 1],
    ['turns of 32, 4 in flight', 20_000, 128, 32],
  ] as const) {
    const rates = new Map<string, number[]>(wires.map(([name]) => [name, []]));
    const medians = new Map<string, number[]>(wires.map(([name]) => [name, []]));
    options.progress?.(mode);
    // Interleaved, so that a disturbance hits all wires alike.
    for (let round = 0; round <= rounds; round++) {
      for (const [name, open] of wires) {
        const echo = await open();
        const { perSecond, p50Ms } = await drive(echo, Math.ceil(count * scale), inFlight, perTurn);
        echo.close();
        if (round === 0) continue;
        rates.get(name)?.push(perSecond);
        medians.get(name)?.push(p50Ms);
      }
    }
    for (const [name] of wires) {
      rows.push(row('transport/round trips', { wire: name, mode }, median(rates.get(name) ?? []), '1/s'));
      if (inFlight === 1)
        rows.push(row('transport/round trip p50', { wire: name, mode }, median(medians.get(name) ?? []), 'ms'));
    }
  }
  return [...rows, ...codecRows(scale)];
}

/** Sends `count` messages with at most `inFlight` unanswered, `perTurn` at a time. */
function drive(
  echo: Echo,
  count: number,
  inFlight: number,
  perTurn: number,
): Promise<{ perSecond: number; p50Ms: number }> {
  return new Promise(resolve => {
    const times: number[] = [];
    const messages = Array.from({ length: 64 }, (_, n) => offers(n));
    let sent = 0;
    let answered = 0;
    let last = 0;
    const begin = performance.now();
    const send = (n: number): void => {
      last = performance.now();
      for (let i = 0; i < n && sent < count; i++) echo.send(messages[sent++ % messages.length] as object);
    };
    echo.onEcho = () => {
      answered += 1;
      if (inFlight === 1) times.push(performance.now() - last);
      if (answered >= count) {
        const seconds = (performance.now() - begin) / 1000;
        resolve({ perSecond: count / seconds, p50Ms: Math.round(median(times) * 1000) / 1000 });
      } else if (answered % perTurn === 0) send(perTurn);
    };
    send(inFlight);
  });
}

async function linkEcho(subprotocol: Subprotocol): Promise<Echo> {
  const listener = await ownWsListener({
    accept: link => ({ onMessage: message => link.send(message as object), onEnd: () => {} }),
  });
  const echo: Echo = { send: () => {}, onEcho: () => {}, close: () => listener.close() };
  const link = await new Promise<Link>(resolve => {
    const dialed = wsDialer({ subprotocol }).dial(`ws://127.0.0.1:${listener.address.port}/`, {
      onOpen: () => resolve(dialed),
      onMessage: () => echo.onEcho(),
      onEnd: () => {},
    });
  });
  echo.send = message => link.send(message);
  return echo;
}

/** What one writes first: a frame per message, JSON, ws as it comes but for compression. */
async function bareEcho(): Promise<Echo> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', socket => {
    socket.on('message', data => socket.send(JSON.stringify(JSON.parse((data as Buffer).toString()))));
  });
  await new Promise(resolve => server.once('listening', resolve));
  const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await new Promise(resolve => socket.once('open', resolve));
  const echo: Echo = {
    send: message => socket.send(JSON.stringify(message)),
    onEcho: () => {},
    close: () => {
      socket.close();
      server.close();
    },
  };
  socket.on('message', data => {
    JSON.parse((data as Buffer).toString());
    echo.onEcho();
  });
  return echo;
}

/** The codecs alone: a turn of 32 messages, encoded and decoded with the state of one connection. */
function codecRows(scale: number): BenchRow[] {
  const rows: BenchRow[] = [];
  const turn = Array.from({ length: 32 }, (_, n) => offers(n));
  const turns = Math.ceil(2_000 * scale);
  for (const name of subprotocols) {
    const encoder = codecs[name].encoder();
    const decoder = codecs[name].decoder();
    let bytes = 0;
    let encodeMs = 0;
    let decodeMs = 0;
    for (let n = 0; n < turns; n++) {
      const start = performance.now();
      const frames: (Uint8Array | string)[] = [];
      encoder.encode(turn, frame => frames.push(frame));
      const middle = performance.now();
      for (const frame of frames) decoder.decode(typeof frame === 'string' ? Buffer.from(frame) : frame);
      if (n < turns / 4) continue;
      encodeMs += middle - start;
      decodeMs += performance.now() - middle;
      bytes += frames.reduce((sum, frame) => sum + Buffer.byteLength(frame), 0);
    }
    const messages = Math.floor(turns * 0.75) * turn.length;
    rows.push(row('transport/codec encode', { codec: name, mode: 'turns of 32' }, messages / (encodeMs / 1000), '1/s'));
    rows.push(row('transport/codec decode', { codec: name, mode: 'turns of 32' }, messages / (decodeMs / 1000), '1/s'));
    rows.push(row('transport/codec size', { codec: name, mode: 'turns of 32' }, bytes / messages, 'B'));
  }
  return rows;
}

/** An OFFERS message with one offer, about 900 bytes in JSON. */
function offers(n: number): object {
  return {
    type: 'OFFERS',
    offers: [
      {
        id: `5f0c3a58-9a5e-4c5b-8f3f-0a1b2c3d4e5f-O${n}`,
        frameworkId: '5f0c3a58-9a5e-4c5b-8f3f-0a1b2c3d4e5f-0001',
        agentId: `5f0c3a58-9a5e-4c5b-8f3f-0a1b2c3d4e5f-S${n}`,
        hostname: `agent-${n}.rack-${n % 8}.example`,
        port: 5051,
        role: 'production/web',
        resources: {
          cpus: 15.5,
          mem: 63_488,
          disk: 409_600,
          gpus: 0,
          ports: [
            [31_000, 31_499],
            [31_510, 32_000],
          ],
        },
        attributes: { rack: `rack-${n % 8}`, zone: 'a', os: 'linux', cores: 16, ssd: 'true' },
        executorIds: [],
        allocatedAtMs: 1_767_225_600_000 + n,
        reservations: [
          { role: 'production', resources: { cpus: 2, mem: 4096 }, labels: { owner: 'web', reason: 'launch' } },
          { role: 'production/web', resources: { disk: 10_240 }, labels: {} },
        ],
        domain: { faultDomain: { region: { name: 'eu' }, zone: { name: 'eu-a' } } },
        unavailability: { startMs: 1_767_229_200_000, durationMs: 3_600_000 },
      },
    ],
  };
}
