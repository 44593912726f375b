// Whatever comes while writes are under way, and whenever the master dies: once all is durable the registry says what the master knows, nobody who was
// told that it is in is out for the next master, and who was ended stays so. In: random stories over a disk that takes its time. Out: both, compared.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type { FrameworkId } from '../../src/base/ids.js';
import type { FrameworkInfo } from '../../src/protocol/entities.js';
import type { ClusterView } from '../../src/master/state.js';
import type { FakeScheduler } from '../support/master-rig.js';
import { frameworkInfo, MasterRig, task } from '../support/master-rig.js';
import { Node } from '../support/lasting-peers.js';
import { holds } from '../support/property.js';
import { SlowStore } from '../support/slow-store.js';

const kinds = {
  sync: 8,
  subscribe: 5,
  disconnect: 3,
  teardown: 1,
  'teardown by an operator': 1,
  update: 2,
  start: 1,
  register: 2,
  'lose an agent': 1,
  launch: 2,
  work: 4,
  operate: 2,
  unregister: 1,
  advance: 3,
  crash: 1,
} as const;
type Kind = keyof typeof kinds;

const step = fc.record({
  kind: fc.constantFrom(...Object.entries(kinds).flatMap(([kind, weight]) => Array<Kind>(weight).fill(kind as Kind))),
  who: fc.nat({ max: 7 }),
  how: fc.nat({ max: 11 }),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

test('over a disk that takes its time, registry and master come to the same, and the next master knows who was in', t => {
  const seen: Seen = { ended: 0, live: 0, crashes: 0, returns: 0, forgotten: 0 };
  holds(
    t,
    fc.property(
      fc.array(step, { minLength: 30, maxLength: 140, size: 'max' }),
      fc.constantFrom(2, 50),
      (steps, completedFrameworksMax) => {
        const story = new Story(completedFrameworksMax, seen);
        for (const each of steps) story.tell(each);
        story.quiet();
        story.compare();
      },
    ),
    { numRuns: 500, includeErrorInReport: true },
  );
  // Stories in which nothing of this is there show nothing.
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 5, `${count} ${what}`);
  t.pass();
});

/** The call id of teardowns. */
const goodbye = 1e9;

/** How often stories had what they are about. */
interface Seen {
  ended: number;
  live: number;
  crashes: number;
  returns: number;
  forgotten: number;
}

class Story {
  readonly #store = new SlowStore();
  readonly #options: { readonly completedFrameworksMax: number };
  readonly #seen: Seen;
  #rig: MasterRig;
  #masters = 0;
  #tasks = 0;
  #schedulers: FakeScheduler[] = [];
  readonly #nodes: Node[] = [];
  readonly #heard = new Set<FakeScheduler>();
  readonly #ids: FrameworkId[] = [];
  /** Somebody has asked for their end. */
  readonly #doomed = new Set<FrameworkId>();
  /** And was told that it is so. */
  readonly #ended = new Set<FrameworkId>();

  constructor(completedFrameworksMax: number, seen: Seen) {
    this.#options = { completedFrameworksMax };
    this.#seen = seen;
    this.#rig = this.#master();
  }

  tell({ kind, who, how }: Step): void {
    const ended = new Set(this.#ended);
    this.#act(kind, who, how);
    this.#listen(ended);
  }

  /** All that is under way becomes durable, and what it leads to. */
  quiet(): void {
    for (let rounds = 0; this.#store.waiting > 0; rounds += 1) {
      assert.ok(rounds < 1000, 'writes lead to writes for ever');
      this.tell({ kind: 'sync', who: 0, how: 2 });
    }
  }

  /** The registry and what the master knows. */
  compare(): void {
    const { view } = this.#rig.master;
    const live = this.#kept('framework/');
    assert.deepEqual(live, described(view.frameworks), 'live frameworks');
    assert.deepEqual(
      [...this.#kept('completed-framework/').keys()],
      sorted(view.completedFrameworks.keys()),
      'ended ones',
    );
    const idle = [...view.completedFrameworks.values()].filter(({ holds: count }) => count === 0);
    const max = this.#options.completedFrameworksMax;
    if (view.completedFrameworks.size > max) assert.ok(idle.length <= max, `${idle.length} of ${max} are remembered`);
    for (const id of view.frameworks.keys()) this.#mustNotRise(id);
    this.#seen.live += view.frameworks.size;
    this.#seen.ended += view.completedFrameworks.size;
  }

  #act(kind: Kind, who: number, how: number): void {
    const rig = this.#rig;
    const scheduler = pick(this.#schedulers, who);
    const node = pick(this.#nodes, who);
    switch (kind) {
      case 'sync':
        return this.#sync(1 + (how % 3));
      case 'subscribe': {
        const id = how < 8 ? pick(this.#ids, who) : undefined;
        const peer = rig.connectScheduler();
        this.#schedulers.push(peer);
        return peer.subscribe({ ...this.#info(how), ...(id === undefined ? {} : { id }) });
      }
      case 'disconnect':
        return scheduler?.disconnect();
      case 'teardown':
        return this.#subscribed(scheduler, peer => {
          this.#doomed.add(peer.frameworkId);
          peer.call({ type: 'TEARDOWN', callId: goodbye });
          // And what was said right behind it.
          if (how < 4) peer.call({ type: 'UPDATE_FRAMEWORK', framework: { ...this.#info(how), id: peer.frameworkId } });
        });
      case 'teardown by an operator': {
        const frameworkId = pick([...rig.master.view.frameworks.keys()], who);
        if (frameworkId === undefined) return;
        this.#doomed.add(frameworkId);
        rig.master.operate({ type: 'TEARDOWN', frameworkId }, problems => {
          if (problems.length === 0) this.#ended.add(frameworkId);
        });
        return rig.settle();
      }
      case 'update':
        return this.#subscribed(scheduler, peer =>
          peer.call({ type: 'UPDATE_FRAMEWORK', framework: { ...this.#info(how), id: peer.frameworkId } }),
        );
      case 'start': {
        if (this.#nodes.length >= 3) return;
        const fresh = new Node(`host${this.#nodes.length}`, { cpus: 4, mem: 4096 });
        this.#nodes.push(fresh);
        return fresh.register(rig);
      }
      case 'register':
        return node?.register(rig);
      case 'lose an agent':
        return node?.peer?.disconnect();
      case 'launch':
        return this.#subscribed(scheduler, peer => {
          const open = new Set(rig.master.views.offers().map(({ id }) => id));
          const offer = peer.offers.find(({ id }) => open.has(id));
          if (offer === undefined) return;
          this.#tasks += 1;
          peer.accept([offer.id], [{ type: 'LAUNCH', tasks: [task(`t${this.#tasks}`, { cpus: 0.1, mem: 32 })] }], 0);
        });
      case 'work':
        node?.work();
        return;
      case 'operate': {
        const agentId = pick([...rig.master.view.agents.keys()], who);
        if (agentId === undefined) return;
        const call = (
          [
            { type: 'DRAIN_AGENT', agentId },
            { type: 'DRAIN_AGENT', agentId, markGone: true },
            { type: 'DEACTIVATE_AGENT', agentId },
            { type: 'REACTIVATE_AGENT', agentId },
            { type: 'REACTIVATE_AGENT', agentId },
            { type: 'MARK_AGENT_GONE', agentId },
          ] as const
        )[how % 6];
        if (call !== undefined) rig.master.operate(call, () => {});
        return rig.settle();
      }
      case 'unregister':
        if (how < 3 && node?.peer?.closed === undefined) node?.peer?.raw({ type: 'UNREGISTER', message: 'going' });
        return;
      case 'advance':
        return rig.advance([50, 1000, 16_000, 31_000, 80_000, 700_000][how % 6] ?? 0);
      case 'crash':
        return this.#crash(how);
    }
  }

  #master(): MasterRig {
    this.#masters += 1;
    return new MasterRig({
      store: this.#store,
      masterId: `M${this.#masters}`,
      options: {
        ...this.#options,
        unreachableAgentsMax: 2,
        absentAgentsKeptMs: 900_000,
        unreachableTasksMax: 3,
        completedTasksMax: 4,
      },
    });
  }

  #sync(count: number): void {
    this.#store.sync(count);
    this.#rig.settle();
  }

  // A prefix of what was under way survives it.
  #crash(survivors: number): void {
    const { view } = this.#rig.master;
    const nowMs = this.#rig.clock.now();
    const waitedFor = [...view.frameworks.values()].filter(
      ({ id, state, failoverAtMs = 0 }) => !this.#doomed.has(id) && (state === 'ACTIVE' || failoverAtMs > nowMs),
    );
    const told = this.#schedulers.flatMap(peer => (peer.closed === undefined ? subscriptionOf(peer) : []));
    this.#rig.master.close();
    this.#store.crash(survivors);
    this.#schedulers = [];
    this.#rig = this.#master();
    const after = this.#rig.master.view;
    for (const id of [...told.filter(one => !this.#doomed.has(one)), ...waitedFor.map(({ id: one }) => one)])
      assert.ok(after.frameworks.has(id), `the next master does not know ${id}`);
    for (const id of after.frameworks.keys()) this.#mustNotRise(id);
    this.#seen.crashes += 1;
  }

  // Unless so many ended after it that it was forgotten.
  #mustNotRise(id: FrameworkId): void {
    if (this.#options.completedFrameworksMax === 50) assert.ok(!this.#ended.has(id), `${id} rises again`);
    else if (this.#ended.delete(id)) this.#seen.forgotten += 1;
  }

  #listen(endedBefore: ReadonlySet<FrameworkId>): void {
    for (const peer of this.#schedulers) {
      for (const id of subscriptionOf(peer)) {
        if (this.#heard.has(peer)) continue;
        this.#heard.add(peer);
        if (this.#ids.includes(id)) this.#seen.returns += 1;
        else this.#ids.push(id);
        if (endedBefore.has(id)) this.#mustNotRise(id);
      }
      if (!peer.got('ANSWERED').some(({ callId, problems }) => callId === goodbye && problems.length === 0)) continue;
      for (const id of subscriptionOf(peer)) this.#ended.add(id);
    }
    this.#schedulers = this.#schedulers.filter(({ closed }) => closed === undefined);
  }

  #subscribed(peer: FakeScheduler | undefined, then: (peer: FakeScheduler) => void): void {
    if (peer !== undefined && peer.closed === undefined && subscriptionOf(peer).length > 0) then(peer);
  }

  #info(how: number): FrameworkInfo {
    const failoverTimeoutMs = [0, 30_000, 3_600_000][how % 3] ?? 0;
    return frameworkInfo({ failoverTimeoutMs, ...(how % 4 === 0 ? { labels: { how: String(how) } } : {}) });
  }

  #kept(prefix: string): ReadonlyMap<FrameworkId, FrameworkInfo> {
    return new Map(
      this.#store
        .load(prefix)
        .map(({ key, value }) => [key.slice(prefix.length), (value as { info: FrameworkInfo }).info]),
    );
  }
}

function described(frameworks: ClusterView['frameworks']): ReadonlyMap<FrameworkId, FrameworkInfo> {
  return new Map(sorted(frameworks.keys()).map(id => [id, frameworks.get(id)?.info ?? frameworkInfo()]));
}

function subscriptionOf(peer: FakeScheduler): FrameworkId[] {
  return peer.got('SUBSCRIBED').map(({ frameworkId }) => frameworkId);
}

function sorted(ids: Iterable<FrameworkId>): FrameworkId[] {
  return [...ids].toSorted((a, b) => (a < b ? -1 : 1));
}

function pick<T>(items: readonly T[], at: number): T | undefined {
  return items.length === 0 ? undefined : items[at % items.length];
}
