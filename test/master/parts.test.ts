// Parts of the master by themselves: wire sizes, liveness, views and their feed, counts.
import test from 'ava';
import fc from 'fast-check';
import { pack } from 'msgpackr';
import type { ClusterEvent } from '../../src/protocol/operator-api.js';
import type { SchedulerEvent } from '../../src/protocol/scheduler-api.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { AgentLiveness, PeriodicQueue } from '../../src/master/liveness.js';
import { sameData } from '../../src/master/same-data.js';
import { PacedPeer } from '../../src/master/pacing.js';
import { inParts, wireBytes } from '../../src/protocol/wire-size.js';
import type { Metrics } from '../../src/env/metrics.js';
import { MasterRig, task } from '../support/master-rig.js';
import { holds } from '../support/property.js';

test('the size of a value is never underestimated, in neither format', t => {
  // Any UTF-16, halves of surrogate pairs included.
  const text = fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
    .map(units => String.fromCharCode(...units));
  holds(
    t,
    fc.property(fc.oneof(fc.jsonValue(), text, fc.array(fc.double()), fc.dictionary(text, text)), value => {
      const json = Buffer.byteLength(JSON.stringify(value) ?? '');
      return wireBytes(value) >= Math.max(json, pack(value).length);
    }),
  );
});

test('parts hold everything in order, each within the bound unless one item alone exceeds it', t => {
  holds(
    t,
    fc.property(fc.array(fc.string({ maxLength: 40 })), fc.integer({ min: 1, max: 200 }), (items, max) => {
      const parts = inParts(items, max);
      return (
        parts.flat().join('|') === items.join('|') &&
        parts.every(
          part => part.length === 1 || part.reduce((sum, item) => sum + wireBytes(item), 0) <= max || items.length < 2,
        )
      );
    }),
  );
});

test('equality of data looks at keys, not at their order', t => {
  t.true(sameData({ a: 1, b: [1, { c: undefined }] }, { b: [1, {}], a: 1 }));
  t.false(sameData({ a: 1 }, { a: 1, b: 2 }));
  t.false(sameData([1, 2], [1]));
  t.false(sameData([], {}));
  t.false(sameData(null, {}));
});

test('many are visited each in its own time by one timer', t => {
  const clock = new VirtualClock();
  const visits: string[] = [];
  const queue = new PeriodicQueue<string>(clock, 1_000, item => {
    visits.push(`${item}@${clock.now()}`);
    return item !== 'b' || clock.now() < 2_000;
  });
  queue.add('a');
  clock.advance(400);
  queue.add('b');
  t.is(clock.pending, 1);
  clock.advance(3_000);
  t.deepEqual(visits, ['a@1000', 'b@1400', 'a@2000', 'b@2400', 'a@3000']);
  queue.close();
  t.is(clock.pending, 0);
});

test('silence is counted in pings without an answer', t => {
  const clock = new VirtualClock();
  const told: string[] = [];
  const liveness = new AgentLiveness(clock, {
    periodMs: 15_000,
    missesMax: 5,
    ping: id => told.push(`ping ${id}`),
    silent: id => told.push(`silent ${id} ${clock.now()}`),
    back: id => told.push(`back ${id}`),
  });
  liveness.watch('A');
  liveness.watch('B');
  clock.advance(50_000);
  liveness.pong('A');
  clock.advance(25_000);
  t.is(told.filter(each => each.startsWith('silent')).join(), 'silent B 75000');
  t.deepEqual([liveness.watched, liveness.quiet], [2, 2]);
  clock.advance(15_000);
  t.is(told.filter(each => each.startsWith('silent')).length, 2, 'it is said again');
  liveness.pong('B');
  t.is(told.at(-1), 'back B');
  t.is(liveness.quiet, 1);
  liveness.unwatch('A');
  liveness.unwatch('B');
  t.deepEqual([liveness.watched, liveness.quiet], [0, 0]);
  const { length } = told;
  clock.advance(500_000);
  t.is(told.length, length);
});

test('a burst to one scheduler is spread over time, in order, with nothing left out', t => {
  const clock = new VirtualClock();
  const sent: SchedulerEvent[] = [];
  let closed = false;
  const peer = new PacedPeer(
    { id: 1, remote: 'x', send: event => sent.push(event), close: () => (closed = true) },
    clock,
  );
  const update = (n: number): SchedulerEvent => ({
    type: 'UPDATE',
    status: { taskId: `t${n}`, state: 'TASK_RUNNING', source: 'MASTER', timestampMs: n },
  });
  for (let i = 0; i < 20_000; i += 1) peer.send(update(i));
  const first = sent.length;
  t.true(first < 5_000, `${first} at once`);
  peer.send({ type: 'HEARTBEAT' });
  clock.advance(20);
  t.true(sent.length > first && sent.length < 10_000);
  clock.advance(1_000);
  t.is(sent.length, 20_001);
  t.deepEqual(
    sent.slice(0, -1).map(event => (event.type === 'UPDATE' ? event.status.timestampMs : -1)),
    Array.from({ length: 20_000 }, (_, i) => i),
  );
  for (let i = 0; i < 10_000; i += 1) peer.send(update(i));
  peer.close(1000, 'done');
  t.is(sent.length, 30_001, 'what waits leaves before the close');
  t.true(closed);
  t.is(clock.pending, 0);
});

