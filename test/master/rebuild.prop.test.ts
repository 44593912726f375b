// What a master knew before a failover its successor knows after it, from the registry and the agents that register again: the same dump.
// In: random stories of launches, operations, operators and reconnects. Out: two dumps that are equal.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type { AgentId, FrameworkId, Role } from '../../src/base/ids.js';
import { must } from '../../src/base/assert.js';
import type { OperatorCall } from '../../src/protocol/operator-api.js';
import type { Resources } from '../../src/resources/index.js';
import { bagOf, formatResources, sumTotals } from '../../src/resources/index.js';
import { Node, Scheduler } from '../support/lasting-peers.js';
import type { FakeScheduler } from '../support/master-rig.js';
import { MasterRig, task } from '../support/master-rig.js';
import { holds } from '../support/property.js';

const index = fc.nat({ max: 3 });
const roles = fc.constantFrom<readonly Role[]>(['*'], ['ads'], ['ads', 'web/shop']);
const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ type: fc.constant('subscribe' as const), roles }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('start' as const), cpus: fc.constantFrom(2, 4), static: fc.boolean() }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('launch' as const),
      who: index,
      count: fc.integer({ min: 1, max: 3 }),
      how: fc.constantFrom('single' as const, 'group' as const, 'executor' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('convert' as const), who: index, volume: fc.boolean(), id: fc.boolean() }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('work' as const), who: index }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('finish' as const), who: index, pick: index }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('acknowledge' as const), who: index }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('kill' as const), who: index, pick: index }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('reconnect' as const), who: index, agent: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('advance' as const), ms: fc.constantFrom(1_000, 31_000) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('operate' as const),
      who: index,
      what: fc.constantFrom('quota', 'weight', 'reserve', 'deactivate', 'drain', 'gone', 'schedule', 'teardown'),
      amount: fc.constantFrom(0.5, 1, 3),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

test('the next master’s dump is that of the one before', t => {
  const seen = { tasks: 0, reservations: 0, quotas: 0, ended: 0, executors: 0 };
  holds(
    t,
    fc.property(
      fc.array(step, { minLength: 15, maxLength: 80, size: 'max' }),
      fc.boolean(),
      fc.infiniteStream(fc.nat({ max: 1_000 })),
      (steps, settles, order) => {
        const story = new Story();
        for (const each of steps) story.tell(each);
        story.quiet(settles);
        const before = dump(story.rig);
        story.failOver(() => must(order.next().value as number | undefined, 'a number'));
        const after = dump(story.rig);
        assert.deepEqual(after, before);
        seen.tasks += before.tasks.length;
        seen.quotas += before.quota.length;
        seen.reservations += before.agents.filter(agent => agent.total.includes('dynamic')).length;
        seen.ended += before.ended.length;
        seen.executors += story.executors;
      },
    ),
    { numRuns: 120, includeErrorInReport: true },
  );
  // Stories in which nothing of this is there show nothing.
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 3, `${count} ${what}`);
  t.pass();
});

/** What must be the same; all that is only for the moment, or history, is left out. */
function dump(rig: MasterRig): {
  readonly agents: readonly { readonly id: AgentId; readonly total: string }[];
  readonly tasks: readonly unknown[];
  readonly quota: readonly unknown[];
  readonly ended: readonly FrameworkId[];
  readonly others: unknown;
} {
  const { views, view } = rig.master;
  const text = (resources: Resources): string => formatResources(sumTotals([bagOf(resources)]));
  const byId = <T extends { readonly id: string }>(items: readonly T[]): T[] =>
    items.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return {
    agents: byId(views.agents()).map(({ registeredAtMs: _at, total, used, free, offered, ...agent }) => ({
      ...agent,
      total: text(total),
      used: text(used),
      free: text(free),
      offered: text(offered),
    })),
    tasks: byId(views.tasks()).map(
      ({ launchedAtMs: _at, statuses: _statuses, healthy: _healthy, resources, ...one }) => ({
        ...one,
        resources: text(resources),
      }),
    ),
    quota: views.quota(),
    ended: views
      .completedFrameworks()
      .map(({ id }) => id)
      .toSorted(),
    others: {
      frameworks: byId(views.frameworks()).map(({ registeredAtMs: _at, used, ...framework }) => ({
        ...framework,
        used: text(used),
      })),
      roles: views
        .roles()
        .map(({ used, offered, reserved, frameworks, ...role }) => ({
          ...role,
          frameworks: frameworks.toSorted(),
          amounts: [used, offered, reserved].map(text),
        }))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      weights: views.weights(),
      windows: views.maintenance().windows,
      gone: [...view.goneAgents.keys()].toSorted(),
      intents: view.intents.size,
      // Every record that has not to do with the master itself.
      records: rig.store.load('').map(record => record.key),
    },
  };
}

