// Random stories of reservations, volumes, quota and accepts, with agents that carry out operations late, fail them or are lost meanwhile. After each step
// the books hold: R1, R2, R3, R5, R10, R11, R12, R15 of the master and the allocator alike; at the end master and agents have the same resources.
import assert from 'node:assert/strict';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { definePolicy } from '../../src/allocator/policies/index.js';
import { heldOn } from '../../src/master/books.js';
import { consumedOf, inPool, roleUsage } from '../../src/master/role-use.js';
import type { AgentTask } from '../../src/protocol/agent-api.js';
import type { Offer, OperationStatus } from '../../src/protocol/entities.js';
import type { OperatorCall } from '../../src/protocol/operator-api.js';
import type { Operation } from '../../src/protocol/scheduler-api.js';
import type { Bag, Conversion, Resource } from '../../src/resources/index.js';
import {
  add,
  bagOf,
  contains,
  convert,
  describeResources,
  equals,
  exclusive,
  fromBag,
  isAncestorOrSelf,
  nonRevocable,
  quantities,
  shared,
  subtract,
  volumesOf,
} from '../../src/resources/index.js';
import type { FakeAgent, FakeScheduler } from '../support/master-rig.js';
import { frameworkInfo, MasterRig, task } from '../support/master-rig.js';
import { holds } from '../support/property.js';

const roles = ['ads', 'ads/video', 'web'] as const;
const role = fc.constantFrom(...roles);
const index = fc.nat({ max: 5 });
const volume = fc.constantFrom('v0', 'v1');
const cpus = fc.constantFrom(0.1, 0.5, 1, 3);
const disk = fc.constantFrom(0.5, 10, 40);

const unreserving = fc.record({ type: fc.constant('UNRESERVE' as const), pick: index });
const destroying = fc.record({ type: fc.constant('DESTROY' as const), id: volume });
const wish = fc.oneof(
  fc.record({ type: fc.constant('RESERVE' as const), cpus, disk, role: fc.option(role), refine: fc.boolean() }),
  // Twice, as most of these find nothing to undo.
  unreserving,
  unreserving,
  fc.record({ type: fc.constant('CREATE' as const), id: volume, disk, shared: fc.boolean() }),
  destroying,
  destroying,
  fc.record({ type: fc.constantFrom('GROW_VOLUME' as const, 'SHRINK_VOLUME' as const), id: volume, disk }),
  fc.record({
    type: fc.constant('LAUNCH' as const),
    id: index,
    cpus,
    volume: fc.boolean(),
    group: fc.boolean(),
    executor: fc.boolean(),
  }),
);
type Wish = typeof wish extends fc.Arbitrary<infer W> ? W : never;

const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ type: fc.constant('subscribe' as const), who: index, again: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('register' as const), who: index, again: fc.boolean() }) },
  {
    weight: 10,
    arbitrary: fc.record({
      type: fc.constant('accept' as const),
      pick: index,
      both: fc.boolean(),
      wishes: fc.array(fc.record({ wish, named: fc.boolean() }), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('answer' as const), who: index, fail: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('end' as const), who: index, pick: index }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('acknowledge' as const), who: index }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('operate' as const), who: index, wish, role }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('quota' as const),
      role,
      limit: fc.constantFrom(0, 2.5, 8, 20),
      guarantee: fc.constantFrom(0, 1),
      force: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('weigh' as const), role, weight: fc.constantFrom(1, 3) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('estimate' as const), who: index, cpus: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('lose' as const), who: index, agent: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('teardown' as const), who: index }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('advance' as const), ms: fc.constantFrom(60, 60, 1_000, 31_000, 80_000) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

for (const commit of ['pessimistic', 'optimistic:fit,incremental', 'optimistic:sequence,all-or-nothing']) {
  test(`books hold through any operations (${commit})`, t => {
    const seen = new Map<string, number>();
    holds(
      t,
      fc.property(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), steps => {
        const story = new Story(commit, seen);
        for (const each of steps) story.tell(each);
        story.end();
      }),
      { numRuns: 120 },
    );
    if (process.env['PROFFER_SEEN'] !== undefined) t.log(seen);
    enough(t, seen, commit);
  });
}

