// WebSocket links over real sockets on loopback: who may come in, what travels, and how each kind of bad peer is cut off.
import { createServer, get, request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { WebSocket } from 'ws';
import { systemEnv } from '../../src/env/system-env.js';
import { codecs, subprotocols } from '../../src/protocol/codec.js';
import type { Subprotocol } from '../../src/protocol/codec.js';
import { checkHostAndOrigin, isLoopback } from '../../src/transport/host-check.js';
import { connectPersistently } from '../../src/transport/reconnecting.js';
import { acceptSession } from '../../src/transport/session.js';
import { closeCodes } from '../../src/transport/transport.js';
import type { Link, Listener } from '../../src/transport/transport.js';
import { ownWsListener, wsDialer, wsListener } from '../../src/transport/ws-transport.js';
import type { OwnWsListenerOptions } from '../../src/transport/ws-transport.js';
import { Heard, note, validateNote } from './fixtures.js';
import type { Note } from './fixtures.js';

const [msgpack, json] = subprotocols;

/** A listener that writes down what it hears; `/none` is not served. */
async function served(t: ExecutionContext, options: Partial<OwnWsListenerOptions> = {}) {
  const far = new Heard();
  const links: Link[] = [];
  const listener = await ownWsListener({
    accept: (link, path) => {
      links.push(link);
      return path === '/none' ? undefined : far;
    },
    ...options,
  });
  t.teardown(() => listener.close());
  const { port } = listener.address;
  return { listener, port, url: `ws://127.0.0.1:${port}/v1/x`, far, links, back: () => links.at(-1) as Link };
}

/** A client of bare ws, for what our own dialer would never do. */
async function bare(
  url: string,
  subprotocol: Subprotocol = msgpack,
): Promise<{ socket: WebSocket; closed: Promise<string> }> {
  const socket = new WebSocket(url, [subprotocol]);
  socket.on('error', () => {});
  const closed = new Promise<string>(resolve => {
    socket.on('close', (code, reason) => resolve(`${code} ${reason.toString()}`.trim()));
  });
  await new Promise(resolve => socket.once('open', resolve));
  return { socket, closed };
}

test('messages of both sides arrive in order, in either codec', async t => {
  const { url, far, back } = await served(t);
  for (const subprotocol of subprotocols) {
    const near = new Heard();
    const link = wsDialer({ subprotocol }).dial(url, near);
    link.send(note(0));
    await near.until('open');
    for (let n = 1; n < 100; n++) link.send(note(n));
    await far.until(JSON.stringify(note(99)));
    back().send(note(5));
    back().close(closeCodes.goingAway, 'restarting ü');
    back().send(note(6));
    t.is(await near.until('end'), 'end 1001 restarting ü');
    t.is(await far.until('end'), 'end 1001 restarting ü');
    t.deepEqual(near.lines, ['open', JSON.stringify(note(5)), 'end 1001 restarting ü']);
    const sent = Array.from({ length: 100 }, (_, n) => JSON.stringify(note(n)));
    t.deepEqual(far.lines.splice(0), [...sent, 'end 1001 restarting ü']);
    t.true(link.id !== back().id && back().remote.startsWith('127.0.0.1:') && link.remote === url);
  }
});

test('messages of one turn share a frame', async t => {
  const { url, back } = await served(t);
  const { socket, closed } = await bare(url);
  const frames: Buffer[] = [];
  socket.on('message', data => frames.push(data as Buffer));
  for (let n = 0; n < 50; n++) back().send(note(n));
  back().close(closeCodes.normal, '');
  t.is(await closed, '1000');
  t.is(frames.length, 1);
  t.is(codecs[msgpack].decoder().decode(frames[0] as Buffer).length, 50);
});

test('HTTP and WebSocket share a port, and other paths are not found', async t => {
  const server = createServer((_request, response) => response.end('state'));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const far = new Heard();
  const listener = wsListener({ server, accept: () => far, paths: ['/v1/scheduler', '/v1/agent'] });
  const { port } = server.address() as AddressInfo;
  t.deepEqual(listener.address, { host: '127.0.0.1', port });
  const near = new Heard();
  wsDialer().dial(`ws://localhost:${port}/v1/agent?x=1`, near);
  await near.until('open');
  t.is(await textOf(`http://127.0.0.1:${port}/state`), 'state');
  const lost = new Heard();
  wsDialer().dial(`ws://127.0.0.1:${port}/v1/nowhere`, lost);
  t.regex(await lost.until('end'), /^end 1008 404 .*"NOT_FOUND".*connect to \/v1\/scheduler or \/v1\/agent/);
  listener.close();
  t.is(await near.until('end'), 'end 1001 the listener closed');
  t.is(await textOf(`http://127.0.0.1:${port}/state`), 'state', 'the HTTP side goes on');
});

test('upgrades from elsewhere, or that make no sense, are refused with the one error shape', async t => {
  const { port, links } = await served(t, { hostnames: ['master.example'] });
  const good = {
    host: `127.0.0.1:${port}`,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-protocol': msgpack,
  };
  const cases: [string, Record<string, string>, number, string, string][] = [
    ['a name that was made to point here', { host: `evil.example:${port}` }, 403, 'FORBIDDEN', 'Host'],
    ['an address that is not loopback', { host: '10.0.0.1' }, 403, 'FORBIDDEN', 'Host'],
    ['a page of another site', { origin: 'https://evil.example' }, 403, 'FORBIDDEN', 'Origin'],
    ['a page of another port', { origin: 'http://127.0.0.1:1' }, 403, 'FORBIDDEN', 'Origin'],
    ['a page of no site', { origin: 'null' }, 403, 'FORBIDDEN', 'Origin'],
    ['no subprotocol', { 'sec-websocket-protocol': '' }, 400, 'BAD_VERSION', 'Sec-WebSocket-Protocol'],
    [
      'a later protocol',
      { 'sec-websocket-protocol': 'proffer.v2.msgpack' },
      400,
      'BAD_VERSION',
      'Sec-WebSocket-Protocol',
    ],
    ['a key that is none', { 'sec-websocket-key': 'short' }, 400, 'BAD_MESSAGE', ''],
    ['a version of long ago', { 'sec-websocket-version': '7' }, 400, 'BAD_MESSAGE', ''],
  ];
  for (const [what, headers, status, code, path] of cases) {
    const answer = await upgrade(port, { ...good, ...headers });
    const body = JSON.parse(answer.body) as Record<string, string>;
    t.is(answer.status, status, what);
    t.is(answer.headers['content-type'], 'application/json', what);
    t.is(body['code'], code, what);
    t.is(body['path'], path, what);
    t.true((body['message'] ?? '').length > 10, what);
  }
  t.is(links.length, 0);
  const allowed: Record<string, string>[] = [
    {},
    { host: 'MASTER.example:80', origin: 'http://master.example' },
    { host: `[::1]:${port}`, origin: `http://[::1]:${port}` },
    { 'sec-websocket-protocol': `other, ${json}` },
  ];
  for (const headers of allowed)
    t.is((await upgrade(port, { ...good, ...headers })).status, 101, JSON.stringify(headers));
});

test('hosts and origins, case by case', t => {
  for (const host of [
    'localhost',
    'LOCALHOST:5050',
    '127.0.0.1',
    '127.8.9.1:1',
    '[::1]:5050',
    'a.localhost:1',
    'm.example:9',
  ])
    t.is(checkHostAndOrigin({ host }, ['M.example']), undefined, host);
  for (const host of [
    undefined,
    '',
    ':80',
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '0.0.0.0',
    '[::]',
    '::1',
    'localhost:x',
    'a@localhost',
    'localhost/',
  ])
    t.is(checkHostAndOrigin({ host }, ['m.example'])?.path, 'Host', host);
  t.regex(
    checkHostAndOrigin({ host: 'x' }, ['m.example'])?.message ?? '',
    /"x" is not served here; allowed: .*m\.example/,
  );
  for (const origin of ['http://localhost:5050', 'https://LOCALHOST:5050'])
    t.is(checkHostAndOrigin({ host: 'localhost:5050', origin }), undefined, origin);
  for (const origin of [
    '',
    'null',
    'http://localhost',
    'http://localhost:5051',
    'file://',
    'http://localhost:5050/',
    'http://x@localhost:5050',
  ])
    t.is(checkHostAndOrigin({ host: 'localhost:5050', origin })?.path, 'Origin', origin);
  t.true(isLoopback('[::1]') && isLoopback('127.1.2.3') && isLoopback('localhost'));
  t.false(isLoopback('0.0.0.0') || isLoopback('::') || isLoopback('192.168.0.1') || isLoopback('127.evil.example'));
});

test('frames that cannot be understood close their link, with code and reason, and no other', async t => {
  const { url, far } = await served(t);
  const bystander = new Heard();
  const other = wsDialer().dial(url, bystander);
  await bystander.until('open');
  const cases: [string, Subprotocol, Buffer | string, RegExp][] = [
    ['text where bytes are spoken', msgpack, '[]', /^1002 BAD_FRAME: a text frame/],
    ['bytes where text is spoken', json, Buffer.from('[]'), /^1002 BAD_FRAME: a binary frame/],
    ['nothing', msgpack, Buffer.alloc(0), /^1007 BAD_FRAME: an empty frame/],
    ['the never-used type', msgpack, Buffer.of(0x91, 0xc1), /^1007 BAD_FRAME: .*0xc1.*\(at byte 1\)/],
    ['a claim of four billion', msgpack, Buffer.of(0xdd, 255, 255, 255, 255), /^1007 BAD_FRAME: 4294967295 values/],
    ['too deep', msgpack, Buffer.alloc(100, 0x91), /^1009 BAD_FRAME: nested deeper/],
    ['two MiB', msgpack, Buffer.alloc(2 * 1024 * 1024), /^1009/],
    ['no JSON', json, '[{]', /^1007 BAD_FRAME: the text is not JSON \(at byte 2\)/],
    ['too deep in JSON', json, '['.repeat(100), /^1009 BAD_FRAME/],
  ];
  for (const [what, subprotocol, frame, expected] of cases) {
    const { socket, closed } = await bare(url, subprotocol);
    socket.send(frame);
    t.regex(await closed, expected, what);
    const end = await far.until('end');
    t.regex(end, new RegExp(`^end ${expected.source.slice(1, 5)}`), what);
    far.lines.length = 0;
  }
  other.send(note(1));
  await far.until(JSON.stringify(note(1)));
  t.deepEqual(bystander.lines, ['open']);
});

test('bytes that are no WebSocket frames close their link with the code of the RFC', async t => {
  const { port, far } = await served(t);
  const masked = (first: number, ...payload: number[]): Buffer =>
    Buffer.of(first, 0x80 | payload.length, 0, 0, 0, 0, ...payload);
  const cases: [string, Buffer, number][] = [
    ['an unmasked frame', Buffer.of(0x82, 0x01, 0x90), 1002],
    ['a reserved bit', masked(0xa2, 0x90), 1002],
    ['compressed, which was not agreed', masked(0xc2, 0x90), 1002],
    ['an unknown opcode', masked(0x83, 0x90), 1002],
    ['a continuation of nothing', masked(0x80, 0x90), 1002],
    ['a fragmented ping', masked(0x09, 0x90), 1002],
    ['a close with half a code', masked(0x88, 0x03), 1002],
    ['text that is no UTF-8', masked(0x81, 0xc3, 0x28), 1007],
    ['a length of 2^62', Buffer.of(0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0), 1009],
  ];
  for (const [what, frame, code] of cases) {
    const socket = await rawSocket(port);
    const closeFrame = await answerTo(socket, frame);
    t.is(closeFrame[0], 0x88, what);
    t.is(closeFrame.readUInt16BE(2), code, what);
    t.is((await far.until('end')).split(' ')[1], String(code), what);
    far.lines.length = 0;
    socket.destroy();
  }
  const socket = await rawSocket(port);
  socket.write(Buffer.of(0x82, 0xff));
  socket.resetAndDestroy();
  t.regex(await far.until('end'), /^end 1006/, 'a reset in the middle of a frame');
});

test('a peer that does not read is cut off, by size or by time', async t => {
  const bySize = await served(t);
  const deaf = await rawSocket(bySize.port);
  deaf.pause();
  const block = { type: 'BLOCK', data: 'x'.repeat(1_000_000) };
  for (let n = 0; n < 24; n++) bySize.back().send(block);
  t.regex(await bySize.far.until('end'), /^end 1013 \d+ bytes unsent/);
  const byTime = await served(t, { sendStallMs: 60, sendQueueMaxBytes: 64 * 1024 * 1024 });
  const stalled = await rawSocket(byTime.port);
  stalled.pause();
  for (let n = 0; n < 24; n++) byTime.back().send(block);
  t.regex(await byTime.far.until('end'), /^end 1013 nothing could be sent for \d+ ms/);
  byTime.back().send(block);
  for (const socket of [deaf, stalled]) socket.destroy();
});

test('a slow peer that does read gets everything', async t => {
  const { url, back } = await served(t, { sendStallMs: 5_000, sendQueueMaxBytes: 64 * 1024 * 1024 });
  const { socket, closed } = await bare(url);
  let received = 0;
  const decoder = codecs[msgpack].decoder();
  socket.on('message', data => {
    received += decoder.decode(data as Buffer).length;
    socket.pause();
    setImmediate(() => socket.resume());
  });
  for (let n = 0; n < 24; n++) back().send({ type: 'BLOCK', data: 'x'.repeat(1_000_000) });
  back().send({ type: 'LAST' });
  back().close(closeCodes.normal, 'all sent');
  t.is(await closed, '1000 all sent');
  t.is(received, 25);
});

test('who dials may say much in one turn: an agent its registration', async t => {
  const { url, far } = await served(t);
  const near = new Heard();
  const link = wsDialer().dial(url, near);
  await near.until('open');
  for (let n = 0; n < 40; n++) link.send({ type: 'BLOCK', data: 'x'.repeat(1_000_000) });
  link.send(note(1));
  link.close(closeCodes.normal, 'all sent');
  t.is(await far.until('end'), 'end 1000 all sent');
  t.is(far.lines.length, 42);
});

test('a message no frame can hold costs its link and nothing more', async t => {
  const { url, far, back } = await served(t);
  const { closed } = await bare(url);
  back().send({ type: 'HUGE', data: 'x'.repeat(1_100_000) });
  t.regex(await closed, /^1011 a message HUGE of \d+ bytes/);
  t.regex(await far.until('end'), /^end 1011/);
});

test('a dial that fails says why, once', async t => {
  const { url, port } = await served(t);
  const cases: [string, RegExp][] = [
    ['ws://127.0.0.1:1/', /^end 1006 .*ECONNREFUSED/],
    ['ws://localhost:1/', /^end 1006 .*ECONNREFUSED/],
    ['http//nonsense', /^end 1006 .*cannot be dialled/],
    [`ws://127.0.0.1:${port}/none`, /^end 1008 nothing is served at \/none/],
  ];
  for (const [where, expected] of cases) {
    const heard = new Heard();
    const link = wsDialer().dial(where, heard);
    t.deepEqual(heard.lines, [], 'nothing is told before dial returns');
    t.regex(await heard.until('end'), expected);
    link.send(note(1));
    link.close(closeCodes.normal, '');
    t.is(heard.lines.filter(line => line.startsWith('end')).length, 1);
  }
  const hasty = new Heard();
  wsDialer().dial(url, hasty).close(closeCodes.goingAway, 'changed my mind');
  t.is(await hasty.until('end'), 'end 1001 changed my mind');
  const silent = createServer();
  silent.on('upgrade', (_request, socket) => t.teardown(() => socket.destroy()));
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve));
  t.teardown(() => silent.close());
  const patient = new Heard();
  wsDialer({ handshakeTimeoutMs: 50 }).dial(`ws://127.0.0.1:${(silent.address() as AddressInfo).port}/`, patient);
  t.regex(await patient.until('end'), /^end 1006 .*timed out/);
});

