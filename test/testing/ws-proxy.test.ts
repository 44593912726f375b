// The proxy between real sockets: what passes untouched, what each fault does to messages, and what both ends see when connections are cut, held or slowed.
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, NetConnectOpts } from 'node:net';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { WebSocket } from 'ws';
import { ProfferError } from '../../src/base/errors.js';
import { seededRandom } from '../../src/env/random.js';
import { systemEnv } from '../../src/env/system-env.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { subprotocols } from '../../src/protocol/codec.js';
import type { Subprotocol } from '../../src/protocol/codec.js';
import { LiveFault } from '../../src/testing/ws-proxy-faults.js';
import type { ProxyFault } from '../../src/testing/ws-proxy-faults.js';
import { Lane } from '../../src/testing/ws-proxy-lane.js';
import { startProxy, swizzle } from '../../src/testing/index.js';
import type { ActiveFault, ProxyOptions } from '../../src/testing/index.js';
import { acceptSession, dialSession } from '../../src/transport/session.js';
import { closeCodes } from '../../src/transport/transport.js';
import type { Link } from '../../src/transport/transport.js';
import { ownWsListener, wsDialer } from '../../src/transport/ws-transport.js';
import { Heard, note, validateNote } from '../transport/fixtures.js';

/** A listener, and a proxy in front of it. */
async function proxied(t: ExecutionContext, options: Partial<ProxyOptions> = {}) {
  const far = new Heard();
  const links: Link[] = [];
  const listener = await ownWsListener({
    accept: link => {
      links.push(link);
      far.say('accepted');
      return far;
    },
    paths: ['/v1/x', '/v1/y'],
  });
  const proxy = await startProxy({ target: `ws://127.0.0.1:${listener.address.port}`, ...options });
  t.teardown(async () => {
    await proxy.close();
    listener.close();
  });
  const dial = async (subprotocol: Subprotocol = subprotocols[0], path = '/v1/x') => {
    const near = new Heard();
    const link = wsDialer({ subprotocol }).dial(proxy.url + path, near);
    await near.until('open');
    return { near, link };
  };
  return { proxy, far, dial, listener, back: () => links.at(-1) as Link };
}

/** A lane under virtual time: `sent` is what has left it, with the time, and `numbers` their numbers, unless it hides. */
function lane(faults: readonly ProxyFault[], hideFromHeartbeats = false) {
  const clock = new VirtualClock();
  const sent: string[] = [];
  const numbers: number[] = [];
  const live: LiveFault[] = faults.map(fault => new LiveFault(fault, one => live.splice(live.indexOf(one), 1)));
  const one = new Lane({
    clock,
    random: seededRandom(5),
    direction: 'toTarget',
    path: '/v1/x',
    faults: live,
    hideFromHeartbeats,
    emit: (messages, before) => {
      if (before !== undefined) numbers.push(...messages.map((_, i) => before + i));
      for (const message of messages) {
        const { type, n, sent: count } = message as { type: string; n?: number; sent?: number };
        sent.push(`${Math.round(clock.now())} ${type === 'NOTE' ? n : `${type} ${count}`}`);
      }
      return messages.length * 100;
    },
  });
  one.open();
  const push = (...messages: readonly unknown[]): void => {
    for (const message of messages) one.push(message);
    one.flush();
  };
  return { one, clock, sent, numbers, push, live };
}

const beat = (sent: number) => ({ type: '$HEARTBEAT', sent });

test('without faults both codecs pass, batches, refusals and close codes included', async t => {
  const { proxy, far, dial, back } = await proxied(t);
  for (const subprotocol of subprotocols) {
    const { near, link } = await dial(subprotocol);
    for (let n = 0; n < 500; n++) link.send(note(n));
    await far.until(JSON.stringify(note(499)));
    back().send(note(7));
    back().close(closeCodes.goingAway, 'restarting ü');
    t.is(await near.until('end'), 'end 1001 restarting ü');
    t.is(await far.until('end'), 'end 1001 restarting ü');
    t.deepEqual(near.lines, ['open', JSON.stringify(note(7)), 'end 1001 restarting ü']);
    const sent = Array.from({ length: 500 }, (_, n) => JSON.stringify(note(n)));
    t.deepEqual(far.lines.splice(0), ['accepted', ...sent, 'end 1001 restarting ü']);
  }
  t.like(proxy.counts, { connections: 2, messages: { toTarget: 1000, toClient: 2 }, hits: {} });
  const lost = new Heard();
  wsDialer().dial(`${proxy.url}/v1/nowhere`, lost);
  t.regex(await lost.until('end'), /^end 1008 404 .*"NOT_FOUND"/);
  t.is(proxy.open, 0);
});

