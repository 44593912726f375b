// Sessions in virtual time: handshake, refusals, heartbeats, lost and repeated messages, epochs, and connections that come back.
import test from 'ava';
import { Subject } from 'rxjs';
import { every } from '../../src/env/clock.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { LocalNetwork } from '../../src/transport/local-transport.js';
import type { LocalNetworkOptions } from '../../src/transport/local-transport.js';
import type { Peer } from '../../src/transport/peer.js';
import { connectPersistently } from '../../src/transport/reconnecting.js';
import type {
  LeaderSource,
  PersistentConnection,
  PersistentOptions,
  Target,
} from '../../src/transport/reconnecting.js';
import { acceptSession, dialSession } from '../../src/transport/session.js';
import type { AcceptOptions, DialOptions } from '../../src/transport/session.js';
import { closeCodes } from '../../src/transport/transport.js';
import type { LinkHandler } from '../../src/transport/transport.js';
import { Heard, note, validateNote, virtualEnv } from './fixtures.js';
import type { Note } from './fixtures.js';

/** A master that accepts sessions of agents, and an agent that dials one. Latency 1 ms. */
function world(options: LocalNetworkOptions = {}) {
  const clock = new VirtualClock();
  const env = virtualEnv(clock);
  const network = new LocalNetwork(clock, { latencyMs: () => 1, ...options });
  const heard = new Heard();
  const masterPeers: Peer<Note>[] = [];
  const agentPeers: Peer<Note>[] = [];
  const serve = (more: Partial<AcceptOptions<Note>> = {}, address = 'master') =>
    network.listen(address, link =>
      acceptSession<Note, Note>(env, link, { kind: 'agent', validate: validateNote, ...more }, (peer, hello) => {
        heard.say(`${address} greeted ${hello.kind} ${hello.version}`);
        masterPeers.push(peer);
        return heard.peerHandler(address);
      }),
    );
  const dial = (more: Partial<DialOptions<Note>> = {}, url = 'ws://master/v1/agent') =>
    dialSession<Note, Note>(
      env,
      network.dialer('agent'),
      url,
      { kind: 'agent', version: '0.1.0', validate: validateNote, ...more },
      {
        onWelcome: (peer, welcome) => {
          heard.say(`agent welcomed epoch ${welcome.epoch}`);
          agentPeers.push(peer);
          return heard.peerHandler('agent');
        },
        onFailed: (end, problems) =>
          heard.say(`agent failed ${end.code} ${problems.map(p => p.code).join()}`.trimEnd()),
      },
    );
  /** What was heard since asked last. */
  const news = () => heard.lines.splice(0);
  return { clock, env, network, heard, masterPeers, agentPeers, serve, dial, news };
}

test('both sides greet, talk in order and part', t => {
  const w = world();
  w.serve({ epoch: 7 });
  w.dial();
  w.clock.advance(10);
  t.deepEqual(w.news(), ['master greeted agent 0.1.0', 'agent welcomed epoch 7']);
  for (const n of [1, 2, 3]) w.agentPeers[0]?.send(note(n));
  w.masterPeers[0]?.send(note(9));
  w.clock.advance(1);
  t.deepEqual(w.news().toSorted(), ['agent got 9', 'master got 1', 'master got 2', 'master got 3']);
  w.agentPeers[0]?.send(note(4));
  w.agentPeers[0]?.close(closeCodes.normal, 'done');
  w.agentPeers[0]?.send(note(5));
  w.masterPeers[0]?.send(note(10));
  w.clock.advance(100_000);
  t.deepEqual(
    w.news().toSorted(),
    ['agent end 1000 done', 'master end 1000 done', 'master got 4'],
    'nothing after close',
  );
  t.is(w.clock.pending, 0, 'no timer is left behind');
  t.is(w.network.openEnds, 0);
});

test('a message that is not valid is told with its problems and its call id, and has no effect', t => {
  const w = world();
  w.serve();
  w.dial();
  w.clock.advance(10);
  w.news();
  w.agentPeers[0]?.send({ type: 'NOTE', n: 'one', callId: 8 } as unknown as Note);
  w.agentPeers[0]?.send({} as Note);
  w.agentPeers[0]?.send(note(1));
  w.clock.advance(1);
  t.deepEqual(w.news(), ['master invalid n 8', 'master invalid n', 'master got 1']);
});