/** A run that shows nothing is no proof. */
function enough(t: ExecutionContext, seen: ReadonlyMap<string, number>, commit: string): void {
  const least = ['LAUNCH', 'RESERVE', 'UNRESERVE', 'CREATE', 'DESTROY', 'FAILED', 'RESCIND', 'OPERATOR'];
  if (commit !== 'pessimistic') least.push('CONFLICT');
  for (const what of least) t.true((seen.get(what) ?? 0) >= 1, `${what} happened ${seen.get(what) ?? 0} times`);
}

/** A machine: what it has is what it has carried out, whatever the master believes. */
class Host {
  agent: FakeAgent;
  total: Bag;
  revocable: Bag = [];
  readonly running = new Map<string, AgentTask>();
  readonly unacknowledged = new Map<string, OperationStatus>();
  /** Events of the present connection that it has read. */
  #read = 0;

  constructor(agent: FakeAgent, total: Bag) {
    this.agent = agent;
    this.total = total;
  }

  get id(): string | undefined {
    return this.agent.got('REGISTERED').at(-1)?.agentId;
  }

  get all(): Bag {
    return add(this.total, this.revocable);
  }

  reconnected(agent: FakeAgent): void {
    this.agent = agent;
    this.#read = 0;
  }

  /** Reads what the master sent until there is an operation, and carries that out. */
  work(fail: boolean): 'FINISHED' | 'FAILED' | undefined {
    for (; this.#read < this.agent.events.length; ) {
      const event = this.agent.events[this.#read];
      this.#read += 1;
      if (event === undefined) return undefined;
      if (event.type === 'ACKNOWLEDGE_OPERATION') this.unacknowledged.delete(event.uuid);
      if (event.type === 'LAUNCH') {
        for (const launched of event.tasks) {
          const frameworkId = event.framework.id ?? '';
          const state = 'TASK_RUNNING' as const;
          this.running.set(`${frameworkId} ${launched.taskId}`, { frameworkId, task: launched, state });
        }
      }
      if (event.type !== 'APPLY_OPERATION') continue;
      const conversion = { consumed: bagOf(event.consumed), produced: bagOf(event.produced) };
      assert.deepEqual(quantities(conversion.consumed), quantities(conversion.produced), 'amounts stay');
      const can = !fail && this.#can(conversion);
      if (can) this.total = convert(this.total, conversion);
      const status = this.agent.operated(can ? 'OPERATION_FINISHED' : 'OPERATION_FAILED', event.uuid);
      this.unacknowledged.set(event.uuid, status);
      if (!can) this.tell();
      return can ? 'FINISHED' : 'FAILED';
    }
    return undefined;
  }

  #can({ consumed, produced }: Conversion): boolean {
    if (!contains(this.total, consumed)) return false;
    const stay = volumesOf(subtract(this.total, consumed)).map(found => found.volume.id);
    return volumesOf(produced).every(found => !stay.includes(found.volume.id));
  }

  tell(): void {
    this.agent.raw({ type: 'UPDATE_RESOURCES', resources: fromBag(this.all) });
  }
}

class Story {
  readonly rig: MasterRig;
  readonly schedulers: FakeScheduler[] = [];
  readonly hosts: Host[] = [];
  readonly consumed = new Map<string, number>();
  readonly optimistic: boolean;
  readonly seen: Map<string, number>;
  #ids = 0;
  #failed = false;

  constructor(commit: string, seen: Map<string, number>) {
    this.rig = new MasterRig({ allocator: { policy: definePolicy({ commit }) } });
    this.optimistic = commit !== 'pessimistic';
    this.seen = seen;
    for (const who of [0, 3, 4]) this.#subscribe({ type: 'subscribe', who, again: false });
    for (const who of [0, 1]) this.#register({ type: 'register', who, again: false });
    this.#check(false);
  }