test('plain HTTP passes as well, and waits out a partition', async t => {
  const story: string[] = [];
  let seen = (): void => {};
  const server = createServer((request, response) => {
    story.push(`served ${request.url}`);
    response.end(`${request.method} ${request.url}`, () => seen());
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const proxy = await startProxy({ target: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  t.teardown(async () => {
    await proxy.close();
    server.close();
    server.closeAllConnections();
  });
  const get = async (path: string): Promise<void> => {
    story.push(await (await fetch(proxy.url.replace('ws:', 'http:') + path)).text());
  };
  await get('/state?x=1');
  const cut = proxy.fault({ kind: 'partition', direction: 'toClient' });
  const served = new Promise<void>(resolve => {
    seen = resolve;
  });
  const late = get('/late');
  await served;
  story.push('healed');
  cut.lift();
  await late;
  t.deepEqual(story, ['served /state?x=1', 'GET /state?x=1', 'served /late', 'healed', 'GET /late']);
});

test('messages are dropped, repeated and held by direction, type, chance and number', async t => {
  const { proxy, far, dial, back } = await proxied(t, { seed: 4, hideFromHeartbeats: true });
  const { near, link } = await dial();
  await far.until('accepted');
  const first = proxy.fault({ kind: 'drop', direction: 'toTarget', types: ['NOTE'], times: 2 });
  const twice = proxy.fault({ kind: 'duplicate', direction: 'toTarget', types: ['NOTE'], copies: 2 });
  const other = proxy.fault({ kind: 'drop', types: ['OTHER'] });
  for (let n = 0; n < 4; n++) link.send(note(n));
  back().send(note(9));
  await far.until(JSON.stringify(note(3)));
  await near.until(JSON.stringify(note(9)));
  first.lift();
  first.lift();
  twice.lift();
  const last = JSON.stringify(note(5));
  const held = proxy.fault({ kind: 'hold', types: ['NOTE'], times: 1 });
  link.send(note(4));
  link.send(note(5));
  await far.until(last);
  held.lift();
  await far.until(JSON.stringify(note(4)));
  const texts = far.lines.slice(1).map(line => (JSON.parse(line) as { n: number }).n);
  t.deepEqual(texts, [2, 2, 2, 3, 3, 3, 5, 4]);
  t.is(first.hits, 2);
  t.is(other.hits, 0);
  t.deepEqual(proxy.counts.hits, { drop: 2, duplicate: 2, hold: 1 });
  t.deepEqual(near.lines, ['open', JSON.stringify(note(9))]);
});

test('a connection on which a message is lost, comes again, or is overtaken ends at once, with both codecs', async t => {
  for (const subprotocol of subprotocols) {
    for (const [fault, before, why] of [
      [{ kind: 'drop', times: 1 }, [], 'messages lost: 1 came before, 0 received'],
      [{ kind: 'duplicate', times: 1 }, [0], 'messages repeated: 0 came before, 1 received'],
      [{ kind: 'duplicate', times: 1, afterMs: 20 }, [0, 1, 2], 'messages repeated: 0 came before, 3 received'],
      [{ kind: 'reorder', times: 1, withinMs: 60_000 }, [], 'messages lost: 1 came before, 0 received'],
      [{ kind: 'hold', times: 1 }, [], 'messages lost: 1 came before, 0 received'],
    ] as const) {
      const { proxy, far, dial } = await proxied(t);
      const { near, link } = await dial(subprotocol);
      await far.until('accepted');
      far.lines.length = 0;
      proxy.fault({ ...fault, direction: 'toTarget' });
      for (let n = 0; n < 3; n++) link.send(note(n));
      const end = `end 1002 BAD_FRAME: ${why} (at byte 1)`;
      t.is(await near.until('end'), end);
      t.deepEqual(far.lines, [...before.map(n => JSON.stringify(note(n))), end]);
    }
  }
});

test('the same seed loses the same messages', async t => {
  const lost = async (seed: number): Promise<string[]> => {
    const { proxy, far, dial } = await proxied(t, { seed, hideFromHeartbeats: true });
    proxy.fault({ kind: 'drop', chance: 0.3 });
    const { link } = await dial();
    for (let n = 0; n < 200; n++) link.send(note(n));
    link.close(closeCodes.normal, 'done');
    await far.until('end');
    return far.lines;
  };
  const once = await lost(11);
  t.deepEqual(await lost(11), once);
  t.notDeepEqual(await lost(12), once);
  t.true(once.length > 100 && once.length < 180, `${once.length} of 200`);
});

test('a session notices what was lost, unless that is hidden from its heartbeats', async t => {
  for (const hideFromHeartbeats of [false, true]) {
    const notes = new Heard();
    const listener = await ownWsListener({
      accept: link =>
        acceptSession(systemEnv(), link, { kind: 'scheduler', validate: validateNote, heartbeatIntervalMs: 20 }, () =>
          notes.peerHandler('far'),
        ),
    });
    const beats: number[] = [];
    let beaten = (): void => {};
    const proxy = await startProxy({
      target: `ws://127.0.0.1:${listener.address.port}`,
      hideFromHeartbeats,
      onMessage: ({ direction, type, message }) => {
        if (type !== '$HEARTBEAT' || direction !== 'toTarget') return;
        beats.push((message as { sent: number }).sent);
        if (beats.filter(sent => sent === 3).length > 3) beaten();
      },
    });
    const enough = new Promise<void>(resolve => {
      beaten = resolve;
    });
    t.teardown(async () => {
      await proxy.close();
      listener.close();
    });
    const drop = proxy.fault({ kind: 'drop', direction: 'toTarget', types: ['NOTE'], times: 1 });
    dialSession(
      systemEnv(),
      wsDialer(),
      `${proxy.url}/v1/x`,
      { kind: 'scheduler', version: '1', validate: validateNote },
      {
        onWelcome: peer => {
          for (let n = 1; n <= 3; n++) peer.send(note(n));
          return notes.peerHandler('near');
        },
        onFailed: end => notes.say(`failed ${end.reason}`),
      },
    );
    if (hideFromHeartbeats) {
      await notes.until('far got 3');
      await enough;
      t.deepEqual(notes.lines, ['far got 2', 'far got 3']);
    } else {
      t.is(
        await notes.until('near end'),
        'near end 1002 BAD_FRAME: messages lost: 2 came before, 1 received (at byte 1)',
      );
    }
    t.is(drop.hits, 1);
  }
});

test('a partition holds everything without a word, one way or both, and lets it go on', async t => {
  const { proxy, far, dial, back } = await proxied(t);
  const { near, link } = await dial();
  await far.until('accepted');
  const oneWay = proxy.fault({ kind: 'partition', direction: 'toTarget' });
  link.send(note(1));
  back().send(note(2));
  await near.until(JSON.stringify(note(2)));
  t.deepEqual(far.lines, ['accepted']);
  const both = proxy.fault({ kind: 'partition' });
  oneWay.lift();
  const late = new Heard();
  wsDialer().dial(`${proxy.url}/v1/y`, late);
  // An end during a partition is told to nobody.
  link.close(closeCodes.normal, 'bye');
  back().send(note(3));
  const other = proxy.fault({ kind: 'delay', delayMs: 0 });
  other.lift();
  t.deepEqual([far.lines, late.lines], [['accepted'], []]);
  both.lift();
  t.is(await far.until('end'), 'end 1000 bye');
  t.is(far.lines.filter(line => line === JSON.stringify(note(1))).length, 1);
  await late.until('open');
  t.is(await near.until('end'), 'end 1000 bye');
});

/** How the TCP connection of a client of bare ws ends. */
async function tcpEnd(url: string, onOpen: () => void): Promise<string> {
  let end = 'closed';
  const socket = new WebSocket(url, [subprotocols[0]], {
    createConnection: (options: object) => {
      const raw = connect(options as NetConnectOpts);
      raw.on('error', (error: NodeJS.ErrnoException) => {
        end = error.code ?? error.message;
      });
      return raw;
    },
  });
  socket.on('error', () => {});
  socket.once('open', onOpen);
  await new Promise(resolve => socket.once('close', resolve));
  return end;
}

test('connections are reset once, again and again, or at their start', async t => {
  const { proxy, far, dial } = await proxied(t);
  const kept = await dial(subprotocols[0], '/v1/y');
  t.is(await tcpEnd(`${proxy.url}/v1/x`, () => t.is(proxy.reset('/v1/x'), 1)), 'ECONNRESET');
  t.regex(await far.until('end'), /^end 1006 /);
  t.deepEqual(kept.near.lines, ['open']);
  const again = proxy.fault({ kind: 'reset', everyMs: 10, path: '/v1/y' });
  t.regex(await kept.near.until('end'), /^end 1006 /);
  t.is(again.hits, 1);
  proxy.heal();
  const refusing = proxy.fault({ kind: 'refuse' });
  t.is(await tcpEnd(`${proxy.url}/v1/x`, () => t.fail('open')), 'ECONNRESET');
  t.is(refusing.hits, 1);
  refusing.lift();
  await dial();
  t.deepEqual(proxy.counts.hits, { reset: 2, refuse: 1 });
});

test('where nobody listens behind it, the client is reset too', async t => {
  const { proxy, listener } = await proxied(t);
  listener.close();
  t.is(await tcpEnd(`${proxy.url}/v1/x`, () => t.fail('open')), 'ECONNRESET');
  t.is(proxy.open, 0);
});

test('what a slow line cannot take stays with the sender, who cuts it off', async t => {
  const { proxy, far } = await proxied(t);
  proxy.fault({ kind: 'slow', bytesPerSecond: 1000, direction: 'toTarget' });
  const near = new Heard();
  const link = wsDialer({ sendQueueMaxBytes: 4 * 1024 * 1024 }).dial(`${proxy.url}/v1/x`, near);
  await near.until('open');
  await far.until('accepted');
  const big = { type: 'NOTE', n: 1, text: 'x'.repeat(500_000) };
  const pushing = new Promise<void>(resolve => {
    const more = (): void => {
      if (near.lines.length > 1) return resolve();
      link.send(big);
      setImmediate(more);
    };
    more();
  });
  await pushing;
  t.regex(near.lines[1] ?? '', /^end 1013 \d+ bytes unsent/);
});

test('a frame that cannot be read goes on as it is, and the answer to it comes back', async t => {
  const { proxy, far } = await proxied(t);
  const socket = new WebSocket(`${proxy.url}/v1/x`, [subprotocols[0]]);
  const closed = new Promise<string>(resolve => {
    socket.on('close', (code, reason) => resolve(`${code} ${reason.toString()}`));
  });
  await new Promise(resolve => socket.once('open', resolve));
  socket.send(Buffer.from([0xc1]));
  t.regex(await closed, /^1007 BAD_FRAME: .*byte 0/);
  t.regex(await far.until('end'), /^end 1007 BAD_FRAME/);
});

test('a lane delays in order, lets messages be overtaken, and keeps a slow pace', t => {
  const delayed = lane([{ kind: 'delay', delayMs: 100, types: ['NOTE'], times: 1 }]);
  delayed.push(note(1), note(2));
  delayed.push(beat(2));
  t.deepEqual(delayed.sent, []);
  delayed.clock.advance(1000);
  t.deepEqual(delayed.sent, ['100 1', '100 2', '100 $HEARTBEAT 2']);

  const jittered = lane([{ kind: 'delay', delayMs: 10, jitterMs: 50 }]);
  jittered.push(...Array.from({ length: 20 }, (_, n) => note(n)));
  jittered.clock.advance(1000);
  const times = jittered.sent.map(line => line.split(' ').map(Number));
  t.deepEqual(
    times.map(([, n]) => n),
    Array.from({ length: 20 }, (_, n) => n),
  );
  t.true(times.every(([at = 0]) => at >= 10 && at <= 60));

  const overtaken = lane([{ kind: 'reorder', withinMs: 100, types: ['NOTE'], times: 1 }]);
  overtaken.push(note(1));
  overtaken.push(note(2), note(3));
  t.deepEqual(overtaken.sent, ['0 2', '0 1', '0 3']);
  t.deepEqual(overtaken.numbers, [1, 0, 2]);
  const alone = lane([{ kind: 'reorder', withinMs: 100, times: 1 }]);
  alone.push(note(1));
  alone.clock.advance(1000);
  alone.push(note(2));
  t.deepEqual(alone.sent, ['100 1', '1000 2']);
  const counted = lane([{ kind: 'reorder', times: 1 }]);
  counted.push(note(1), beat(1));
  t.deepEqual(counted.sent, ['0 1', '0 $HEARTBEAT 1'], 'heartbeats overtake nothing');

  const repeated = lane([{ kind: 'duplicate', afterMs: 500, copies: 2, times: 1 }]);
  repeated.push(note(1), note(2));
  repeated.clock.advance(100);
  repeated.push(note(3));
  repeated.clock.advance(1000);
  t.deepEqual(repeated.sent, ['0 1', '0 2', '100 3', '500 1', '500 1']);
  t.deepEqual(repeated.numbers, [0, 1, 2, 0, 0], 'copies come by themselves, under the number of the first');
  const gone = lane([{ kind: 'duplicate', afterMs: 500 }]);
  gone.push(note(1));
  gone.one.destroy();
  gone.clock.advance(1000);
  t.deepEqual(gone.sent, ['0 1']);

  const slow = lane([{ kind: 'slow', bytesPerSecond: 1000 }]);
  slow.push(note(1), note(2), note(3));
  slow.clock.advance(150);
  t.deepEqual(slow.sent, ['0 1', '100 2']);
  slow.live[0]?.lift();
  slow.one.flush();
  t.deepEqual(slow.sent, ['0 1', '100 2', '150 3']);
});

test('a lane that ends sends what waits first; what is hidden is counted', t => {
  const ending = lane([{ kind: 'delay', delayMs: 50 }]);
  ending.push(note(1));
  ending.one.end(() => ending.sent.push('end'));
  ending.clock.advance(1000);
  t.deepEqual(ending.sent, ['50 1', 'end']);

  const stopped = lane([{ kind: 'partition', direction: 'toTarget' }]);
  stopped.push(note(1));
  stopped.one.end(() => stopped.sent.push('end'));
  stopped.clock.advance(1000);
  t.deepEqual(stopped.sent, []);
  stopped.live[0]?.lift();
  stopped.one.flush();
  t.deepEqual(stopped.sent, ['1000 1', 'end']);

  const hidden = lane(
    [
      { kind: 'drop', times: 2 },
      { kind: 'duplicate', times: 1 },
    ],
    true,
  );
  hidden.push(note(1), note(2), beat(2), note(3), note(4), beat(4));
  t.deepEqual(hidden.sent, ['0 $HEARTBEAT 0', '0 3', '0 3', '0 4', '0 $HEARTBEAT 3']);
});

test('swizzling cuts some links one by one and heals them all, in an order of its own', async t => {
  const story = async (seed: number): Promise<{ readonly cut: number; readonly lines: string[] }> => {
    const clock = new VirtualClock();
    const lines: string[] = [];
    const links = Array.from({ length: 10 }, (_, n) => ({
      fault: (fault: ProxyFault): ActiveFault => {
        lines.push(`${fault.kind} ${n}`);
        return { fault, hits: 0, lift: () => lines.push(`heal ${n}`) };
      },
    }));
    const done = swizzle(links, { seed, share: 0.4, stepMaxMs: 1000, direction: 'toClient', clock });
    clock.advance(60_000);
    return { cut: await done, lines };
  };
  const one = await story(3);
  t.is(one.cut, 4);
  t.is(one.lines.length, 8);
  const order = (kind: string): string[] => one.lines.filter(line => line.startsWith(kind)).map(line => line.slice(-1));
  t.deepEqual(order('partition').toSorted(), order('heal').toSorted());
  t.notDeepEqual(order('partition'), order('heal'));
  t.deepEqual(await story(3), one);
  t.notDeepEqual(await story(4), one);
});

test('a fault that makes no sense is refused with everything that is wrong with it', async t => {
  const { proxy } = await proxied(t);
  const wrong = (fault: unknown): string => {
    const error = t.throws(() => proxy.fault(fault as ProxyFault), { instanceOf: ProfferError });
    t.is(error?.code, 'USAGE');
    return `${error?.message ?? ''} (${error?.hint ?? ''})`;
  };
  t.regex(wrong({ kind: 'dorp' }), /"dorp" is no fault: there are drop, .*did you mean drop\?/);
  const many = wrong({ kind: 'delay', chance: 2, direction: 'up', types: [], path: 'x', jitterMs: -1, bytes: 3 });
  for (const text of [
    'bytes: a fault "delay" has no such field',
    'direction: "up" is neither',
    'chance: 2 is not above 0',
    'types: [] is not a list',
    'path: "x" does not begin with /',
    'delayMs: undefined is not',
    'jitterMs: -1 is not',
  ])
    t.true(many.includes(text), `${text} in ${many}`);
  t.regex(wrong({ kind: 'slow', bytesPerSecond: 0 }), /bytesPerSecond: 0 is not a whole number from 1/);
  t.throws(() => void swizzle([], { share: 0, stepMaxMs: -1 }), { message: /share: 0 .*stepMaxMs: -1/ });
  await t.throwsAsync(startProxy({ target: 'ws://127.0.0.1:1/v1/agent' }), {
    message: /without a path|is not an address/,
  });
  await t.throwsAsync(startProxy({ target: 'ws://127.0.0.1:1', port: Number(new URL(proxy.url).port) }), {
    code: 'ADDRESS_IN_USE',
  });
});