test('each way a handshake can go wrong ends it with a reason', t => {
  const cases: [string, Partial<AcceptOptions<Note>>, Partial<DialOptions<Note>>, string][] = [
    ['another kind', { kind: 'scheduler' }, {}, 'agent failed 1008 BAD_MESSAGE'],
    ['a master of an earlier epoch', { epoch: 3 }, { epochSeen: 4 }, 'agent failed 1008 STALE_MASTER'],
    ['an empty kind', {}, { kind: '' }, 'agent failed 1008 BAD_MESSAGE'],
    ['a negative epoch', {}, { epochSeen: -1 }, 'agent failed 1008 BAD_MESSAGE'],
    ['heartbeats that never come', { heartbeatIntervalMs: 1e12 }, {}, 'agent failed 1008 BAD_MESSAGE'],
  ];
  for (const [what, accept, dialed, expected] of cases) {
    const w = world();
    w.serve(accept);
    w.dial(dialed);
    w.clock.advance(50);
    const [told] = w.news().filter(line => line.startsWith('agent'));
    t.is(told, expected, what);
    w.clock.advance(20_000);
    t.is(w.clock.pending, 0, what);
  }
});

test('the dialing side refuses an earlier epoch and another protocol by itself', t => {
  const replies: [object, string][] = [
    [{ type: '$WELCOME', protocol: 1, epoch: 2, heartbeatIntervalMs: 0 }, 'agent failed 1008 STALE_MASTER'],
    [{ type: '$WELCOME', protocol: 2, epoch: 9, heartbeatIntervalMs: 0 }, 'agent failed 1008 BAD_VERSION'],
    [{ type: '$WELCOME' }, 'agent failed 1008 BAD_VERSION,BAD_MESSAGE,BAD_MESSAGE'],
    [{ type: 'OFFERS' }, 'agent failed 1008 BAD_MESSAGE'],
    [{ type: '$REFUSE', problems: 'no' }, 'agent failed 1008 BAD_MESSAGE'],
    [
      { type: '$REFUSE', problems: [{ path: '', code: 'AGENT_REFUSED', message: 'gone' }, 7] },
      'agent failed 1008 AGENT_REFUSED',
    ],
  ];
  for (const [reply, expected] of replies) {
    const w = world();
    w.network.listen('master', link => ({ onMessage: () => link.send(reply), onEnd: () => {} }));
    w.dial({ epochSeen: 5 });
    w.clock.advance(50);
    t.deepEqual(w.news(), [expected]);
  }
});

test('the accepting side wants a hello first, and soon', t => {
  const w = world();
  w.serve();
  const ends: string[] = [];
  const handlerThat = (onOpen: () => void): LinkHandler => ({
    onOpen,
    onMessage: m => ends.push(JSON.stringify(m)),
    onEnd: end => ends.push(`${end.code} ${end.reason}`),
  });
  const early = w.network.dialer('x').dial(
    'ws://master/',
    handlerThat(() => early.send(note(1))),
  );
  const other = w.network.dialer('x').dial(
    'ws://master/',
    handlerThat(() => other.send({ type: '$HELLO', protocol: 0, kind: 'agent', version: '' })),
  );
  w.network.dialer('x').dial(
    'ws://master/',
    handlerThat(() => {}),
  );
  w.clock.advance(9_000);
  t.is(ends.length, 4, 'two refusals, each with its end');
  t.regex(ends.join('\n'), /the first message must be \$HELLO; got/);
  t.regex(ends.join('\n'), /protocol 0 is not spoken here; this side speaks 1/);
  w.clock.advance(2_000);
  t.is(ends.at(-1), '1008 no $HELLO in time');
  t.deepEqual(w.news(), [], 'no peer was made');
});

test('a master that never answers is given up after ten seconds', t => {
  const w = world();
  w.network.listen('master', () => ({ onMessage: () => {}, onEnd: end => w.heard.say(`master end ${end.code}`) }));
  w.dial();
  w.clock.advance(9_999);
  t.deepEqual(w.news(), []);
  w.clock.advance(2);
  t.deepEqual(w.news(), ['agent failed 1006', 'master end 1006']);
});

test('an idle session lives by its heartbeats; a silent path ends it on both sides', t => {
  const w = world();
  w.serve();
  w.dial();
  w.clock.advance(3_600_000);
  t.is(w.news().length, 2, 'an hour of silence, and nothing ended');
  w.network.partition('master', 'agent');
  w.clock.advance(59_000);
  t.deepEqual(w.news(), [], 'four heartbeats are missing');
  w.clock.advance(17_000);
  t.deepEqual(w.news().toSorted(), ['agent end 1006 no heartbeat', 'master end 1006 no heartbeat']);
  t.is(w.clock.pending, 0);
});