class Story {
  rig = new MasterRig();
  readonly #nodes: Node[] = [];
  readonly #schedulers: Scheduler[] = [];
  #names = 0;

  get executors(): number {
    return this.#nodes.reduce((sum, node) => sum + node.executors.size, 0);
  }

  tell(each: Step): void {
    switch (each.type) {
      case 'subscribe': {
        if (this.#schedulers.length >= 4) return;
        const scheduler = new Scheduler({ name: this.#name('fw'), roles: each.roles });
        scheduler.subscribe(this.rig);
        this.#schedulers.push(scheduler);
        return;
      }
      case 'start': {
        if (this.#nodes.length >= 4) return;
        const more: Resources = each.static ? { 'cpus(ads)': 1 } : {};
        const node = new Node(this.#name('host'), { cpus: each.cpus, mem: 2_048, disk: 1_000, ...more });
        node.register(this.rig);
        this.#nodes.push(node);
        return;
      }
      case 'launch':
        return this.#launch(each);
      case 'convert':
        return this.#convert(each);
      case 'work':
        pick(this.#nodes, each.who)?.work();
        return;
      case 'finish': {
        const node = pick(this.#nodes, each.who);
        if (node?.peer?.closed === undefined) node?.end(pick([...node.tasks.values()], each.pick), 'TASK_FINISHED');
        return;
      }
      case 'acknowledge':
        pick(this.#schedulers, each.who)?.acknowledge();
        return;
      case 'kill': {
        const { peer } = pick(this.#schedulers, each.who) ?? {};
        const taskId = pick(this.rig.master.views.tasks(), each.pick)?.id;
        if (peer?.closed === undefined && taskId !== undefined) peer?.call({ type: 'KILL', taskId });
        return;
      }
      case 'reconnect':
        if (each.agent) this.#reconnect(pick(this.#nodes, each.who));
        else {
          const scheduler = pick(this.#schedulers, each.who);
          scheduler?.peer?.disconnect();
          scheduler?.subscribe(this.rig);
        }
        return;
      case 'advance':
        return this.rig.advance(each.ms);
      case 'operate':
        return this.#operate(each);
    }
  }

  /** Nothing is under way any more; `settles`: nor does anything wait to be acknowledged. No offer is outstanding. */
  quiet(settles: boolean): void {
    for (const { peer } of this.#schedulers) if (peer?.closed === undefined) peer?.call({ type: 'SUPPRESS' });
    for (let busy = true; busy; ) {
      busy = false;
      for (const node of this.#nodes) {
        if (node.peer?.closed !== undefined && !node.over) node.register(this.rig);
        busy = node.work() || busy;
      }
      if (settles) for (const scheduler of this.#schedulers) busy = scheduler.acknowledge() || busy;
      this.rig.settle();
    }
    for (const node of this.#nodes) node.resend();
    for (const scheduler of this.#schedulers) scheduler.acknowledgeAgain();
    for (const node of this.#nodes) node.work();
    for (const node of this.#nodes) node.resend();
    this.rig.advance(31_000);
  }

  /** The master dies; another reads the registry, and everybody comes back in some order. */
  failOver(next: () => number): void {
    const { store, clock, master } = this.rig;
    master.close();
    this.rig.settle();
    this.rig = new MasterRig({ store, clock, masterId: 'N' });
    this.rig.settle();
    const comers = [
      ...this.#nodes.map(node => (): void => node.register(this.rig)),
      ...this.#schedulers.map(scheduler => (): void => scheduler.subscribe(this.rig, true)),
    ];
    const inOrder = comers.map(come => ({ come, at: next() })).toSorted((a, b) => a.at - b.at);
    for (const { come } of inOrder) come();
    this.rig.settle();
  }

  #launch({ who, count, how }: Extract<Step, { type: 'launch' }>): void {
    const { peer } = pick(this.#schedulers, who) ?? {};
    const offer = peer?.closed === undefined ? this.#offerOf(peer) : undefined;
    if (peer === undefined || offer === undefined) return;
    const tasks = Array.from({ length: count }, () => {
      const plain = task(this.#name('t'), { cpus: 0.3, mem: 64 }, { labels: { app: how } });
      if (how !== 'executor') return plain;
      const { command, ...rest } = plain;
      return { ...rest, executor: { executorId: 'e', command: command ?? {}, resources: { cpus: 0.1, mem: 32 } } };
    });
    peer.accept([offer], [{ type: how === 'group' ? 'LAUNCH_GROUP' : 'LAUNCH', tasks }], 0);
  }

  #convert({ who, volume, id }: Extract<Step, { type: 'convert' }>): void {
    const { peer, info } = pick(this.#schedulers, who) ?? {};
    const role = info?.roles?.[0];
    const offer = peer?.closed === undefined ? this.#offerOf(peer) : undefined;
    if (peer === undefined || offer === undefined || role === undefined || role === '*') return;
    const named = id ? { id: this.#name('op') } : {};
    const disk = { disk: 50 };
    peer.accept(
      [offer],
      [
        { type: 'RESERVE', ...named, resources: disk, reservation: { role } },
        ...(volume
          ? ([
              {
                type: 'CREATE',
                volumes: [{ id: this.#name('v'), disk: 50, containerPath: 'data', from: `disk(${role},dynamic)` }],
              },
            ] as const)
          : []),
      ],
      0,
    );
  }

  #operate({ who, what, amount }: Extract<Step, { type: 'operate' }>): void {
    const node = pick(this.#nodes, who);
    const agentId = node?.agentId;
    const role = who % 2 === 0 ? 'ads' : 'web';
    const call: OperatorCall | undefined =
      what === 'quota'
        ? { type: 'UPDATE_QUOTA', quotas: [{ role, limits: { cpus: amount } }], force: true }
        : what === 'weight'
          ? { type: 'UPDATE_WEIGHTS', weights: [{ role, weight: amount }] }
          : what === 'schedule' && node !== undefined
            ? {
                type: 'UPDATE_MAINTENANCE',
                windows: [{ hostnames: [node.hostname], unavailability: { startMs: 4e12 } }],
              }
            : what === 'teardown'
              ? this.#teardown(who, amount)
              : agentId === undefined
                ? undefined
                : what === 'reserve'
                  ? { type: 'RESERVE', agentId, resources: { cpus: amount / 5 }, reservation: { role } }
                  : what === 'deactivate'
                    ? { type: 'DEACTIVATE_AGENT', agentId }
                    : what === 'drain' && amount === 3
                      ? { type: 'DRAIN_AGENT', agentId }
                      : what === 'gone' && amount === 3
                        ? { type: 'MARK_AGENT_GONE', agentId }
                        : undefined;
    if (call !== undefined) this.rig.operate(call);
  }

  #teardown(who: number, amount: number): OperatorCall | undefined {
    const scheduler = pick(this.#schedulers, who);
    if (scheduler?.id === undefined || scheduler.over || amount < 1) return undefined;
    scheduler.over = true;
    return { type: 'TEARDOWN', frameworkId: scheduler.id };
  }

  #reconnect(node: Node | undefined): void {
    if (node === undefined || node.over) return;
    node.peer?.disconnect();
    node.register(this.rig);
  }

  #offerOf(peer: FakeScheduler | undefined): string | undefined {
    const open = new Set(this.rig.master.views.offers().map(({ id }) => id));
    return peer?.offers.find(({ id }) => open.has(id))?.id;
  }

  #name(prefix: string): string {
    this.#names += 1;
    return `${prefix}${this.#names}`;
  }
}

function pick<T>(items: readonly T[], at: number): T | undefined {
  return items.length === 0 ? undefined : items[at % items.length];
}
