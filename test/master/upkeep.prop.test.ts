// Whatever operators do with agents and machines, and however slowly it becomes durable: the invariants of offers, inverse offers and drains hold
// after each step, and the next master knows what this one said. In: random stories.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type { AgentId, FrameworkId, TaskId } from '../../src/base/ids.js';
import type { Master } from '../../src/master/master.js';
import { isTerminal } from '../../src/protocol/task-state.js';
import type { OperatorCall } from '../../src/protocol/operator-api.js';
import { MemoryStore } from '../../src/store/memory-store.js';
import type { FakeAgent, FakeScheduler } from '../support/master-rig.js';
import { MasterRig, task } from '../support/master-rig.js';
import { holds } from '../support/property.js';

const hosts = ['h0', 'h1', 'h2'];
const host = fc.constantFrom(...hosts);
const who = fc.nat({ max: 2 });
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('start' as const), who }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('launch' as const), who: fc.nat({ max: 1 }) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('work' as const), who }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('finish' as const), who }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('acknowledge' as const), who: fc.nat({ max: 1 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('answer' as const), who: fc.nat({ max: 1 }), accept: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('lose' as const), who }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('resubscribe' as const), who: fc.nat({ max: 1 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('sync' as const), writes: fc.nat({ max: 3 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('advance' as const), ms: fc.constantFrom(1, 1_000, 6_000, 90_000) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('agent' as const),
      who,
      what: fc.constantFrom('DRAIN_AGENT', 'DRAIN_AGENT', 'DEACTIVATE_AGENT', 'REACTIVATE_AGENT', 'MARK_AGENT_GONE'),
      // Seldom, or few are ever seen drained.
      markGone: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('schedule' as const),
      hostnames: fc.uniqueArray(host, { maxLength: 3 }),
      startMs: fc.constantFrom(5, 6),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('machine' as const),
      what: fc.constantFrom('START_MAINTENANCE', 'STOP_MAINTENANCE'),
      host,
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

test('no story breaks the promises of drains and maintenance, or makes the next master forget them', t => {
  let drained = 0;
  let asked = 0;
  let down = 0;
  holds(
    t,
    fc.property(fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }), steps => {
      const story = new Story();
      for (const each of steps) story.tell(each);
      story.end();
      drained += story.drained;
      asked += story.asked;
      down += story.down;
    }),
    { numRuns: 250, includeErrorInReport: true },
  );
  // A story in which nothing of this happens shows nothing.
  assert.ok(drained > 0 && asked > 50 && down > 50, `${drained} drained, ${asked} asked, ${down} down`);
  t.pass();
});

/** A machine's agent as it sees itself. */
class Node {
  agentId: AgentId | undefined;
  agent: FakeAgent | undefined;
  /** Of its events, those it has acted on. */
  seen = 0;
  draining = false;
  readonly tasks = new Map<TaskId, { readonly frameworkId: FrameworkId; ended: boolean }>();

  constructor(readonly hostname: string) {}
}

class Story {
  drained = 0;
  asked = 0;
  down = 0;
  readonly #writes: (() => void)[] = [];
  readonly #rig: MasterRig;
  readonly #nodes = hosts.map(hostname => new Node(hostname));
  readonly #schedulers: FakeScheduler[] = [];
  readonly #answered = new Set<string>();
  readonly #acknowledged = new Set<string>();
  #tasks = 0;

  constructor() {
    this.#rig = new MasterRig({ store: new MemoryStore(run => void this.#writes.push(run)) });
    for (const name of ['one', 'two']) {
      const scheduler = this.#rig.scheduler({ name, capabilities: name === 'one' ? ['PARTITION_AWARE'] : [] });
      this.#sync(Number.POSITIVE_INFINITY);
      this.#schedulers.push(scheduler);
    }
  }

  tell(each: Step): void {
    this.#do(each);
    this.#rig.settle();
    this.#check();
  }

  end(): void {
    this.#sync(Number.POSITIVE_INFINITY);
    this.#check();
    const { master, store } = this.#rig;
    master.close();
    keepsPromises(master, new MasterRig({ store, masterId: 'N' }).master);
  }

  #do(each: Step): void {
    switch (each.type) {
      case 'start':
        return this.#start(this.#node(each.who));
      case 'launch':
        return this.#launch(this.#scheduler(each.who));
      case 'work':
        return this.#work(this.#node(each.who));
      case 'finish':
        return this.#finish(this.#node(each.who), 'TASK_FINISHED');
      case 'acknowledge':
        return this.#acknowledge(this.#scheduler(each.who));
      case 'answer':
        return this.#answer(this.#scheduler(each.who), each.accept);
      case 'lose':
        return this.#node(each.who).agent?.disconnect();
      case 'resubscribe': {
        const old = this.#scheduler(each.who);
        const { frameworkId } = old;
        old.disconnect();
        const capabilities = each.who === 0 ? (['PARTITION_AWARE'] as const) : [];
        const next = this.#rig.scheduler({ id: frameworkId, name: each.who === 0 ? 'one' : 'two', capabilities });
        this.#sync(Number.POSITIVE_INFINITY);
        this.#schedulers[each.who] = next;
        return undefined;
      }
      case 'sync':
        return this.#sync(each.writes);
      case 'advance':
        return this.#rig.advance(each.ms);
      case 'agent': {
        const { agentId } = this.#node(each.who);
        if (agentId === undefined) return undefined;
        return this.#operate(
          each.what === 'DRAIN_AGENT'
            ? { type: each.what, agentId, markGone: each.markGone }
            : { type: each.what as 'DEACTIVATE_AGENT', agentId },
        );
      }
      case 'schedule': {
        const { hostnames, startMs } = each;
        const windows = hostnames.length === 0 ? [] : [{ hostnames, unavailability: { startMs } }];
        return this.#operate({ type: 'UPDATE_MAINTENANCE', windows });
      }
      case 'machine':
        return this.#operate({ type: each.what as 'START_MAINTENANCE', hostnames: [each.host] });
    }
  }

  // Answers come when the write is durable, or not at all when the story ends before.
  #operate(call: OperatorCall): void {
    this.#rig.master.operate(call, () => {});
  }

  #start(node: Node): void {
    if (node.agent !== undefined && node.agent.closed === undefined) return;
    const agent = this.#rig.connectAgent();
    node.agent = agent;
    node.seen = 0;
    const tasks = Array.from(node.tasks, ([taskId, { frameworkId, ended }]) => ({
      frameworkId,
      task: task(taskId, { cpus: 0.1, mem: 32 }),
      state: ended ? ('TASK_FINISHED' as const) : ('TASK_RUNNING' as const),
    }));
    agent.register(
      { cpus: 4, mem: 4096 },
      {
        info: { hostname: node.hostname },
        tasks,
        ...(node.agentId === undefined ? {} : { agentId: node.agentId }),
      },
    );
  }

  #launch(scheduler: FakeScheduler): void {
    const open = [...this.#rig.master.view.offers.values()].find(offer => offer.frameworkId === scheduler.frameworkId);
    if (open === undefined) return;
    const tasks = [task(`t${this.#tasks}`, { cpus: 0.1, mem: 32 })];
    this.#tasks += 1;
    scheduler.accept([open.id], [{ type: 'LAUNCH', tasks }], 0);
  }

  /** The agent does what it was told. */
  #work(node: Node): void {
    const { agent } = node;
    if (agent === undefined) return;
    for (; node.seen < agent.events.length; node.seen += 1) {
      const event = agent.events[node.seen];
      switch (event?.type) {
        case 'REGISTERED':
          node.agentId = event.agentId;
          for (const { frameworkId, taskId } of event.reconcile)
            agent.status(frameworkId, taskId, 'TASK_DROPPED', { reason: 'AGENT_DISCONNECTED' });
          break;
        case 'LAUNCH':
          for (const { taskId } of event.tasks) {
            node.tasks.set(taskId, { frameworkId: event.framework.id ?? '', ended: false });
            agent.status(event.framework.id ?? '', taskId, 'TASK_RUNNING');
          }
          break;
        case 'DRAIN':
          this.#finish(node, 'TASK_KILLED');
          break;
        case 'KILL':
          this.#end(node, event.taskId, 'TASK_KILLED');
          break;
        case 'ACKNOWLEDGE':
          if (node.tasks.get(event.taskId)?.ended === true) node.tasks.delete(event.taskId);
          break;
        case 'SHUTDOWN':
          node.tasks.clear();
          node.agentId = undefined;
          agent.disconnect();
          return;
        default:
      }
    }
  }

  #finish(node: Node, how: 'TASK_FINISHED' | 'TASK_KILLED'): void {
    for (const taskId of node.tasks.keys()) this.#end(node, taskId, how);
  }

  #end(node: Node, taskId: TaskId, how: 'TASK_FINISHED' | 'TASK_KILLED'): void {
    const known = node.tasks.get(taskId);
    if (known === undefined || known.ended || node.agent?.closed !== undefined) return;
    known.ended = true;
    const why = how === 'TASK_KILLED' ? { reason: 'AGENT_DRAINING' as const } : {};
    node.agent?.status(known.frameworkId, taskId, how, why);
  }

  #acknowledge(scheduler: FakeScheduler): void {
    for (const { taskId, agentId, uuid } of scheduler.updates) {
      if (uuid === undefined || agentId === undefined || this.#acknowledged.has(uuid)) continue;
      this.#acknowledged.add(uuid);
      scheduler.call({ type: 'ACKNOWLEDGE', taskId, agentId, uuid });
    }
  }

  #answer(scheduler: FakeScheduler, accept: boolean): void {
    const inverseOfferIds = this.#held(scheduler);
    for (const id of inverseOfferIds) this.#answered.add(id);
    const type = accept ? 'ACCEPT_INVERSE_OFFERS' : 'DECLINE_INVERSE_OFFERS';
    if (inverseOfferIds.length > 0) assert.deepEqual(scheduler.ask({ type, inverseOfferIds }), []);
  }

  /** Inverse offers the scheduler has to answer, by what it was told. */
  #held(scheduler: FakeScheduler): string[] {
    const gone = new Set(scheduler.got('RESCIND_INVERSE_OFFERS').flatMap(event => event.inverseOfferIds));
    return scheduler
      .got('INVERSE_OFFERS')
      .flatMap(event => event.inverseOffers.map(({ id }) => id))
      .filter(id => !gone.has(id) && !this.#answered.has(id));
  }

  #check(): void {
    const { agents, offers, maintenance, inverseOffers, frameworks } = this.#rig.master.view;
    for (const { agentId } of offers.values()) {
      const agent = agents.get(agentId);
      assert.equal(agent?.state, 'REGISTERED', 'an offer of an agent that is not registered');
      assert.equal(agent.admin.activity, 'ACTIVE', 'an offer of an agent that is not active');
    }
    for (const agent of agents.values()) {
      const { hostname } = agent.info;
      if (agent.state !== 'UNREACHABLE')
        assert.ok(!maintenance.down.has(hostname), 'an agent of a machine that is down');
      const live = [...agent.tasks].filter(each => each.holds && !isTerminal(each.state));
      if (agent.admin.activity === 'DRAINED' && agent.state === 'REGISTERED') {
        this.drained += 1;
        assert.deepEqual(live, [], 'a task on a drained agent');
      }
      const inWindow = maintenance.byHost.has(hostname) && agent.state === 'REGISTERED';
      const users = new Set([...agent.tasks].filter(each => each.holds).map(each => each.frameworkId));
      for (const frameworkId of users) {
        if (inWindow && frameworks.get(frameworkId)?.state === 'ACTIVE')
          assert.ok(agent.inverse.has(frameworkId), 'a user of a machine in a window was not asked');
      }
      for (const [frameworkId, { outstanding }] of agent.inverse) {
        assert.ok(inWindow && users.has(frameworkId), 'somebody is asked who uses nothing there');
        if (outstanding !== undefined) assert.equal(inverseOffers.get(outstanding)?.agentId, agent.id);
      }
    }
    for (const scheduler of this.#schedulers) {
      const { frameworkId } = scheduler;
      const mine = [...inverseOffers].filter(([, record]) => record.frameworkId === frameworkId).map(([id]) => id);
      assert.deepEqual(
        this.#held(scheduler).toSorted(),
        mine.toSorted(),
        'what it was asked is not what the master waits for',
      );
      this.asked += mine.length;
    }
    this.down += maintenance.down.size;
  }

  #sync(most: number): void {
    for (let i = 0; i < most && this.#writes.length > 0; i += 1) {
      this.#writes.shift()?.();
      this.#rig.settle();
    }
  }

  #node(index: number): Node {
    return this.#nodes[index] as Node;
  }

  #scheduler(index: number): FakeScheduler {
    return this.#schedulers[index] as FakeScheduler;
  }
}

/** What operators were told has to outlive the master; agents that the next one waits for in vain do no harm. */
function keepsPromises(before: Master, after: Master): void {
  for (const { id, admin } of before.view.agents.values())
    assert.deepEqual(after.view.agents.get(id)?.admin, admin, id);
  for (const id of before.view.goneAgents.keys()) assert.ok(after.view.goneAgents.has(id), id);
  assert.deepEqual(after.view.maintenance, before.view.maintenance);
}