test('a path cut in one direction is noticed by the side that hears nothing, and then by the other', t => {
  const w = world();
  w.serve({ heartbeatIntervalMs: 1000, missedHeartbeatsMax: 3 });
  w.dial({ missedHeartbeatsMax: 3 });
  w.clock.advance(10);
  w.news();
  w.network.partition('master', 'agent', { oneWay: true });
  w.clock.advance(4_500);
  t.deepEqual(w.news(), ['agent end 1006 no heartbeat', 'master end 1006 connection reset']);
});

test('after a pause of our own, the silence of the peer counts anew', t => {
  const w = world();
  w.serve();
  w.dial();
  w.clock.advance(10);
  w.news();
  // The master's loop stands still for five minutes: its timers come late, and what the agent sent still waits unread.
  const stalled = virtualEnv(w.clock);
  let frozen = false;
  const late: (() => void)[] = [];
  const env = {
    ...stalled,
    clock: {
      ...clockOf(w.clock),
      after: (ms: number, run: () => void) => w.clock.after(ms, () => (frozen ? late.push(run) : run())),
    },
  };
  w.network.listen('slow', link =>
    acceptSession<Note, Note>(env, link, { kind: 'agent', validate: validateNote }, () => w.heard.peerHandler('slow')),
  );
  const dialed = virtualEnv(w.clock);
  dialSession<Note, Note>(
    dialed,
    w.network.dialer('agent'),
    'ws://slow/',
    { kind: 'agent', version: '', validate: validateNote, missedHeartbeatsMax: 100 },
    {
      onWelcome: () => w.heard.peerHandler('dialed'),
      onFailed: () => w.heard.say('failed'),
    },
  );
  w.clock.advance(10);
  w.network.partition('slow', 'agent');
  frozen = true;
  w.clock.advance(300_000);
  frozen = false;
  for (const run of late.splice(0)) run();
  w.network.heal();
  w.clock.advance(60_000);
  t.deepEqual(w.news(), [], 'the session survived');
});

test('a message lost or repeated on the way ends the session at once; one of which its link knows nothing, at the next heartbeat', t => {
  for (const [fate, reason, atOnce] of [
    [{ drop: true }, '1002 messages lost: 3 came before, 2 received', true],
    [{ duplicate: true }, '1002 messages repeated: 2 came before, 3 received', true],
    [{ drop: true, hidden: true }, '1002 messages lost: 3 sent, 2 received', false],
    [{ duplicate: true, hidden: true }, '1002 messages repeated: 3 sent, 4 received', false],
  ] as const) {
    const w = world({ policy: (_from, _to, message) => ((message as Partial<Note>).n === 2 ? fate : undefined) });
    w.serve();
    w.dial();
    w.clock.advance(10);
    w.news();
    for (const n of [1, 2, 3]) w.agentPeers[0]?.send(note(n));
    w.clock.advance(10);
    const ended = [`master end ${reason}`, `agent end ${reason}`];
    const told = w.news().filter(line => line.includes(' end '));
    t.deepEqual(told, atOnce ? ended : []);
    w.clock.advance(20_000);
    t.deepEqual(w.news(), atOnce ? [] : ended);
  }
});

test('session messages that make no sense inside a session end it', t => {
  for (const [message, reason] of [
    [{ type: '$HELLO', protocol: 1, kind: 'agent', version: '' }, '"$HELLO" inside an established session'],
    [{ type: '$HEARTBEAT', sent: -1 }, 'heartbeat without a count'],
  ] as const) {
    const w = world();
    w.serve();
    const link = w.network.dialer('x').dial('ws://master/', {
      onOpen: () => {
        link.send({ type: '$HELLO', protocol: 1, kind: 'agent', version: 'x' });
        link.send(message);
      },
      onMessage: () => {},
      onEnd: () => {},
    });
    w.clock.advance(50);
    t.is(w.news().at(-1), `master end 1002 ${reason}`);
  }
});

test('a session runs through the real codec as well', t => {
  const w = world({ encode: 'msgpack' });
  w.serve();
  w.dial();
  w.clock.advance(10);
  for (let n = 0; n < 100; n++) w.agentPeers[0]?.send(note(n));
  w.clock.advance(20_000);
  t.is(w.news().filter(line => line.startsWith('master got')).length, 100);
});

