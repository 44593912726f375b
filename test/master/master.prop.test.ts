// Whatever schedulers and agents do, the master neither throws nor loses a resource. In: random stories. Out: the invariants after each step.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type { AgentTask } from '../../src/protocol/agent-api.js';
import type { ClusterEvent } from '../../src/protocol/operator-api.js';
import type { TaskState } from '../../src/protocol/task-state.js';
import { isTerminal } from '../../src/protocol/task-state.js';
import { add, bagOf, contains, equals, sum } from '../../src/resources/index.js';
import { arbitraryAgentCall, arbitraryJunk, arbitrarySchedulerCall } from '../support/arbitraries.js';
import type { FakeAgent, FakeScheduler } from '../support/master-rig.js';
import { frameworkInfo, MasterRig, task } from '../support/master-rig.js';
import { holds } from '../support/property.js';

const pools = {
  tasks: ['t0', 't1', 't2', 't3', 't4'],
  agents: ['M-S0', 'M-S1', 'M-S2'],
  offers: Array.from({ length: 12 }, (_, i) => `M-O${i}`),
  frameworks: ['M-0000', 'M-0001', 'M-0002'],
  executors: ['e0', 'e1'],
  roles: ['*', 'ads'],
};

const index = fc.nat({ max: 5 });
const agentStates: readonly TaskState[] = [
  'TASK_STARTING',
  'TASK_RUNNING',
  'TASK_KILLING',
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_DROPPED',
];
const step = fc.oneof(
  fc.record({
    type: fc.constant('subscribe' as const),
    who: index,
    again: fc.boolean(),
    checkpoint: fc.boolean(),
    timeoutMs: fc.constantFrom(0, 20_000, 3_600_000),
  }),
  fc.record({
    type: fc.constant('register' as const),
    who: index,
    again: fc.boolean(),
    cpus: fc.constantFrom(1, 2, 4),
    forget: fc.nat({ max: 3 }),
  }),
  fc.record({
    type: fc.constant('launch' as const),
    who: index,
    tasks: fc.array(fc.record({ id: index, cpus: fc.constantFrom(0.1, 0.5, 3) }), { maxLength: 3 }),
    group: fc.boolean(),
  }),
  fc.record({ type: fc.constant('decline' as const), who: index }),
  fc.record({
    type: fc.constant('status' as const),
    who: index,
    pick: index,
    state: fc.constantFrom(...agentStates),
    latest: fc.constantFrom(...agentStates),
    resend: fc.boolean(),
  }),
  fc.record({ type: fc.constant('acknowledge' as const), who: index, pick: index }),
  fc.record({ type: fc.constant('lose' as const), who: index, agent: fc.boolean() }),
  fc.record({ type: fc.constant('advance' as const), ms: fc.constantFrom(1, 50, 1_000, 31_000, 90_000) }),
  fc.record({ type: fc.constant('unregister' as const), who: index }),
  fc.record({ type: fc.constant('call' as const), who: index, call: arbitrarySchedulerCall(pools) }),
  fc.record({ type: fc.constant('agentCall' as const), who: index, call: arbitraryAgentCall(pools) }),
  fc.record({ type: fc.constant('junk' as const), who: index, agent: fc.boolean(), junk: arbitraryJunk }),
  fc.record({ type: fc.constant('operate' as const), pick: index, teardown: fc.boolean() }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

test('no story makes the master throw, lose or double a resource, or move an ended task', t => {
  holds(
    t,
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
      const story = new Story();
      for (const each of steps) story.tell(each);
      story.end();
    }),
    { numRuns: 500 },
  );
});

/** One rig, with what the outside remembers. */
class Story {
  readonly rig = new MasterRig({
    options: { completedFrameworksMax: 2, completedTasksMax: 3, unreachableTasksMax: 2 },
  });
  readonly schedulers: FakeScheduler[] = [];
  readonly agents: FakeAgent[] = [];
  /** What really runs, by agent id: independent of the master's opinion. */
  readonly running = new Map<string, Map<string, AgentTask>>();
  readonly ended = new Map<string, TaskState>();

