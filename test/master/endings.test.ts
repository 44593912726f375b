// Ends of frameworks, and returns that cross them: on a slow disk, over crashes of the master at any moment, and how many are remembered.
import test from 'ava';
import type { FrameworkId } from '../../src/base/ids.js';
import type { FrameworkInfo } from '../../src/protocol/entities.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import type { FakeAgent, FakeScheduler } from '../support/master-rig.js';
import { frameworkInfo, MasterRig, task } from '../support/master-rig.js';
import { SlowStore } from '../support/slow-store.js';

/** A master whose disk waits for the test, an agent, and a framework with one running task. */
class Scene {
  readonly store = new SlowStore();
  readonly rig = new MasterRig({ store: this.store });
  readonly agent: FakeAgent;
  readonly scheduler: FakeScheduler;
  readonly id: FrameworkId;

  constructor(info: Partial<FrameworkInfo> = {}) {
    this.agent = this.rig.agent();
    this.sync();
    this.scheduler = this.rig.scheduler(info);
    this.sync();
    this.rig.advance(50);
    this.id = this.scheduler.frameworkId;
    this.scheduler.launch(task('a'));
    this.agent.status(this.id, 'a', 'TASK_RUNNING');
    this.scheduler.acknowledge('a');
  }

  sync(count?: number): void {
    this.store.sync(count);
    this.rig.settle();
  }

  /** The records of frameworks that are durable. */
  get kept(): string[] {
    return this.store
      .load('')
      .map(({ key }) => key)
      .filter(key => key.includes('framework/'));
  }

  /** The master dies, with this many of its writes on disk; the next one, to whom the agent has come back. */
  next(survivors: number): MasterRig {
    this.rig.master.close();
    this.store.crash(survivors);
    const rig = new MasterRig({ store: this.store, masterId: 'N' });
    const listed = { frameworkId: this.id, task: task('a'), state: 'TASK_RUNNING' } as const;
    const frameworks = [frameworkInfo({ id: this.id })];
    rig.agent({ cpus: 4, mem: 4096 }, { agentId: this.agent.agentId, frameworks, tasks: [listed] });
    this.store.sync();
    rig.settle();
    return rig;
  }
}

test('who comes back while its end is being written is written back behind it, and told so when that is durable', t => {
  const scene = new Scene({ failoverTimeoutMs: 60_000 });
  scene.scheduler.disconnect();
  scene.rig.advance(60_000);
  const back = scene.rig.scheduler({ id: scene.id, failoverTimeoutMs: 60_000 });
  scene.sync(1);
  t.deepEqual(scene.kept, [`completed-framework/${scene.id}`]);
  t.deepEqual(back.events, [], 'the next master would not know it');
  t.deepEqual(scene.agent.got('SHUTDOWN_FRAMEWORK'), []);
  scene.sync();
  t.deepEqual(scene.kept, [`framework/${scene.id}`]);
  t.is(back.frameworkId, scene.id);
  const after = scene.next(0);
  const again = after.scheduler({ id: scene.id, failoverTimeoutMs: 60_000 });
  t.is(again.frameworkId, scene.id);
  t.is(after.master.views.tasks().length, 1);
});

test('one that was told that it is back is so for the next master, whatever was on disk', t => {
  for (const survivors of [0, 1, 2]) {
    const scene = new Scene({ failoverTimeoutMs: 60_000 });
    scene.scheduler.disconnect();
    scene.rig.advance(60_000);
    const back = scene.rig.scheduler({ id: scene.id, failoverTimeoutMs: 60_000 });
    scene.sync(survivors);
    const told = back.got('SUBSCRIBED').length > 0;
    t.is(told, survivors === 2);
    const again = scene.next(0).scheduler({ id: scene.id, failoverTimeoutMs: 60_000 });
    t.is(again.got('SUBSCRIBED').length, survivors === 1 ? 0 : 1);
  }
});

test('who comes back and goes again while its end is being written has its whole time', t => {
  const scene = new Scene({ failoverTimeoutMs: 60_000 });
  scene.scheduler.disconnect();
  scene.rig.advance(60_000);
  scene.rig.scheduler({ id: scene.id, failoverTimeoutMs: 60_000 }).disconnect();
  scene.sync();
  scene.rig.advance(59_000);
  t.deepEqual(scene.agent.got('SHUTDOWN_FRAMEWORK'), []);
  scene.rig.advance(1000);
  scene.sync();
  t.is(scene.agent.got('SHUTDOWN_FRAMEWORK').length, 1);
  t.deepEqual(scene.kept, [`completed-framework/${scene.id}`]);
});