/** An agent that keeps connecting. */
function persistent(
  w: ReturnType<typeof world>,
  target: readonly string[] | LeaderSource,
  more: Partial<PersistentOptions<Note>> = {},
): PersistentConnection<Note> {
  return connectPersistently<Note, Note>(
    w.env,
    {
      dialer: w.network.dialer('agent'),
      target,
      path: '/v1/agent',
      kind: 'agent',
      version: '1',
      validate: validateNote,
      ...more,
    },
    {
      onConnected: (peer, welcome) => w.heard.say(`connected to ${peer.remote} in epoch ${welcome.epoch}`),
      onMessage: message => w.heard.say(`agent got ${message.n}`),
      onInvalid: () => w.heard.say('agent invalid'),
      onDisconnected: (end, next) =>
        w.heard.say(`disconnected ${end.code}, ${next === undefined ? 'waiting' : 'again'}`),
      onAttemptFailed: (end, problems) => w.heard.say(`failed ${end.code} ${problems[0]?.code ?? ''}`.trimEnd()),
    },
  );
}

test('a connection comes back after its master does, trying the urls in turn', t => {
  const w = world();
  const connection = persistent(w, ['ws://one:5050', 'ws://two:5050/']);
  w.serve({}, 'two');
  t.is(connection.peer, undefined);
  w.clock.advance(2_000);
  t.deepEqual(
    w.news().filter(line => !line.startsWith('two')),
    ['failed 1006', 'connected to two in epoch 0'],
  );
  const first = connection.peer;
  first?.send(note(1));
  w.clock.advance(1);
  t.deepEqual(w.news(), ['two got 1']);
  w.network.crash('two');
  w.clock.advance(5);
  t.deepEqual(w.news(), ['disconnected 1006, again']);
  t.is(connection.peer, undefined);
  first?.send(note(2));
  w.clock.advance(30_000);
  w.serve({}, 'two');
  w.clock.advance(120_000);
  t.is(w.news().at(-1), 'connected to two in epoch 0');
  t.not(connection.peer, first);
  connection.close();
  w.clock.advance(200_000);
  t.deepEqual(w.news(), ['two end 1000 closed'], 'its owner hears nothing after close');
  t.is(w.clock.pending, 0);
});

test('waits grow with jitter up to the cap, and only a steady session makes them start over', t => {
  const dialsOver = (ms: number, welcomeFirst: boolean, upMs: number): number[] => {
    const w = world();
    const dials: number[] = [];
    w.network.listen('master', link => {
      dials.push(w.clock.now());
      if (!welcomeFirst) return undefined;
      return acceptSession<Note, Note>(w.env, link, { kind: 'agent', validate: validateNote }, peer => {
        w.clock.after(upMs, () => peer.close(closeCodes.tryLater, 'later'));
        return w.heard.peerHandler('master');
      });
    });
    persistent(w, ['ws://master'], { backoff: { baseMs: 1000, factor: 2, capMs: 60_000 } });
    w.clock.advance(ms);
    return dials;
  };
  const hourMs = 3_600_000;
  const refused = dialsOver(hourMs, false, 0);
  t.is(refused[0], 1, 'the first attempt is immediate');
  const waits = refused.slice(1).map((at, i) => at - (refused[i] as number));
  t.true(Math.max(...waits) <= 60_002 && Math.max(...waits) > 30_000);
  t.true(
    refused.length > 60 && refused.length < 240,
    `${refused.length} dials in an hour of refusals: about one in 30 s`,
  );
  const dropped = dialsOver(hourMs, true, 0);
  t.true(dropped.length < 240, `${dropped.length}: a welcome alone does not reset the backoff`);
  const steady = dialsOver(hourMs, true, 20_000);
  t.true(steady.length > 150, `${steady.length}: sessions of 20 s come back within a second each time`);
});