  constructor() {
    this.rig.master.views.subscribe(event => this.#watch(event));
  }

  tell(step: Step): void {
    switch (step.type) {
      case 'subscribe': {
        const before = pick(this.schedulers, step.who);
        const id = step.again ? before?.got('SUBSCRIBED').at(-1)?.frameworkId : undefined;
        const info = { checkpoint: step.checkpoint, failoverTimeoutMs: step.timeoutMs, roles: ['*', 'ads'] };
        this.schedulers.push(this.rig.scheduler(id === undefined ? info : { ...info, id }));
        break;
      }
      case 'register':
        this.#register(step);
        break;
      case 'launch':
        this.#launch(step);
        break;
      case 'decline': {
        const scheduler = pick(this.schedulers, step.who);
        const offer = scheduler?.offers.at(-1);
        if (offer !== undefined) scheduler?.call({ type: 'DECLINE', offerIds: [offer.id] });
        break;
      }
      case 'status': {
        const agent = pick(this.agents, step.who);
        const id = agent?.got('REGISTERED').at(-1)?.agentId;
        const found = pick([...(this.running.get(id ?? '')?.values() ?? [])], step.pick);
        if (agent === undefined || found === undefined) break;
        const uuid = step.resend ? 'same' : undefined;
        agent.status(found.frameworkId, found.task.taskId, step.state, {
          latest: step.latest,
          ...(uuid === undefined ? {} : { uuid }),
        });
        if (isTerminal(step.latest)) this.running.get(id ?? '')?.delete(keyOf(found));
        break;
      }
      case 'acknowledge': {
        const scheduler = pick(this.schedulers, step.who);
        const status = pick(scheduler?.updates.filter(update => update.uuid !== undefined) ?? [], step.pick);
        if (status?.uuid === undefined || status.agentId === undefined) break;
        scheduler?.call({ type: 'ACKNOWLEDGE', taskId: status.taskId, agentId: status.agentId, uuid: status.uuid });
        break;
      }
      case 'lose':
        pick<{ disconnect(): void }>(step.agent ? this.agents : this.schedulers, step.who)?.disconnect();
        break;
      case 'advance':
        this.rig.advance(step.ms);
        break;
      case 'unregister':
        pick(this.agents, step.who)?.raw({ type: 'UNREGISTER', message: 'bye' });
        break;
      case 'call':
        pick(this.schedulers, step.who)?.call(step.call);
        break;
      case 'agentCall':
        pick(this.agents, step.who)?.raw(step.call);
        break;
      case 'junk':
        pick<{ raw(message: unknown): void }>(step.agent ? this.agents : this.schedulers, step.who)?.raw(step.junk);
        break;
      case 'operate': {
        const view = pick(this.rig.master.views.frameworks(), step.pick);
        if (step.teardown && view !== undefined) this.rig.operate({ type: 'TEARDOWN', frameworkId: view.id });
        else this.rig.operate({ type: 'KILL', taskId: pools.tasks[step.pick] ?? 't0' });
        break;
      }
      default:
        step satisfies never;
    }
    this.#check();
  }

  /** When everybody has gone and the agents confirm, nothing is held. */
  end(): void {
    for (const { id } of this.rig.master.views.frameworks()) this.rig.operate({ type: 'TEARDOWN', frameworkId: id });
    this.rig.settle();
    this.#check();
    assert.deepEqual(this.rig.master.views.offers(), []);
  }

  #register(step: Extract<Step, { type: 'register' }>): void {
    const before = pick(this.agents, step.who);
    const id = step.again ? before?.got('REGISTERED').at(-1)?.agentId : undefined;
    const tasks = [...(this.running.get(id ?? '')?.values() ?? [])].slice(0, 5 - step.forget);
    const frameworks = [...new Set(tasks.map(each => each.frameworkId))].map(fw => frameworkInfo({ id: fw }));
    const agent = this.rig.agent(
      { cpus: step.cpus, mem: 1024, 'cpus(ads)': 0.5 },
      { pong: step.who % 2 === 0, ...(id === undefined ? {} : { agentId: id, tasks, frameworks }) },
    );
    this.agents.push(agent);
  }