test('a listener gets a snapshot and then exactly what changes, and nothing after it left', t => {
  const rig = new MasterRig();
  const agent = rig.agent();
  const events: ClusterEvent[] = [];
  const leave = rig.master.views.subscribe(event => events.push(event));
  t.like(events[0], { type: 'SNAPSHOT', state: { agents: [{ id: 'M-S0' }], frameworks: [] } });
  const scheduler = rig.scheduler();
  scheduler.launch(task('a'));
  agent.status(scheduler.frameworkId, 'a', 'TASK_RUNNING');
  scheduler.ask({ type: 'TEARDOWN' });
  agent.raw({ type: 'UNREGISTER', message: 'bye' });
  t.deepEqual(
    events.slice(1).map(event => event.type),
    [
      'FRAMEWORK_ADDED',
      'FRAMEWORK_UPDATED',
      'FRAMEWORK_UPDATED',
      'TASK_ADDED',
      'TASK_UPDATED',
      'FRAMEWORK_REMOVED',
      'AGENT_REMOVED',
    ],
  );
  const { length } = events;
  leave();
  rig.agent();
  t.is(events.length, length);
});

test('the state is plain data that a snapshot does not share with the master', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 2, mem: 1024, ports: [[31000, 31001]] });
  const scheduler = rig.scheduler();
  scheduler.launch(task('a', { cpus: 1, ports: [[31000, 31000]] }, { labels: { app: 'x' } }));
  agent.status(scheduler.frameworkId, 'a', 'TASK_RUNNING', { healthy: true, message: 'up' });
  const state = rig.master.views.state();
  t.deepEqual(JSON.parse(JSON.stringify(state)), state);
  t.like(state.tasks[0], {
    id: 'a',
    frameworkName: 'test',
    hostname: 'host',
    agentPort: 5051,
    role: '*',
    state: 'TASK_RUNNING',
    healthy: true,
    labels: { app: 'x' },
  });
  t.is(state.tasks[0]?.statuses.length, 1);
  t.deepEqual(state.roles[0]?.used, { cpus: 1, ports: [[31000, 31000]] });
  t.deepEqual(state.frameworks[0]?.tasks, { TASK_RUNNING: 1 });
  agent.status(scheduler.frameworkId, 'a', 'TASK_FINISHED');
  t.is(state.tasks[0]?.state, 'TASK_RUNNING');
  t.is(state.tasks[0]?.statuses.length, 1);
});

test('calls, offers and task moves are counted', t => {
  const counted = new Map<string, number>();
  const note = (name: string, labels: object, by: number, set: boolean): void => {
    const key = `${name}${JSON.stringify(labels)}`;
    counted.set(key, set ? by : (counted.get(key) ?? 0) + by);
  };
  const metrics: Metrics = {
    counter: name => ({ inc: (by = 1, labels = {}) => note(name, labels, by, false) }),
    gauge: name => ({ set: (value, labels = {}) => note(name, labels, value, true) }),
    histogram: () => ({ observe: () => {} }),
  };
  const rig = new MasterRig({ metrics });
  const agent = rig.agent();
  const scheduler = rig.scheduler();
  scheduler.launch(task('a'));
  agent.status(scheduler.frameworkId, 'a', 'TASK_RUNNING');
  rig.connectScheduler().raw({ type: 'NONSENSE' });
  rig.operate({
    type: 'UPDATE_MAINTENANCE',
    windows: [{ hostnames: ['host'], unavailability: { startMs: 1 } }],
  });
  scheduler.ask({ type: 'ACCEPT_INVERSE_OFFERS', inverseOfferIds: ['M-I0'] });
  rig.operate({ type: 'DEACTIVATE_AGENT', agentId: 'M-S0' });
  rig.master.refreshMetrics();
  t.is(counted.get('proffer_master_calls_total{"peer":"scheduler","type":"ACCEPT"}'), 1);
  t.is(counted.get('proffer_master_offers_total{"what":"ACCEPTED"}'), 1);
  t.is(counted.get('proffer_master_task_moves_total{"state":"TASK_RUNNING"}'), 1);
  t.is(counted.get('proffer_master_invalid_messages_total{"peer":"scheduler"}'), 1);
  t.is(counted.get('proffer_master_tasks{"state":"TASK_RUNNING"}'), 1);
  t.is(counted.get('proffer_master_agents{"state":"REGISTERED"}'), 1);
  t.is(counted.get('proffer_master_agents_by_activity{"activity":"DEACTIVATED"}'), 1);
  t.is(counted.get('proffer_master_agents_by_activity{"activity":"ACTIVE"}'), 0);
  t.is(counted.get('proffer_master_inverse_offers_total{"what":"MADE"}'), 1);
  t.is(counted.get('proffer_master_inverse_offers_total{"what":"ACCEPT"}'), 1);
});