test('a listener of its own stays on loopback and says when the port is taken', async t => {
  const { port } = await served(t);
  const accept = () => undefined;
  await t.throwsAsync(ownWsListener({ accept, host: '0.0.0.0' }), {
    code: 'FORBIDDEN',
    message: /"0\.0\.0\.0" is not a loopback/,
  });
  await t.throwsAsync(ownWsListener({ accept, port }), {
    code: 'ADDRESS_IN_USE',
    message: new RegExp(`127\\.0\\.0\\.1:${port}`),
  });
  t.regex(await textOf(`http://127.0.0.1:${port}/`), /"NOT_FOUND"/);
});

test('a session over WebSocket outlives its master: same port, next epoch, one more welcome', async t => {
  const heard = new Heard();
  const env = systemEnv({ seed: 1 });
  const serve = (port: number, epoch: number): Promise<Listener> =>
    ownWsListener({
      port,
      accept: link =>
        acceptSession<Note, Note>(env, link, { kind: 'agent', epoch, validate: validateNote }, peer => {
          peer.send(note(epoch));
          return heard.peerHandler('master');
        }),
    });
  const first = await serve(0, 1);
  const { port } = first.address;
  const connection = connectPersistently<Note, Note>(
    env,
    {
      dialer: wsDialer(),
      target: [`ws://127.0.0.1:${port}`],
      path: '/v1/agent',
      kind: 'agent',
      version: '0',
      validate: validateNote,
      backoff: { baseMs: 10, factor: 2, capMs: 50 },
    },
    {
      onConnected: (peer, welcome) => {
        heard.say(`connected ${welcome.epoch}`);
        peer.send(note(welcome.epoch * 100));
      },
      onMessage: message => heard.say(`agent got ${message.n}`),
      onInvalid: () => heard.say('invalid'),
      onDisconnected: end => heard.say(`disconnected ${end.code}`),
    },
  );
  await heard.until('master got 100');
  await heard.until('agent got 1');
  first.close();
  await heard.until('disconnected 1001');
  const second = await serve(port, 2);
  await heard.until('connected 2');
  await heard.until('master got 200');
  connection.close();
  await heard.until('master end 1000');
  second.close();
  t.deepEqual(
    heard.lines.filter(line => line.startsWith('agent')),
    ['agent got 1', 'agent got 2'],
  );
});

function textOf(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, response => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

/** An upgrade request with exactly these headers; its answer. */
function upgrade(
  port: number,
  headers: Record<string, string>,
): Promise<{ status: number; headers: IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path: '/v1/x', headers, agent: false });
    asked.on('response', response => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    asked.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: '' });
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** A plain TCP socket on which the WebSocket handshake is done. */
async function rawSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    `GET /v1/x HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ${msgpack}\r\n\r\n`,
  );
  await new Promise(resolve => socket.once('data', resolve));
  return socket;
}

/** What comes back for `bytes`, a close frame at least. */
function answerTo(socket: Socket, bytes: Buffer): Promise<Buffer> {
  return new Promise(resolve => {
    let answer = Buffer.alloc(0);
    socket.on('data', data => {
      answer = Buffer.concat([answer, data]);
      if (answer.length >= 4) resolve(answer);
    });
    socket.write(bytes);
  });
}