  tell(step: Step): void {
    // What agents bring or take is not the master's to limit.
    let limited = true;
    switch (step.type) {
      case 'subscribe':
        this.#subscribe(step);
        break;
      case 'register':
        this.#register(step);
        limited = false;
        break;
      case 'accept':
        this.#accept(step);
        break;
      case 'answer': {
        const outcome = pick(this.#connected(), step.who)?.work(step.fail);
        if (outcome === 'FAILED') {
          this.#saw('FAILED');
          this.#failed = true;
        }
        limited = false;
        break;
      }
      case 'end': {
        const host = pick(this.#connected(), step.who);
        const ended = pick([...(host?.running.values() ?? [])], step.pick);
        if (host === undefined || ended === undefined) break;
        host.running.delete(`${ended.frameworkId} ${ended.task.taskId}`);
        host.agent.status(ended.frameworkId, ended.task.taskId, 'TASK_FINISHED');
        break;
      }
      case 'acknowledge': {
        const scheduler = pick(this.schedulers, step.who);
        for (const { operationId, agentId, uuid } of scheduler?.operations ?? []) {
          if (operationId === undefined || agentId === undefined || uuid === undefined) continue;
          scheduler?.call({ type: 'ACKNOWLEDGE_OPERATION', operationId, agentId, uuid });
        }
        break;
      }
      case 'operate':
        this.#operate(step);
        break;
      case 'quota': {
        const quotas = [{ role: step.role, limits: { cpus: step.limit }, guarantees: { cpus: step.guarantee } }];
        this.rig.operate({ type: 'UPDATE_QUOTA', quotas, force: step.force });
        break;
      }
      case 'weigh':
        this.rig.operate({ type: 'UPDATE_WEIGHTS', weights: [{ role: step.role, weight: step.weight }] });
        break;
      case 'estimate': {
        const host = pick(this.#connected(), step.who);
        if (host === undefined) break;
        host.revocable = bagOf({ 'cpus{revocable}': step.cpus });
        host.tell();
        limited = false;
        break;
      }
      case 'lose':
        pick<{ disconnect(): void }>(
          step.agent ? this.hosts.map(host => host.agent) : this.schedulers,
          step.who,
        )?.disconnect();
        break;
      case 'teardown': {
        const view = pick(this.rig.master.views.frameworks(), step.who);
        if (view !== undefined) this.rig.operate({ type: 'TEARDOWN', frameworkId: view.id });
        break;
      }
      case 'advance':
        this.rig.advance(step.ms);
        limited = false;
        break;
      default:
        step satisfies never;
    }
    this.#check(limited);
  }

  /** When all operations are carried out, master and agents have the same. */
  end(): void {
    for (const host of this.#connected()) while (host.work(false) !== undefined);
    this.#check(false);
    for (const host of this.#connected()) {
      const known = this.rig.master.view.agents.get(host.id ?? '');
      if (known === undefined) continue;
      const both = `${describeResources(known.total)}, and the agent has ${describeResources(host.all)}`;
      assert.ok(equals(known.total, host.all), `the master believes ${both}`);
    }
    for (const scheduler of this.schedulers) this.#saw('RESCIND', scheduler.got('RESCIND').length);
  }

  #subscribe(step: Extract<Step, { type: 'subscribe' }>): void {
    const before = pick(this.schedulers, step.who);
    const id = step.again ? before?.got('SUBSCRIBED').at(-1)?.frameworkId : undefined;
    const capabilities = ['PARTITION_AWARE', 'SHARED_RESOURCES', 'REVOCABLE_RESOURCES'] as const;
    const info = {
      roles: step.who < 3 ? roles : [roles[step.who - 3] ?? 'ads'],
      capabilities: step.who === 4 ? [] : capabilities,
      failoverTimeoutMs: 20_000,
    };
    this.schedulers.push(this.rig.scheduler(id === undefined ? info : { ...info, id }));
  }

  #register(step: Extract<Step, { type: 'register' }>): void {
    const host = step.again ? pick(this.hosts, step.who) : undefined;
    if (host?.id === undefined) {
      if (this.hosts.length > 2) return;
      const total = bagOf({ cpus: 4, mem: 1024, disk: 100, 'disk(web)': 50, 'cpus(ads)': 1 });
      this.hosts.push(new Host(this.rig.agent(fromBag(total)), total));
      return;
    }
    const tasks = [...host.running.values()];
    const frameworks = [...new Set(tasks.map(each => each.frameworkId))].map(id => frameworkInfo({ id, roles }));
    const operations = [...host.unacknowledged.values()];
    host.reconnected(this.rig.agent(fromBag(host.all), { agentId: host.id, tasks, frameworks, operations }));
  }

  #accept(step: Extract<Step, { type: 'accept' }>): void {
    const { view } = this.rig.master;
    const chosen = pick([...view.offers.keys()], step.pick);
    const scheduler = this.schedulers.find(each => each.offers.some(held => held.id === chosen));
    const open = scheduler?.offers.filter(each => view.offers.has(each.id)) ?? [];
    const offer = open.find(each => each.id === chosen);
    if (scheduler === undefined || offer === undefined) return;
    const offers = [offer];
    const beside = open.find(
      each => each.id !== offer.id && each.agentId === offer.agentId && each.role === offer.role,
    );
    if (step.both && beside !== undefined) offers.push(beside);
    const operations = step.wishes.flatMap(({ wish: wanted, named }) => this.#operation(offer, wanted, named));
    const before = this.hosts.map(host => host.agent.events.length);
    scheduler.call({ type: 'ACCEPT', offerIds: offers.map(each => each.id), operations, filters: { refuseMs: 0 } });
    for (const [i, host] of this.hosts.entries()) {
      for (const event of host.agent.events.slice(before[i])) {
        if (event.type === 'APPLY_OPERATION') this.#saw(event.kind);
        if (event.type === 'LAUNCH') this.#saw('LAUNCH', event.tasks.length);
      }
    }
    for (const event of scheduler.got('ERROR'))
      if (event.problems.some(found => found.code === 'OFFER_CONFLICT')) this.#saw('CONFLICT');
    this.rig.advance(60);
  }

  #operation(offer: Offer, wanted: Wish, named: boolean): Operation[] {
    this.#ids += 1;
    const id = named ? { id: `op${this.#ids}` } : {};
    const offered = bagOf(offer.resources);
    const volumes = volumesOf(offered);
    // Mostly what is there, so that most of it succeeds.
    const volumeId = (other: string): string => pick(volumes, this.#ids)?.volume.id ?? other;
    switch (wanted.type) {
      case 'RESERVE': {
        const above = wanted.refine ? offered.find(r => r.name === 'cpus' && r.label.role === 'ads') : undefined;
        const resources = above === undefined ? { cpus: wanted.cpus, disk: wanted.disk } : { [above.key]: wanted.cpus };
        const to = wanted.role ?? (above === undefined ? offer.role : 'ads/video');
        return [{ type: 'RESERVE', ...id, resources, reservation: { role: to } }];
      }
      case 'UNRESERVE': {
        const one = pick(offered.filter(isDynamic), wanted.pick);
        return one === undefined ? [] : [{ type: 'UNRESERVE', ...id, resources: fromBag([one]) }];
      }
      case 'CREATE': {
        const spec = { id: wanted.id, disk: wanted.disk, containerPath: 'data', shared: wanted.shared };
        return [{ type: 'CREATE', ...id, volumes: [spec] }];
      }
      case 'DESTROY':
        return [{ type: 'DESTROY', ...id, volumeIds: [volumeId(wanted.id)] }];
      case 'GROW_VOLUME':
        return [{ type: 'GROW_VOLUME', ...id, volumeId: volumeId(wanted.id), disk: wanted.disk }];
      case 'SHRINK_VOLUME':
        return [{ type: 'SHRINK_VOLUME', ...id, volumeId: volumeId(wanted.id), disk: wanted.disk }];
      case 'LAUNCH': {
        const own = wanted.volume ? fromBag(volumes.slice(0, 1).map(found => found.resource)) : {};
        const mem = offered.some(r => r.name === 'mem') ? { mem: 16 } : {};
        const one = task(`t${wanted.id}`, { cpus: wanted.cpus, ...mem, ...own });
        if (wanted.group) return [{ type: 'LAUNCH_GROUP', tasks: [one] }];
        if (!wanted.executor) return [{ type: 'LAUNCH', tasks: [one] }];
        const { command, ...rest } = one;
        const executor = { executorId: 'e', command: command ?? {}, resources: { cpus: 0.1 } };
        return [{ type: 'LAUNCH', tasks: [{ ...rest, executor }] }];
      }
      default:
        return wanted satisfies never;
    }
  }

  #operate(step: Extract<Step, { type: 'operate' }>): void {
    const host = pick(this.hosts, step.who);
    const agentId = host?.id;
    if (host === undefined || agentId === undefined) return;
    const of = { agentId, role: step.role };
    const { wish: wanted } = step;
    const calls: OperatorCall[] = [];
    if (wanted.type === 'RESERVE')
      calls.push({ type: 'RESERVE', agentId, resources: { cpus: wanted.cpus }, reservation: { role: step.role } });
    if (wanted.type === 'UNRESERVE') {
      const reserved = host.total.filter(isDynamic);
      const one = pick(reserved, wanted.pick);
      if (one !== undefined) calls.push({ type: 'UNRESERVE', agentId, resources: fromBag([one]) });
    }
    if (wanted.type === 'CREATE')
      calls.push({
        type: 'CREATE_VOLUMES',
        ...of,
        volumes: [{ id: wanted.id, disk: wanted.disk, containerPath: 'x' }],
      });
    if (wanted.type === 'DESTROY') calls.push({ type: 'DESTROY_VOLUMES', ...of, volumeIds: [wanted.id] });
    if (wanted.type === 'GROW_VOLUME' || wanted.type === 'SHRINK_VOLUME')
      calls.push({ type: wanted.type, ...of, volumeId: wanted.id, disk: wanted.disk });
    for (const call of calls) if (this.rig.operate(call).length === 0) this.#saw('OPERATOR');
  }

  #connected(): Host[] {
    return this.hosts.filter(host => host.agent.closed === undefined && host.id !== undefined);
  }