test('a thousand agents that lose their master at once come back spread out', t => {
  const w = world();
  const arrivals: number[] = [];
  const listen = () =>
    w.network.listen('master', link => {
      arrivals.push(w.clock.now());
      return acceptSession<Note, Note>(w.env, link, { kind: 'agent', validate: validateNote }, () =>
        w.heard.peerHandler('m'),
      );
    });
  listen();
  for (let n = 0; n < 1000; n++) persistent(w, ['ws://master'], { firstWindowMs: 1000 });
  w.clock.advance(1_100);
  t.is(arrivals.length, 1000);
  const perTenth = (from: number): number[] => {
    const counts = new Map<number, number>();
    for (const at of arrivals)
      if (at >= from) counts.set(Math.floor(at / 100), (counts.get(Math.floor(at / 100)) ?? 0) + 1);
    return [...counts.values()];
  };
  t.true(Math.max(...perTenth(0)) < 200, 'the first connect is spread over its window');
  w.clock.advance(20_000);
  w.network.crash('master');
  listen();
  const from = w.clock.now();
  w.clock.advance(2_000);
  t.is(arrivals.length, 2000);
  t.true(Math.max(...perTenth(from)) < 200, 'and so is the return');
  w.clock.advance(20_000);
  w.network.crash('master');
  w.clock.advance(3_000);
  listen();
  w.clock.advance(7_010);
  t.is(arrivals.length, 3000, 'nobody waits longer than a second and twice the outage, as often as it tried');
});

test('a leader source is followed: to the next leader at once, to an earlier epoch never', t => {
  const w = world();
  const leader$ = new Subject<Target | undefined>();
  const connection = persistent(w, leader$);
  w.serve({ epoch: 1 }, 'one');
  w.serve({ epoch: 2 }, 'two');
  const news = () => w.news().filter(line => !/greeted/.test(line));
  w.clock.advance(60_000);
  t.deepEqual(news(), [], 'nobody leads yet');
  leader$.next({ url: 'ws://one', epoch: 1 });
  w.clock.advance(10);
  t.deepEqual(news(), ['connected to one in epoch 1']);
  leader$.next({ url: 'ws://one', epoch: 1 });
  leader$.next(undefined);
  w.clock.advance(10);
  t.deepEqual(news(), [], 'the same leader again, or a detector that lost sight, changes nothing');
  leader$.next({ url: 'ws://two', epoch: 2 });
  w.clock.advance(10);
  t.deepEqual(news(), ['disconnected 1001, again', 'one end 1001 another master leads', 'connected to two in epoch 2']);
  t.is(connection.epochSeen, 2);
  leader$.next({ url: 'ws://one', epoch: 1 });
  w.clock.advance(10);
  t.deepEqual(news(), ['disconnected 1001, again', 'two end 1001 another master leads', 'failed 1008 STALE_MASTER']);
  leader$.next(undefined);
  w.clock.advance(300_000);
  t.deepEqual(news(), [], 'no attempts while nobody leads');
  leader$.next({ url: 'ws://two', epoch: 3 });
  w.clock.advance(10);
  t.deepEqual(news(), ['failed 1008 STALE_MASTER'], 'the detector knows of epoch 3, the master says 2');
  connection.close();
  t.false(leader$.observed);
});

test('a leader lost for good while the session breaks leaves the connection waiting', t => {
  const w = world();
  const leader$ = new Subject<Target | undefined>();
  persistent(w, leader$);
  w.serve();
  leader$.next({ url: 'ws://master' });
  w.clock.advance(10);
  leader$.next(undefined);
  w.network.crash('master');
  w.clock.advance(300_000);
  t.deepEqual(w.news().slice(1), ['connected to master in epoch 0', 'disconnected 1006, waiting']);
  w.serve();
  leader$.next({ url: 'ws://master' });
  w.clock.advance(10);
  t.is(w.news().at(-1), 'connected to master in epoch 0');
});

test('reconnect starts a fresh session; links reset every second neither storm nor leak', t => {
  const w = world();
  w.serve();
  const connection = persistent(w, ['ws://master']);
  w.clock.advance(10);
  w.news();
  connection.reconnect('suspicious');
  w.clock.advance(1_000);
  t.deepEqual(
    w.news().filter(line => !/greeted/.test(line)),
    ['disconnected 1001, again', 'master end 1001 suspicious', 'connected to master in epoch 0'],
  );
  const resets = every(w.clock, 1000, () => w.network.reset('agent', 'master'));
  w.clock.advance(3_600_000);
  resets.cancel();
  const connects = w.news().filter(line => line.startsWith('connected')).length;
  t.true(connects > 30 && connects < 240, `${connects} connects in an hour`);
  w.clock.advance(100_000);
  t.true(w.network.openEnds <= 2);
});

function clockOf(clock: VirtualClock) {
  return {
    now: () => clock.now(),
    wallMs: () => clock.wallMs(),
    soon: (run: () => void) => clock.soon(run),
  };
}