test('while a subscription is being written its framework does not end, with a failover timeout of 0 either', t => {
  const scene = new Scene({ failoverTimeoutMs: 0 });
  const next = scene.rig.scheduler({ id: scene.id, failoverTimeoutMs: 0, labels: { version: '2' } });
  scene.scheduler.disconnect();
  scene.rig.advance(1000);
  scene.sync();
  t.is(next.frameworkId, scene.id);
  t.deepEqual(scene.kept, [`framework/${scene.id}`]);
  const third = scene.rig.scheduler({ id: scene.id, failoverTimeoutMs: 0, labels: { version: '3' } });
  next.disconnect();
  third.disconnect();
  scene.sync();
  t.deepEqual(scene.kept, [`completed-framework/${scene.id}`], 'that came to nothing, and nobody is left');
  t.is(scene.agent.got('SHUTDOWN_FRAMEWORK').length, 1);
});

test('a scheduler that tears down and then changes its description is refused that, and does not rise again', t => {
  const scene = new Scene();
  const { scheduler, id } = scene;
  scheduler.call({ type: 'TEARDOWN', callId: 900 });
  const problems = scheduler.ask({ type: 'UPDATE_FRAMEWORK', framework: frameworkInfo({ id, labels: { v: '2' } }) });
  t.deepEqual([problems[0]?.code, problems[0]?.path], ['FRAMEWORK_REMOVED', 'updateFramework.framework.id']);
  scene.sync();
  t.deepEqual(
    scheduler.got('ANSWERED').find(({ callId }) => callId === 900),
    { type: 'ANSWERED', callId: 900, problems: [] },
  );
  t.deepEqual(scene.kept, [`completed-framework/${id}`]);
  const again = scene.next(0).scheduler({ id, labels: { v: '2' } });
  t.is(again.last('ERROR').problems[0]?.code, 'FRAMEWORK_REMOVED');
});

test('who subscribes while it is being torn down is refused when that is durable, and not before', t => {
  for (const failoverTimeoutMs of [3_600_000, 0]) {
    const scene = new Scene({ failoverTimeoutMs });
    const { id, rig } = scene;
    let answers = 0;
    rig.master.operate({ type: 'TEARDOWN', frameworkId: id }, () => (answers += 1));
    scene.scheduler.disconnect();
    const back = rig.scheduler({ id, failoverTimeoutMs, labels: { v: '2' } });
    t.deepEqual([back.events, answers], [[], 0], 'a crash would leave it alive');
    scene.sync();
    t.is(answers, 1);
    t.is(back.last('ERROR').problems[0]?.code, 'FRAMEWORK_REMOVED');
    t.is(back.closed?.code, 1008);
    t.deepEqual(scene.kept, [`completed-framework/${id}`]);
    t.deepEqual(rig.master.views.frameworks(), []);
    const after = scene.next(0);
    t.is(after.scheduler({ id }).last('ERROR').problems[0]?.code, 'FRAMEWORK_REMOVED');
    t.deepEqual(after.master.views.frameworks(), []);
  }
});

test('an end that an operator asks for is not taken back by a return', t => {
  const scene = new Scene({ failoverTimeoutMs: 60_000 });
  const { id, rig } = scene;
  scene.scheduler.disconnect();
  rig.advance(60_000);
  const back = rig.scheduler({ id, failoverTimeoutMs: 60_000 });
  let answers = 0;
  rig.master.operate({ type: 'TEARDOWN', frameworkId: id }, () => (answers += 1));
  scene.sync();
  t.deepEqual([answers, back.last('ERROR').fatal], [1, true]);
  t.deepEqual(scene.kept, [`completed-framework/${id}`]);
});

