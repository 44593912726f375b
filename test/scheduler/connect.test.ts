// Connecting over sessions in virtual time: who is dialed, what refuses for good, how long one waits, and that the id is kept over reconnects.
import test from 'ava';
import { BehaviorSubject } from 'rxjs';
import { problem, ProfferError } from '../../src/base/errors.js';
import type { Problem } from '../../src/base/errors.js';
import type { Leader } from '../../src/election/election.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import type { SchedulerCall, SchedulerEvent } from '../../src/protocol/scheduler-api.js';
import { validateSchedulerCall } from '../../src/protocol/validate.js';
import type { ConnectOptions } from '../../src/scheduler/connect.js';
import { connect } from '../../src/scheduler/connect.js';
import type { Framework } from '../../src/scheduler/framework.js';
import { LocalNetwork } from '../../src/transport/local-transport.js';
import type { Peer } from '../../src/transport/peer.js';
import { acceptSession } from '../../src/transport/session.js';
import { closeCodes } from '../../src/transport/transport.js';
import { virtualEnv } from '../transport/fixtures.js';
import { master } from './rig.js';

interface FakeMaster {
  readonly calls: SchedulerCall[];
  readonly subscribedAt: number[];
  readonly peers: Peer<SchedulerEvent>[];
  close(): void;
}

function world() {
  const clock = new VirtualClock();
  const env = virtualEnv(clock);
  const network = new LocalNetwork(clock, { latencyMs: () => 1 });
  /** A master that accepts every framework, or refuses it with `problems`. */
  const serve = (address: string, options: { epoch?: number; problems?: readonly Problem[] } = {}): FakeMaster => {
    const { epoch = 1, problems } = options;
    const fake: FakeMaster = { calls: [], subscribedAt: [], peers: [], close: () => listener.close() };
    const listener = network.listen(address, (link, path) => {
      if (path !== '/v1/scheduler') return undefined;
      return acceptSession<SchedulerCall, SchedulerEvent>(
        env,
        link,
        { kind: 'scheduler', epoch, validate: validateSchedulerCall },
        peer => {
          fake.peers.push(peer);
          return {
            onMessage: call => {
              fake.calls.push(call);
              if (call.type !== 'SUBSCRIBE') return;
              fake.subscribedAt.push(clock.now());
              if (problems !== undefined) {
                peer.send({ type: 'ERROR', fatal: true, problems });
                peer.close(closeCodes.policy, 'refused');
              } else
                peer.send({
                  type: 'SUBSCRIBED',
                  frameworkId: call.framework.id ?? `${address}-F`,
                  heartbeatIntervalMs: 15_000,
                  master,
                });
            },
            onInvalid: () => {},
            onEnd: () => {},
          };
        },
      );
    });
    return fake;
  };
  const open = (more: Partial<ConnectOptions> = {}): Promise<Framework> =>
    connect({ name: 'test', master: 'ws://m1:5050', env, dialer: network.dialer('scheduler'), ...more });
  /** Moves time until the promise settles. */
  const settled = async <T>(promise: Promise<T>): Promise<{ value?: T; error?: ProfferError; tookMs: number }> => {
    const began = clock.now();
    const outcome: { done: boolean; value?: T; error?: ProfferError } = { done: false };
    promise.then(
      value => Object.assign(outcome, { done: true, value }),
      (error: unknown) => Object.assign(outcome, { done: true, error }),
    );
    for (let turn = 0; !outcome.done && turn < 10_000; turn += 1) {
      // Promises settle between steps of the clock.
      await Promise.resolve();
      await Promise.resolve();
      if (!outcome.done) clock.step();
    }
    return { ...outcome, tookMs: clock.now() - began };
  };
  return { clock, env, network, serve, open, settled };
}

