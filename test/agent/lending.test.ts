// Stories of an agent that is drained, and of what it lends to revocable tasks, under virtual time.
import test from 'ava';
import { must } from '../../src/base/assert.js';
import { fixedEstimator, usageEstimator } from '../../src/agent/estimators.js';
import { loadQosController } from '../../src/agent/qos.js';
import type { AgentUsage, ContainerUse, QosCorrection, RunningContainer } from '../../src/agent/usage.js';
import type { Resources } from '../../src/resources/index.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import { agentId, AgentRig, framework, frameworkId, masterInfo, task } from '../support/agent-rig.js';

const totals = (rig: AgentRig): Resources[] => rig.calls('UPDATE_RESOURCES').map(({ resources }) => resources);
const registered = (rig: AgentRig): Resources => must(rig.calls('REGISTER').at(-1), 'REGISTER').agent.resources;
/** Time passes, and the master pings. */
const wait = (rig: AgentRig, ms: number): void => {
  for (let left = ms; left > 0; left -= 15_000) {
    rig.clock.advance(Math.min(left, 15_000));
    rig.tell({ type: 'PING' });
  }
};
// Draining

test('a drain kills everything with the smaller grace, says why, and takes nothing new until all has ended', t => {
  const rig = new AgentRig({ script: { onKill: 'waits' } });
  const telling = { ...framework, capabilities: ['TASK_KILLING_STATE'] as const };
  rig.launch(
    [
      task('slow', { killPolicy: { gracePeriodMs: 60_000 } }),
      task('quick', { killPolicy: { gracePeriodMs: 1 } }),
      task('plain'),
    ],
    undefined,
    telling,
  );
  rig.tell({ type: 'DRAIN', gracePeriodMs: 5000 });
  rig.settle();
  t.deepEqual(
    ['slow', 'quick', 'plain'].map(id => rig.containers.of(id).kills),
    [[5000], [1], [3000]],
  );
  t.like(rig.last('slow'), { state: 'TASK_KILLING', reason: 'AGENT_DRAINING' });
  t.true(rig.agent.view().draining);
  rig.launch([task('late')]);
  t.like(rig.last('late'), { state: 'TASK_DROPPED', reason: 'AGENT_DRAINING' });
  rig.tell({ type: 'DRAIN', gracePeriodMs: 100 });
  t.deepEqual(rig.containers.of('slow').kills, [5000, 100], 'a second drain can only be quicker');
  rig.tell({ type: 'DRAIN' });
  t.deepEqual(rig.containers.of('slow').kills, [5000, 100]);
  for (const id of ['slow', 'quick', 'plain']) rig.containers.of(id).exitBySignal('SIGTERM');
  rig.settle();
  for (const id of ['slow', 'quick', 'plain']) t.like(rig.last(id), { state: 'TASK_KILLED', reason: 'AGENT_DRAINING' });
  t.false(rig.agent.view().draining);
  rig.launch([task('again')]);
  t.like(rig.last('again'), { state: 'TASK_RUNNING' }, 'when the master sends something after that, it means it');
  rig.agent.close();
});

test('a drain of an agent with nothing on it is over at once; a task that ends well meanwhile has been killed', t => {
  const rig = new AgentRig({ script: { onKill: 'waits' } });
  rig.tell({ type: 'DRAIN' });
  t.false(rig.agent.view().draining);
  rig.launch([task('a')]);
  rig.tell({ type: 'DRAIN' });
  rig.containers.of('a').exit(0);
  rig.settle();
  t.like(rig.last('a'), { state: 'TASK_KILLED', reason: 'AGENT_DRAINING', exitCode: 0 });
});

test('the master says how many pings may be missed', t => {
  const rig = new AgentRig({ registers: false });
  rig.connect();
  rig.tell({ type: 'REGISTERED', agentId, master: masterInfo, pingTimeoutMs: 1000, pingMissesMax: 2, reconcile: [] });
  rig.clock.advance(2000);
  t.is(rig.reconnects[0], 'nothing heard for 2000 ms');
});

// What is lent