test('what a scheduler says of itself is one thing in the registry and here, also when it says it twice, or goes meanwhile', t => {
  const scene = new Scene();
  const { id, rig, scheduler } = scene;
  const described = (): unknown[] => [
    scene.store.load('framework/').map(({ value }) => (value as { info: FrameworkInfo }).info.labels ?? {}),
    rig.master.views.frameworks().map(({ labels }) => labels),
  ];
  scheduler.call({ type: 'UPDATE_FRAMEWORK', framework: frameworkInfo({ id, labels: { v: '2' } }) });
  scheduler.call({ type: 'UPDATE_FRAMEWORK', framework: frameworkInfo({ id }) });
  scene.sync();
  t.deepEqual(described(), [[{}], [{}]], 'the last word counts');
  rig.scheduler({ id, labels: { v: '3' } }).disconnect();
  scene.sync();
  t.deepEqual(described(), [[{ v: '3' }], [{ v: '3' }]]);
  t.is(rig.master.views.frameworks()[0]?.state, 'ACTIVE', 'the session there was is not touched');
});

test('a subscription with an id that nobody knows leaves nothing when it comes to nothing', t => {
  const scene = new Scene();
  scene.rig.scheduler({ id: 'old-0001' }).disconnect();
  scene.sync();
  t.deepEqual(scene.kept, [`framework/${scene.id}`]);
});

test('where a registry says both, the framework has ended', t => {
  const store = new MemoryStore(run => run());
  const info = { ...frameworkInfo(), id: 'L-0000' };
  store.write(
    ['framework/L-0000', 'completed-framework/L-0000'].map(key => ({ key, value: { epoch: 1, info } })),
    () => {},
  );
  const rig = new MasterRig({ store });
  t.deepEqual(rig.master.views.frameworks(), []);
  t.is(rig.scheduler({ id: 'L-0000' }).last('ERROR').problems[0]?.code, 'FRAMEWORK_REMOVED');
});

test('of frameworks that end together no more are remembered than of those that end one by one, in the registry either', t => {
  const store = new SlowStore();
  const options = { completedFrameworksMax: 2 };
  const rig = new MasterRig({ store, options });
  const sync = (): void => {
    store.sync();
    rig.settle();
  };
  const schedulers = Array.from({ length: 8 }, () => rig.scheduler({ failoverTimeoutMs: 0 }));
  sync();
  for (const scheduler of schedulers) scheduler.disconnect();
  sync();
  const newest = schedulers.slice(-2).map(({ frameworkId }) => frameworkId);
  t.deepEqual(
    rig.master.views.completedFrameworks().map(({ id }) => id),
    newest,
  );
  const kept = (): string[] => store.load('completed-framework/').map(({ key }) => key.slice(20));
  t.deepEqual(kept(), newest);
  const [forgotten = ''] = schedulers.map(({ frameworkId }) => frameworkId);
  const back = rig.scheduler({ id: forgotten });
  sync();
  t.is(back.frameworkId, forgotten, 'what is forgotten is a new framework');
});

test('a master forgets what an earlier one remembered too much of, the oldest leader’s first', t => {
  const store = new MemoryStore(run => run());
  const ended = (id: string, epoch: number): { key: string; value: unknown } => ({
    key: `completed-framework/${id}`,
    value: { epoch, info: { ...frameworkInfo(), id } },
  });
  store.write([ended('A-0000', 3), ended('B-0000', 1), ended('C-0000', 2)], () => {});
  const rig = new MasterRig({ store, options: { completedFrameworksMax: 2 } });
  t.deepEqual(
    rig.master.views.completedFrameworks().map(({ id }) => id),
    ['C-0000', 'A-0000'],
  );
  t.deepEqual(
    store.load('completed-framework/').map(({ key }) => key),
    ['completed-framework/A-0000', 'completed-framework/C-0000'],
  );
});

test('an ended framework is remembered for as long as something of it may run', t => {
  const rig = new MasterRig({ options: { completedFrameworksMax: 0 } });
  const agent = rig.agent();
  const scheduler = rig.scheduler();
  const id = scheduler.frameworkId;
  scheduler.launch(task('a'));
  agent.status(id, 'a', 'TASK_RUNNING');
  t.deepEqual(scheduler.ask({ type: 'TEARDOWN' }), []);
  t.deepEqual(
    rig.store.load('completed-framework/').map(({ key }) => key),
    [`completed-framework/${id}`],
  );
  agent.status(id, 'a', 'TASK_KILLED');
  t.deepEqual(rig.store.load('completed-framework/'), []);
  t.deepEqual(rig.master.views.completedFrameworks(), []);
});