test('it resolves once the master has accepted, with what was asked for', async t => {
  const w = world();
  const m1 = w.serve('m1:5050');
  const { value } = await w.settled(
    w.open({ roles: ['a', 'b'], suppressed: true, failoverTimeoutMs: 1000, labels: { x: 'y' } }),
  );
  t.is(value?.id, 'm1:5050-F');
  t.deepEqual(m1.calls[0], {
    type: 'SUBSCRIBE',
    framework: {
      name: 'test',
      roles: ['a', 'b'],
      failoverTimeoutMs: 1000,
      labels: { x: 'y' },
      capabilities: ['PARTITION_AWARE', 'TASK_KILLING_STATE'],
    },
    suppressedRoles: ['a', 'b'],
  });
});

test('who prepares has the framework before any master is there, and what it knows is asked about', async t => {
  const w = world();
  const states: string[] = [];
  const opening = w.open({
    timeoutMs: 0,
    prepare: framework => {
      framework.connection$.subscribe(({ state }) => states.push(state));
      framework.tasks.update(
        { taskId: 't1', state: 'TASK_RUNNING', source: 'MASTER', timestampMs: 0, agentId: 'a1' },
        0,
      );
    },
  });
  t.deepEqual(states, ['CONNECTING']);
  const m1 = w.serve('m1:5050');
  const { value } = await w.settled(opening);
  t.is(states.at(-1), 'CONNECTED');
  w.clock.advance(100);
  const asked = m1.calls.flatMap(call => (call.type === 'RECONCILE' ? [call.tasks] : []));
  t.deepEqual(asked, [[], [{ taskId: 't1', agentId: 'a1' }]]);
  value?.close();
  const { error } = await w.settled(
    w.open({
      prepare: () => {
        throw new Error('not ready');
      },
    }),
  );
  t.is(error?.message, 'not ready');
});

test('addresses come as ws, http or bare, one or several; the others are tried when one is silent', async t => {
  const w = world();
  w.serve('m2:5050');
  const { value } = await w.settled(w.open({ master: ['http://m1:5050', 'm2:5050/'] }));
  t.is(value?.id, 'm2:5050-F');
  const { value: other } = await w.settled(w.open({ master: 'm1:5050, ws://m2:5050' }));
  t.is(other?.id, 'm2:5050-F');
  for (const wrong of ['', 'ws://', 'm1,,m2', 'http://[']) {
    const { error } = await w.settled(w.open({ master: wrong }));
    t.is(error?.code, 'USAGE', wrong);
    t.is(error?.path, 'master');
  }
});

test('a lost session comes back with jittered backoff and the id of before; kills are repeated', async t => {
  const w = world();
  const m1 = w.serve('m1:5050');
  const { value: framework } = await w.settled(
    w.open({ backoff: { baseMs: 1000, factor: 2, capMs: 8000 }, reconcile: false }),
  );
  framework?.kill('t1');
  w.clock.advance(10);
  const states: string[] = [];
  framework?.connection$.subscribe(state => states.push(state.state));
  const waits: number[] = [];
  for (let n = 0; n < 6; n += 1) {
    const lostAt = w.clock.now();
    m1.peers.at(-1)?.close(closeCodes.goingAway, 'restarting');
    const known = m1.subscribedAt.length;
    while (m1.subscribedAt.length === known) w.clock.step();
    waits.push(w.clock.now() - lostAt);
    w.clock.advance(10);
  }
  const subscribes = m1.calls.filter(call => call.type === 'SUBSCRIBE');
  t.deepEqual(
    subscribes.map(call => call.framework.id),
    [undefined, ...Array.from({ length: 6 }, () => 'm1:5050-F')],
  );
  t.is(m1.calls.filter(call => call.type === 'KILL').length, 7);
  const slackMs = 10;
  for (const [n, waitMs] of waits.entries())
    t.true(waitMs <= Math.min(8000, 1000 * 2 ** n) + slackMs, `${n}: ${waitMs}`);
  t.is(new Set(waits).size, waits.length, 'each wait is drawn anew');
  t.deepEqual(states.slice(0, 3), ['CONNECTED', 'DISCONNECTED', 'CONNECTED']);
});

