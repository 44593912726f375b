// Frameworks' own executors in a simulated cluster: what seeds and thought found, told as short stories; and what the checkers see of them.
import test from 'ava';
import type { ExecutorInfo, TaskStatus } from '../../src/protocol/entities.js';
import type { Resources } from '../../src/resources/index.js';
import { launch } from '../../src/scheduler/launch.js';
import type { TaskSpec } from '../../src/scheduler/launch.js';
import { SimulationFailure, World } from '../../src/sim/index.js';
import type { HistoryEvent, Mutations, SchedulerNode } from '../../src/sim/index.js';

function executor(
  executorId: string,
  env: { readonly [name: string]: string } = {},
  resources?: Resources,
): ExecutorInfo {
  return {
    executorId,
    command: { value: 'simulated', env },
    resources: resources ?? { cpus: 1, mem: 32 },
  };
}

function inside(taskId: string, info: ExecutorInfo, labels: { readonly [name: string]: string } = {}): TaskSpec {
  return { taskId, name: taskId, executor: info, labels, resources: { cpus: 0.5, mem: 32 } };
}

/** A world with one agent, and frameworks that launch what they are told to, on all they are offered. */
class Story {
  readonly world: World;
  readonly heard: TaskStatus[] = [];
  /** Called for everything that happens, until it is set anew. */
  watch: (event: HistoryEvent) => void = () => {};

  constructor(resources: Resources, mutations: Mutations = {}) {
    this.world = new World({
      seed: 3,
      scenario: 'executors',
      mutations,
      network: { latencyMs: [2, 2] },
      checkers: [{ name: 'watch', on: event => this.watch(event) }],
    });
    this.world.addMaster();
    this.world.addAgent({ resources });
    this.world.run('1s');
  }

  framework(name: string, role = '*'): { readonly node: SchedulerNode; readonly wanted: TaskSpec[] } {
    const wanted: TaskSpec[] = [];
    const node = this.world.addScheduler(
      name,
      { info: { name, roles: [role], failoverTimeoutMs: 3_600_000, capabilities: ['PARTITION_AWARE'] } },
      framework => {
        framework.updates$.subscribe(status => this.heard.push(status));
        framework.offers$.subscribe(offer => {
          framework.accept(offer, wanted.length === 0 ? [] : [launch(...wanted.splice(0))], { refuseMs: 0 });
        });
      },
    );
    return { node, wanted };
  }

  until(taskId: string, state: TaskStatus['state'], within = '30s'): boolean {
    return this.world.runUntil(
      () => this.heard.some(status => status.taskId === taskId && status.state === state),
      within,
    );
  }

  last(taskId: string): TaskStatus | undefined {
    return this.heard.findLast(status => status.taskId === taskId);
  }

  get executors(): string[] {
    return [...(this.world.master.cluster?.agents.values() ?? [])].flatMap(agent =>
      [...agent.executors.values()].map(({ id }) => id),
    );
  }

  /** Kills the executor once `now` happens. */
  killExecutorWhen(now: (event: HistoryEvent) => boolean): void {
    this.watch = event => {
      if (!now(event)) return;
      this.watch = () => {};
      this.killExecutor();
    };
  }

  killExecutor(): void {
    const node = this.world.agents.get('agent-1');
    const live = node?.host.live.find(({ spec }) => spec.env['PROFFER_EXECUTOR_ID'] !== undefined);
    if (node === undefined || live === undefined) throw new Error('no executor is alive');
    node.host.kill(live.spec.containerId);
  }
}

test('tasks of one executor share its container; once idle for long it ends, and its resources are offered again', t => {
  const story = new Story({ cpus: 4, mem: 1024 });
  const { wanted } = story.framework('sharing');
  const info = executor('shared', { SIM_IDLE: '3s' });
  wanted.push(inside('a', info, { SIM_RUN: '2s' }), inside('b', info, { SIM_RUN: '1s', SIM_EXIT_CODE: '4' }));
  t.true(story.until('a', 'TASK_RUNNING'));
  t.is(story.world.live().length, 1);
  t.deepEqual(
    story.world.liveTasks().map(({ taskId }) => taskId),
    ['a', 'b'],
  );
  t.true(story.until('a', 'TASK_FINISHED'));
  t.deepEqual([story.last('b')?.state, story.last('b')?.exitCode], ['TASK_FAILED', 4]);
  t.deepEqual(story.executors, ['shared']);
  t.true(story.world.runUntil(() => story.executors.length === 0, '10s'));
  t.is(story.world.live().length, 0);
  t.deepEqual(story.world.counts.executorsStarted, 1);
  t.deepEqual(story.world.counts.executorTasks, 2);
});

