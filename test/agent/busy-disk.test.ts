// An agent whose disk is never at rest: more comes than was written while the last was on its way. It registers, leaves and ends all the same, and what
// frameworks may do at once is done at once. Under virtual time, with a disk whose commits take a while.
import test from 'ava';
import { must } from '../../src/base/assert.js';
import { every } from '../../src/env/clock.js';
import { AgentRig, framework, frameworkId, task } from '../support/agent-rig.js';
import { SlowStore } from '../support/slow-store.js';
import { storeThat } from '../support/stub-store.js';

const commitMs = 300;
const endEveryMs = 200;

/** A rig with `count` tasks that run, on a disk that commits what came in the 300 ms before, every 300 ms. */
function busyRig(count: number): { readonly rig: AgentRig; readonly store: SlowStore } {
  const store = new SlowStore();
  const resources = { cpus: count, mem: 1_000_000 };
  const rig = new AgentRig({ registers: false, info: { resources }, deps: { store } });
  let committing = 0;
  every(rig.clock, commitMs, () => {
    store.sync(committing);
    committing = store.waiting;
  });
  rig.connect();
  rig.clock.advance(2 * commitMs);
  rig.register();
  rig.clock.advance(2 * commitMs);
  rig.launch(Array.from({ length: count }, (_, i) => task(`t${i}`)));
  rig.clock.advance(10 * commitMs);
  return { rig, store };
}

/** From now on they end, five in a second. */
function endOneByOne(rig: AgentRig): void {
  let ended = 0;
  every(rig.clock, endEveryMs, () => {
    rig.containers.of(`t${ended}`).exit(0);
    ended += 1;
  });
}

test('an agent registers while its disk is never at rest, and what ends meanwhile is told afterwards', t => {
  const { rig, store } = busyRig(60);
  rig.disconnect();
  endOneByOne(rig);
  rig.clock.advance(endEveryMs);
  const before = rig.calls('REGISTER').length;
  rig.connect();
  const deadlineMs = rig.clock.now() + 5 * commitMs;
  while (rig.calls('REGISTER').length === before && rig.clock.now() < deadlineMs) rig.clock.advance(1);
  const told = must(rig.calls('REGISTER')[before], 'registration').tasks;
  t.is(told.length, 60);
  const ended = told.filter(({ state }) => state === 'TASK_FINISHED').map(one => one.task.taskId);
  t.true(ended.includes('t0'));
  // A crash takes nothing of it back.
  for (const id of ended)
    t.like(store.load(`agent/status/${frameworkId}/${id}/`).at(-1)?.value, { status: { state: 'TASK_FINISHED' } });
  rig.register();
  rig.clock.advance(10_000);
  t.deepEqual(rig.states('t0'), ['TASK_RUNNING', 'TASK_FINISHED']);
  t.deepEqual(rig.states('t20'), ['TASK_RUNNING', 'TASK_FINISHED']);
});

test('an agent leaves while its disk is never at rest: what it knew by then is kept', t => {
  const { rig } = busyRig(60);
  endOneByOne(rig);
  rig.clock.advance(10 * endEveryMs);
  let left = false;
  rig.agent.leave(() => (left = true));
  rig.clock.advance(3 * commitMs);
  t.true(left);
  t.true(rig.containers.live.length > 40);
});

test('an agent whose disk fails while it leaves has left', t => {
  const underWay: ((error: Error) => void)[] = [];
  let isSlow = false;
  const store = storeThat((_changes, onDurable) => {
    if (isSlow) underWay.push(onDurable);
    else onDurable();
  });
  const rig = new AgentRig({ deps: { store } });
  rig.launch([task('a')]);
  isSlow = true;
  rig.containers.of('a').exit(0);
  rig.settle();
  let left = false;
  rig.agent.leave(() => (left = true));
  rig.settle();
  t.false(left);
  must(underWay[0], 'a write')(new Error('no space left on device'));
  t.true(left);
});

test('the end of a task of a removed framework is told, also when it comes between a registration and its answer', t => {
  const rig = new AgentRig({ script: { onKill: 'stubborn' } });
  rig.launch([task('t')]);
  rig.tell({ type: 'SHUTDOWN_FRAMEWORK', frameworkId });
  rig.disconnect();
  rig.connect();
  t.is(rig.calls('REGISTER').at(-1)?.tasks.length, 1, 'it still runs');
  rig.containers.of('t').exit(0);
  rig.settle();
  const before = rig.statuses('t').length;
  rig.tell({
    type: 'REGISTERED',
    agentId: must(rig.agent.id, 'id'),
    master: must(rig.agent.view().master, 'master'),
    pingTimeoutMs: 15_000,
    reconcile: [],
  });
  rig.settle();
  const [end, ...more] = rig.statuses('t').slice(before);
  t.deepEqual([end?.state, end?.uuid, more], ['TASK_KILLED', undefined, []]);
});

test('an id whose end is acknowledged starts again at once, whatever is on its way to the disk', t => {
  const store = new SlowStore();
  const rig = new AgentRig({ acknowledges: false, registers: false, deps: { store } });
  const sync = (): void => {
    for (rig.settle(); store.waiting > 0; rig.settle()) store.sync();
  };
  rig.connect();
  rig.register();
  sync();
  rig.register();
  rig.launch([task('t')]);
  sync();
  rig.acknowledge(rig.last('t'));
  sync();
  rig.containers.of('t').exit(0);
  sync();
  t.is(rig.last('t').state, 'TASK_FINISHED');
  // Something else is being written while its framework acknowledges, and fires it again.
  rig.launch([task('other')]);
  rig.acknowledge(rig.last('t'));
  rig.launch([task('t')]);
  sync();
  t.deepEqual(rig.states('t'), ['TASK_RUNNING', 'TASK_FINISHED', 'TASK_RUNNING']);
  t.is(rig.containers.launched.filter(({ spec }) => spec.name === 't').length, 2);

  // The records on disk are those of the second.
  rig.crash();
  const second = new AgentRig({ before: rig, deps: { store }, acknowledges: false, registers: false });
  sync();
  second.connect();
  t.deepEqual(
    second.calls('REGISTER')[0]?.tasks.map(({ task: { taskId }, state }) => `${taskId} ${state}`),
    ['other TASK_RUNNING', 't TASK_RUNNING'],
  );
  t.is(second.calls('REGISTER')[0]?.frameworks[0]?.id, framework.id);
});