test('a fixed estimate is offered from the first registration on; a change is told, and outlives no process', t => {
  let lent: Resources = { cpus: 2 };
  const estimator = { estimate: (_usage: AgentUsage, answer: (resources: Resources) => void): void => answer(lent) };
  const store = new MemoryStore(run => run());
  const rig = new AgentRig({ deps: { estimator, store } });
  t.is(registered(rig)['cpus{revocable}'], 2);
  wait(rig, 60_000);
  t.deepEqual(totals(rig), [], 'nothing changed, nothing is told');
  lent = { cpus: 3, mem: 100 };
  wait(rig, 15_000);
  t.like(totals(rig), [{ cpus: 4, 'cpus{revocable}': 3, 'mem{revocable}': 100 }]);
  lent = { 'cpus(ads)': 1 };
  wait(rig, 15_000);
  lent = { cpus: Number.NaN };
  wait(rig, 15_000);
  t.is(totals(rig).length, 1, 'what makes no sense changes nothing');
  rig.disconnect();
  lent = {};
  wait(rig, 15_000);
  rig.register();
  t.is(registered(rig)['cpus{revocable}'], undefined);
  rig.tell({
    type: 'APPLY_OPERATION',
    uuid: 'r',
    kind: 'RESERVE',
    consumed: { disk: 1 },
    produced: { 'disk(ads,dynamic)': 1 },
  });
  rig.agent.close();
  t.deepEqual(
    Object.keys(registered(new AgentRig({ deps: { store } }))).filter(key => key.includes('revocable')),
    [],
  );
  t.throws(() => fixedEstimator({ ports: [[1, 2]] }), { message: /ports cannot be lent/ });
});

test('an estimate that came between REGISTER and REGISTERED is told after it', t => {
  let tell: ((resources: Resources) => void) | undefined;
  const estimator = {
    estimate: (_usage: AgentUsage, answer: (resources: Resources) => void): void => void (tell = answer),
  };
  const rig = new AgentRig({ registers: false, deps: { estimator } });
  rig.connect();
  tell?.({ cpus: 1 });
  t.deepEqual(totals(rig), []);
  rig.tell({ type: 'REGISTERED', agentId, master: masterInfo, pingTimeoutMs: 15_000, reconcile: [] });
  t.like(totals(rig), [{ 'cpus{revocable}': 1 }]);
});

test('lent cpus weigh a hundredth, and are still the hard limit', t => {
  const rig = new AgentRig({ options: { cpuHardLimit: true }, deps: { estimator: fixedEstimator({ cpus: 2 }) } });
  rig.launch([task('lent', { resources: { 'cpus{revocable}': 2, mem: 64 } }), task('own', { resources: { cpus: 2 } })]);
  t.like(rig.containers.of('lent').spec, { cpusMilli: 20, cpusLimitMilli: 2000 });
  t.like(rig.containers.of('own').spec, { cpusMilli: 2000, cpusLimitMilli: 2000 });
  t.like(rig.containers.of('lent').spec.env, { CPUS: '2' });
});

test('what is held and not used is lent: the highest use of the last looks counts, and what cannot be measured is used', t => {
  const estimator = usageEstimator({ margin: 0.1, window: 2 });
  let lent: Resources = {};
  const look = (
    nowMs: number,
    ...containers: readonly (readonly [id: string, cpus: number, cpuMs?: number, revocable?: true])[]
  ): Resources => {
    const running = containers.map(
      ([containerId, cpus, cpuMs, revocable = false]): RunningContainer => ({
        containerId,
        frameworkId,
        revocable,
        ending: false,
        resources: revocable ? { 'cpus{revocable}': cpus } : { 'cpus(ads)': cpus / 2, cpus: cpus / 2 },
        launchedAtMs: 0,
        use: cpuMs === undefined ? undefined : { cpuMs, memBytes: 0 },
      }),
    );
    estimator.estimate(
      { nowMs, total: { cpus: 8 }, allocated: {}, containers: running },
      resources => (lent = resources),
    );
    return lent;
  };
  t.deepEqual(look(0, ['a', 4, 0]), {}, 'one look tells nothing');
  t.deepEqual(look(1000, ['a', 4, 500]), { cpus: 3.1 }, '4 held, 0.5 used, 0.4 kept: 3.1');
  t.deepEqual(look(2000, ['a', 4, 2500]), { cpus: 1.6 }, '2 used');
  t.deepEqual(look(3000, ['a', 4, 2500]), { cpus: 1.6 }, 'the last two looks count');
  t.deepEqual(look(4000, ['a', 4, 2500]), { cpus: 3.6 });
  t.deepEqual(look(5000, ['a', 4, 2500], ['blind', 2]), { cpus: 3.4 }, 'all of 2 is used, and 0.2 more kept');
  t.deepEqual(look(6000, ['a', 4, 2500], ['guest', 3, 0, true]), { cpus: 3.6 }, 'what guests use was lent');
  t.deepEqual(look(7000, ['a', 4, 99_999]), {}, 'more than it holds is all it holds');
  t.throws(() => usageEstimator({ margin: 1.5 }), { message: /1\.5 is not a margin from 0 to 1/ });
});