test('an executor that ended while its agent registered was booked for ever', t => {
  const story = new Story({ cpus: 4, mem: 1024 });
  const { wanted } = story.framework('one');
  wanted.push(inside('a', executor('short-lived')));
  t.true(story.until('a', 'TASK_RUNNING'));
  const { world } = story;
  story.killExecutorWhen(event => event.type === 'AGENT_CALL' && event.call.type === 'REGISTER');
  world.network.local.reset('agent-1', 'master');
  t.true(story.until('a', 'TASK_FAILED'));
  world.run('1s');
  t.deepEqual(story.executors, []);
});

test('a task on its way to an executor that has just ended started another, for which nothing was kept', t => {
  const story = new Story({ cpus: 4, mem: 1024 });
  const { node, wanted } = story.framework('one');
  const info = executor('fleeting', {}, { cpus: 3, mem: 32 });
  wanted.push(inside('a', info));
  t.true(story.until('a', 'TASK_RUNNING'));
  story.world.run('5s');
  // The launch is under way when the executor ends; the word of that crosses it.
  story.killExecutorWhen(event => event.type === 'AGENT_EVENT' && event.event.type === 'LAUNCH');
  wanted.push(inside('b', info));
  t.true(story.world.runUntil(() => story.last('b') !== undefined));
  const { state, reason } = story.last('b') ?? {};
  t.deepEqual([state, reason], ['TASK_DROPPED', 'EXECUTOR_TERMINATED']);
  // Tried again, it finds the executor's resources.
  wanted.push(inside('c', info));
  t.true(story.until('c', 'TASK_RUNNING'));
  t.deepEqual(story.executors, ['fleeting']);
  story.world.run('5s');
  story.world.audit();
  t.true(node.framework?.connected);
});

test('an executor on what is reserved for its role keeps that over a new master, and is known by its description', t => {
  const story = new Story({ cpus: 2, 'cpus(prod)': 1, mem: 1024 });
  const prod = story.framework('prod', 'prod');
  const info = executor('reserved');
  prod.wanted.push(inside('a', info));
  t.true(story.until('a', 'TASK_RUNNING'));
  const other = story.framework('other');
  other.wanted.push({ taskId: 'rest', name: 'rest', command: 'run on', resources: { cpus: 1.5, mem: 32 } });
  t.true(story.until('rest', 'TASK_RUNNING'));
  story.world.master.crash();
  story.world.run('1s');
  story.world.master.start();
  t.true(story.world.runUntil(() => story.executors.length === 1 && story.world.sessions.ofAgent.size === 1, '60s'));
  story.world.run('20s');
  story.world.audit();
  const [agent] = [...(story.world.master.cluster?.agents.values() ?? [])];
  t.is(agent?.state, 'REGISTERED');
  t.deepEqual(story.world.liveTasks().length, 2);
});

test('checkers see an executor whose resources go to others while it is alive', t => {
  // As agents did once: what is launched brings its executor along, whether or not the master has kept anything for it.
  const error = t.throws(
    () => {
      const story = new Story(
        { cpus: 4, mem: 1024 },
        {
          agentEvent: event => {
            if (event.type !== 'LAUNCH') return [event];
            return [{ ...event, newExecutorIds: event.tasks.flatMap(({ executor: its }) => its?.executorId ?? []) }];
          },
        },
      );
      const { wanted } = story.framework('one');
      const info = executor('fleeting', {}, { cpus: 3, mem: 32 });
      wanted.push(inside('a', info));
      story.until('a', 'TASK_RUNNING');
      story.killExecutorWhen(event => event.type === 'AGENT_EVENT' && event.event.type === 'LAUNCH');
      wanted.push(inside('b', info));
      story.world.run('10s');
    },
    { instanceOf: SimulationFailure },
  );
  t.regex(error?.message ?? '', /^conservation broke .*\(T7\)/);
});

test('checkers see a task that an executor starts twice', t => {
  const task = { host: 'agent-1', agentId: 'a', frameworkId: 'f', taskId: 'again' };
  for (const [name, ended, says] of [
    ['while it is alive', false, /again is alive twice \(T2\)/],
    ['after it has ended', true, /again is started more often than it was launched \(T1\)/],
  ] as const) {
    const story = new Story({ cpus: 4, mem: 1024 });
    const { node, wanted } = story.framework('one');
    wanted.push(inside('again', executor('x'), ended ? { SIM_RUN: '1s' } : {}));
    story.until('again', ended ? 'TASK_FINISHED' : 'TASK_RUNNING');
    const its = { ...task, frameworkId: node.frameworkId ?? '' };
    story.world.emit({ type: 'EXECUTOR_TASK_STARTED', node: 'agent-1', task: its });
    const error = t.throws(() => story.world.run('1s'), { instanceOf: SimulationFailure }, name);
    t.regex(error?.message ?? '', says);
  }
});