test('what the master refuses is final, with every problem', async t => {
  const w = world();
  const m1 = w.serve('m1:5050', {
    problems: [
      problem('framework.roles', 'INVALID_FRAMEWORK', 'is empty'),
      problem('framework.name', 'INVALID_FRAMEWORK', 'is too long'),
    ],
  });
  const { error } = await w.settled(w.open());
  t.true(error instanceof ProfferError);
  t.is(error?.message, 'framework.roles: is empty; framework.name: is too long');
  t.is(error?.problems.length, 2);
  w.clock.advance(600_000);
  t.is(m1.subscribedAt.length, 1, 'it does not come back');
});

test('a suppressed role that the framework does not have is named, and nothing is sent', async t => {
  const error = await t.throwsAsync(connect({ name: 'n', roles: ['a'], suppressed: ['b'] }), {
    instanceOf: ProfferError,
  });
  t.like(error, { code: 'INVALID_FRAMEWORK', path: 'suppressed', hint: 'its roles are a' });
});

test('nobody there: it gives up in time, and says where and why; with 0 it goes on', async t => {
  const w = world();
  const { error, tookMs } = await w.settled(w.open({ timeoutMs: 5000 }));
  t.is(error?.code, 'UNREACHABLE');
  t.is(tookMs, 5000);
  t.regex(error?.message ?? '', /^ws:\/\/m1:5050 did not accept the framework within 5000 ms: .+/);
  t.regex(error?.hint ?? '', /proffer up/);
  w.clock.advance(600_000);
  t.is(w.clock.pending, 0, 'nothing goes on after that');
  const patient = w.open({ timeoutMs: 0 });
  w.clock.advance(3_600_000);
  w.serve('m1:5050');
  const { value } = await w.settled(patient);
  t.is(value?.id, 'm1:5050-F');
});

test('a signal ends it: before, during, after', async t => {
  const w = world();
  const early = await w.settled(w.open({ signal: AbortSignal.abort() }));
  t.is(early.error?.code, 'DISCONNECTED');
  const during = new AbortController();
  const attempt = w.settled(w.open({ signal: during.signal }));
  during.abort();
  t.is((await attempt).error?.code, 'DISCONNECTED');
  t.is(w.clock.pending, 0);
  const m1 = w.serve('m1:5050');
  const after = new AbortController();
  const { value } = await w.settled(w.open({ signal: after.signal }));
  after.abort();
  let last = '';
  value?.connection$.subscribe(state => (last = state.state));
  t.is(last, 'ENDED');
  w.clock.advance(600_000);
  t.is(m1.subscribedAt.length, 1);
});

test('it follows the leader, and passes by a master of an earlier epoch', async t => {
  const w = world();
  const m1 = w.serve('m1:5050', { epoch: 4 });
  const m2 = w.serve('m2:5050', { epoch: 5 });
  const leader$ = new BehaviorSubject<Leader | undefined>({ url: 'ws://m1:5050', epoch: 4 });
  const { value } = await w.settled(w.open({ master: { leader$ }, reconcile: false }));
  t.is(value?.id, 'm1:5050-F');
  leader$.next({ url: 'ws://m2:5050', epoch: 5 });
  w.clock.advance(5000);
  t.like(m2.calls[0], { type: 'SUBSCRIBE', framework: { id: 'm1:5050-F' } });
  // A list of addresses: the old master answers first, and is no reason to give up.
  m1.calls.length = 0;
  const { value: other } = await w.settled(w.open({ master: ['ws://m2:5050', 'ws://m1:5050'], reconcile: false }));
  m2.peers.at(-1)?.close(closeCodes.goingAway, 'restarting');
  w.clock.advance(120_000);
  t.true(other?.connected);
  t.deepEqual(m1.calls, [], 'the master of epoch 4 was not told anything');
});