test('under load the newest revocable task goes, one at each look, and nobody else', t => {
  let load = 3;
  const asked: AgentUsage[] = [];
  const byLoad = loadQosController({ '5min': 8, '1min': 100 }, () => [99, load, 99]);
  const uses: ContainerUse[] = [];
  const rig = new AgentRig({
    script: { onKill: 'waits' },
    deps: {
      estimator: fixedEstimator({ cpus: 2 }),
      qosController: {
        correct: (usage, answer) => {
          asked.push(usage);
          for (const { use } of usage.containers) if (use !== undefined) uses.push(use);
          byLoad.correct(usage, answer);
        },
      },
      meter: { measure: pid => ({ cpuMs: pid, memBytes: 1 }) },
    },
  });
  const lent = { 'cpus{revocable}': 0.5, mem: 32 };
  rig.launch([task('own')]);
  rig.clock.advance(10);
  rig.launch([task('first', { resources: lent })], undefined, { ...framework, id: 'fw-2' });
  rig.clock.advance(10);
  rig.launch([task('second', { resources: lent })]);
  rig.clock.advance(10);
  rig.launch([task('newest-own')]);
  wait(rig, 15_000);
  t.deepEqual(
    asked.at(-1)?.containers.map(({ taskId, revocable }) => [taskId, revocable]),
    [
      ['own', false],
      ['first', true],
      ['second', true],
      ['newest-own', false],
    ],
  );
  t.deepEqual(asked.at(-1)?.allocated, { cpus: 1, mem: 192 });
  t.deepEqual(
    uses,
    Array.from({ length: 4 }, () => ({ cpuMs: 4711, memBytes: 1 })),
  );
  const [own, lentOne] = rig.agent.containers();
  t.like(own, { taskId: 'own', revocable: false, resources: { cpus: 0.5, mem: 64 } });
  t.like(lentOne, {
    taskId: 'first',
    revocable: true,
    statistics: { timestampMs: rig.clock.wallMs(), cpuTimeMs: 4711, memBytes: 1 },
  });
  t.deepEqual(
    rig.containers.live.flatMap(({ kills }) => kills),
    [],
  );
  load = 8.5;
  wait(rig, 15_000);
  t.deepEqual(rig.containers.of('second').kills, [3000]);
  wait(rig, 15_000);
  t.deepEqual([rig.containers.of('second').kills, rig.containers.of('first').kills], [[3000], [3000]]);
  rig.containers.of('second').exitBySignal('SIGTERM');
  rig.settle();
  t.like(rig.last('second'), {
    state: 'TASK_GONE',
    reason: 'CONTAINER_PREEMPTED',
    message: 'the load over 5min is 8.50, above 8; ended by SIGTERM',
  });
  wait(rig, 60_000);
  t.deepEqual([rig.containers.of('own').kills, rig.containers.of('newest-own').kills], [[], []]);
});

test('a controller that names what is not revocable, or not there, ends nothing', t => {
  let answer: ((corrections: readonly QosCorrection[]) => void) | undefined;
  const qosController = {
    correct: (_usage: AgentUsage, to: (corrections: readonly QosCorrection[]) => void): void => void (answer = to),
  };
  const rig = new AgentRig({ deps: { qosController } });
  rig.launch([task('own')]);
  answer?.([
    { containerId: rig.containers.of('own').spec.containerId, message: 'because' },
    { containerId: 'ghost', message: 'because' },
  ]);
  rig.settle();
  t.deepEqual(rig.states('own'), ['TASK_RUNNING']);
});

test('an estimator or a controller that throws is said to, and asked again; the agent goes on', t => {
  let asked = 0;
  const broken = (): never => {
    asked += 1;
    throw new Error('a bug of its own');
  };
  const rig = new AgentRig({ deps: { estimator: { estimate: broken }, qosController: { correct: broken } } });
  wait(rig, 30_000);
  t.is(asked, 6);
  rig.launch([task('a')]);
  t.is(rig.last('a').state, 'TASK_RUNNING');
});