  #launch(step: Extract<Step, { type: 'launch' }>): void {
    const scheduler = pick(this.schedulers, step.who);
    const offer = scheduler?.offers.at(-1);
    if (scheduler === undefined || offer === undefined) return;
    const tasks = step.tasks.map(({ id, cpus }) => {
      const plain = task(`t${id}`, { cpus, mem: 16 });
      if (step.group || id < 4) return plain;
      const { command, ...rest } = plain;
      return { ...rest, executor: { executorId: 'e0', command: command ?? {}, resources: { cpus: 0.1, mem: 8 } } };
    });
    const before = this.agents.map(agent => agent.got('LAUNCH').length);
    scheduler.call({
      type: 'ACCEPT',
      offerIds: [offer.id],
      operations: [{ type: step.group ? 'LAUNCH_GROUP' : 'LAUNCH', tasks }],
    });
    for (const [i, agent] of this.agents.entries()) {
      for (const event of agent.got('LAUNCH').slice(before[i])) {
        const here = this.running.get(agent.agentId) ?? new Map<string, AgentTask>();
        this.running.set(agent.agentId, here);
        for (const launched of event.tasks) {
          const record: AgentTask = { frameworkId: event.framework.id ?? '', task: launched, state: 'TASK_RUNNING' };
          here.set(keyOf(record), record);
        }
      }
    }
  }

  #watch(event: ClusterEvent): void {
    if (event.type === 'TASK_ADDED') this.ended.delete(`${event.task.frameworkId} ${event.task.id}`);
    if (event.type !== 'TASK_UPDATED') return;
    const key = `${event.frameworkId} ${event.status.taskId}`;
    const before = this.ended.get(key);
    if (before !== undefined) assert.equal(event.state, before, 'nothing leaves a terminal state');
    if (isTerminal(event.state)) this.ended.set(key, event.state);
  }

  #check(): void {
    const { views } = this.rig.master;
    const agents = new Map(views.agents().map(agent => [agent.id, agent]));
    for (const agent of agents.values()) {
      const parts = sum([agent.used, agent.offered, agent.free].map(resources => bagOf(resources)));
      const total = bagOf(agent.total);
      // An agent may say that it has less than it is using.
      const over = this.rig.master.view.agents.get(agent.id)?.overbooked === true;
      assert.ok(over ? contains(parts, total) : equals(parts, total), `conservation on ${JSON.stringify(agent)}`);
    }
    const active = new Set(
      views
        .frameworks()
        .filter(framework => framework.state === 'ACTIVE')
        .map(framework => framework.id),
    );
    for (const offer of views.offers()) {
      assert.equal(agents.get(offer.agentId)?.liveness, 'REGISTERED', 'only registered agents are offered');
      assert.ok(active.has(offer.frameworkId), 'only active frameworks hold offers');
      assert.ok(offer.ageMs <= 30_000, 'no offer outlives its time');
    }
    const used = sum([...agents.values()].map(agent => bagOf(agent.used)));
    const held = sum([...views.frameworks(), ...views.completedFrameworks()].map(framework => bagOf(framework.used)));
    assert.ok(equals(add(used, bagOf({})), held), 'what agents hold is what frameworks hold');
  }
}

function keyOf(of: AgentTask): string {
  return `${of.frameworkId} ${of.task.taskId}`;
}

function pick<T>(items: readonly T[], at: number): T | undefined {
  return items.length === 0 ? undefined : items[at % items.length];
}