  #check(limited: boolean): void {
    this.rig.checkBooks();
    const { view } = this.rig.master;
    for (const agent of view.agents.values()) {
      if (!inPool(agent)) continue;
      // Adding asserts that no volume and no port is there twice (R11).
      const own = add(heldOn(agent), exclusive(agent.free));
      const total = exclusive(agent.total);
      // A volume that the agent could not destroy is there again, and what its disk was given to runs on.
      const even = agent.overbooked ? this.#failed || contains(own, total) : equals(own, total);
      assert.ok(even, even ? '' : `${agent.id}: ${describeResources(own)} of ${describeResources(total)}`);
      if (!agent.overbooked) assert.ok(equals(shared(agent.free), shared(agent.total)), 'what is shared is free');
      const firm = nonRevocable(heldOn(agent));
      const lost = agent.overbooked && !this.#failed && !contains(agent.total, firm);
      assert.ok(!lost, `more is held on ${agent.id} than there is of what is not revocable`);
      const volumes = volumesOf(agent.total).map(found => `${found.resource.label.role} ${found.volume.id}`);
      assert.equal(new Set(volumes).size, volumes.length, 'an id of a volume is unique per role');
      for (const offer of agent.offers) {
        assert.equal(agent.state, 'REGISTERED');
        for (const r of offer.resources)
          assert.ok(
            r.label.role === undefined || isAncestorOrSelf(r.label.role, offer.role),
            'offered to whom it is for',
          );
      }
    }
    this.#checkQuota(limited);
  }

  /** Nothing grows beyond a limit; master and allocator count alike. */
  #checkQuota(limited: boolean): void {
    const { view } = this.rig.master;
    const usage = roleUsage(view);
    for (const name of roles) {
      const consumed = consumedOf(usage.get(name), true);
      if (!this.optimistic) {
        const counted = [...this.rig.allocator.consumed(name)].filter(([, milli]) => milli > 0).toSorted(byName);
        assert.deepEqual(
          counted,
          [...consumed].filter(([, milli]) => milli > 0).toSorted(byName),
          `consumption of ${name}`,
        );
      }
      const limit = view.quotas.get(name)?.limits.get('cpus');
      const now = consumed.get('cpus') ?? 0;
      const before = this.consumed.get(name) ?? 0;
      if (limit !== undefined && limited)
        assert.ok(now <= Math.max(limit, before), `${name} grew to ${now} of ${limit}`);
      this.consumed.set(name, now);
    }
  }

  #saw(what: string, times = 1): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + times);
  }
}

function isDynamic({ label }: Resource): boolean {
  return label.reservations.at(-1)?.type === 'DYNAMIC' && label.volume === undefined;
}

function pick<T>(items: readonly T[], at: number): T | undefined {
  return items.length === 0 ? undefined : items[at % items.length];
}

function byName([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return a < b ? -1 : 1;
}
