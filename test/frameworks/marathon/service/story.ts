// A Marathon to which everything happens: changes, kills, crashes of every process, links that break. In: a list of happenings. Out: it settles, or an error that says what does not.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isActive, isUnreachable } from '../../../../frameworks/marathon/machine/condition.js';
import { isCurrent, isServing } from '../../../../frameworks/marathon/machine/instance.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import { removeRunSpec, runSpecsOf } from '../../../../frameworks/marathon/model/group.js';
import { isResident } from '../../../../frameworks/marathon/model/run-spec.js';
import { describeWaiting } from '../../../../frameworks/marathon/rollout/waiting.js';
import { putting, Site } from './site.js';
import type { Fate } from './site.js';

const apps = ['/plain', '/apart', '/data'] as const;
const agents = ['agent-1', 'agent-2', 'agent-3'] as const;
const strategies = [
  { minimumHealthCapacity: 1, maximumOverCapacity: 1 },
  { minimumHealthCapacity: 0.5, maximumOverCapacity: 0.5 },
  { minimumHealthCapacity: 0, maximumOverCapacity: 0 },
];
const commands = ['serve', 'serve 2', 'sleep 30; exit 1'];

/** One thing that happens. */
export type Happening =
  | {
      readonly type: 'PUT';
      readonly app: number;
      readonly cmd: number;
      readonly instances: number;
      readonly strategy: number;
      readonly force: boolean;
    }
  | { readonly type: 'REMOVE' | 'KILL' | 'WIPE' | 'RESTART'; readonly app: number }
  | { readonly type: 'REVERT' | 'CANCEL' | 'HEAL' }
  | { readonly type: 'END_AT_WRITE'; readonly after: number; readonly fate: Fate }
  | { readonly type: 'CRASH' | 'POWER_OFF' | 'PAUSE'; readonly node: number }
  | { readonly type: 'PARTITION'; readonly node: number; readonly mode: 'hold' | 'drop' };

/** What happens, and how long it is waited before the next. */
export interface Event {
  readonly what: Happening;
  readonly waitMs: number;
}

const app = fc.nat({ max: apps.length - 1 });
const node = fc.nat({ max: agents.length + 1 });
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('PUT' as const),
      app,
      cmd: fc.nat({ max: commands.length - 1 }),
      instances: fc.nat({ max: 3 }),
      strategy: fc.nat({ max: strategies.length - 1 }),
      force: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('REMOVE', 'KILL', 'WIPE', 'RESTART'), app }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('REVERT', 'CANCEL', 'HEAL') }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('END_AT_WRITE' as const),
      after: fc.integer({ min: 1, max: 6 }),
      fate: fc.constantFrom('lost', 'kept'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('CRASH', 'POWER_OFF', 'PAUSE'), node }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('PARTITION' as const), node, mode: fc.constantFrom('hold', 'drop') }),
  },
);

/** Stories of some length. */
export const stories: fc.Arbitrary<{ readonly seed: number; readonly events: readonly Event[] }> = fc.record({
  seed: fc.nat({ max: 100_000 }),
  events: fc.array(fc.record({ what: happening, waitMs: fc.constantFrom(0, 50, 300, 2000, 10_000, 40_000, 120_000) }), {
    minLength: 2,
    maxLength: 14,
  }),
});

/** Tells a story. @throws AssertionError when it does not end well. */
export function tell({ seed, events }: { readonly seed: number; readonly events: readonly Event[] }): void {
  const told = new Told(seed);
  for (const { what, waitMs } of events) told.happen(what, waitMs);
  told.end();
}

const resources = { cpus: 4, mem: 4096, disk: 1000, ports: [[31_000, 31_099]] as const };

class Told {
  readonly #site: Site;
  readonly #down = new Set<string>();
  readonly #paused = new Set<string>();
  /** Who served at the last look. */
  #serving: readonly Instance[] = [];
  /** How many of each app had to serve then; a decision may be older than what is asked for now. */
  #bounds: ReadonlyMap<string, number> = new Map();
  /** Who was ended by hand. */
  readonly #wiped = new Set<string>();
  /** What was given up in the middle may be of several configurations. */
  readonly #mixed = new Set<string>();

  constructor(seed: number) {
    this.#site = new Site({ seed, agents: agents.map(() => ({ resources })) });
  }

  happen(what: Happening, waitMs: number): void {
    this.#up('marathon');
    this.#do(what);
    this.#run(waitMs);
  }

  /** All is mended; then everything has to come to what was asked for last. */
  end(): void {
    const { c } = this.#site;
    this.#site.fatal = undefined;
    c.heal();
    for (const name of this.#paused) c.resume(name);
    for (const name of ['master', ...agents, 'marathon']) this.#up(name);
    const isSettled = (): boolean => {
      this.#look();
      return this.#unsettled() === undefined;
    };
    if (!c.runUntil(isSettled, '900s')) this.#giveUpData();
    assert.ok(c.runUntil(isSettled, '900s'), this.#unsettled());
    c.run('90s');
    this.#look();
    c.runUntil(() => this.#unsettled() === undefined, '60s');
    assert.equal(this.#unsettled(), undefined, 'it does not stay so');
  }

  // An agent that lost its power is another one when it is back. Data on the former is waited for until somebody says that it is lost.
  #giveUpData(): void {
    const { marathon } = this.#site;
    const away = marathon.instancesOf('/data').filter(({ condition }) => isUnreachable(condition));
    void marathon.kill(
      away.map(({ id }) => id),
      { wipe: true },
    );
  }

  #do(what: Happening): void {
    const { marathon, c } = this.#site;
    switch (what.type) {
      case 'PUT':
        return this.#put(what);
      case 'REMOVE': {
        const id = this.#app(what.app);
        for (const one of marathon.instancesOf(id)) this.#wiped.add(one.id);
        return void marathon.change((root, version) => ({ ok: true, value: removeRunSpec(root, id, version) }), {
          force: true,
        });
      }
      case 'RESTART':
        return void marathon.change(root => ({ ok: true, value: root }), { restart: [this.#app(what.app)] });
      case 'KILL':
      case 'WIPE': {
        const [first] = marathon.instancesOf(this.#app(what.app));
        if (first !== undefined && what.type === 'WIPE') this.#wiped.add(first.id);
        return void marathon.kill(first === undefined ? [] : [first.id], { wipe: what.type === 'WIPE' });
      }
      case 'REVERT':
      case 'CANCEL': {
        const [first] = marathon.deployments();
        if (first === undefined) return;
        for (const id of first.plan.runSpecs.keys()) {
          this.#mixed.add(id);
          // What came by it goes.
          for (const one of marathon.instancesOf(id)) this.#wiped.add(one.id);
        }
        return void (what.type === 'REVERT' ? marathon.revert(first.plan.id) : marathon.cancel(first.plan.id));
      }
      case 'HEAL':
        return c.heal();
      case 'END_AT_WRITE':
        this.#site.fatal = { write: this.#site.writes + what.after, fate: what.fate };
        return;
      case 'CRASH':
      case 'POWER_OFF':
      case 'PAUSE':
        return this.#hurt(what.type, this.#node(what.node));
      case 'PARTITION': {
        const name = this.#node(what.node);
        if (name !== 'master' && !this.#down.has(name)) c.partition(name, what.mode);
      }
    }
  }

  #put({ app: at, cmd, instances, strategy, force }: Happening & { readonly type: 'PUT' }): void {
    const id = this.#app(at);
    const { marathon } = this.#site;
    // Those that are too many may be ended before the number changes again.
    const before = marathon.instancesOf(id);
    if (instances < before.length) for (const one of before) this.#wiped.add(one.id);
    const json = {
      id,
      cmd: commands[cmd],
      instances,
      cpus: 0.5,
      mem: 64,
      backoffSeconds: 1,
      maxLaunchDelaySeconds: 10,
      ...(id === '/data'
        ? { container: { type: 'MESOS', volumes: [{ containerPath: 'd', mode: 'RW', persistent: { size: 10 } }] } }
        : { upgradeStrategy: strategies[strategy], portDefinitions: [] }),
      ...(id === '/apart' ? { constraints: [['hostname', 'UNIQUE']] } : {}),
    };
    void marathon.change(putting(json), { force });
  }

  #hurt(how: 'CRASH' | 'POWER_OFF' | 'PAUSE', name: string): void {
    const { c } = this.#site;
    if (this.#down.has(name) || this.#paused.has(name)) {
      this.#up(name);
      return;
    }
    if (how === 'PAUSE') {
      this.#paused.add(name);
      return c.pause(name);
    }
    this.#down.add(name);
    if (how === 'CRASH' || name === 'marathon') c.crash(name);
    else c.powerOff(name);
  }

  #up(name: string): void {
    const { c } = this.#site;
    if (this.#paused.delete(name)) c.resume(name);
    if (name === 'marathon' && this.#site.isDown) this.#down.add(name);
    if (!this.#down.delete(name)) return;
    c.restart(name);
    if (name === 'marathon') this.#site.isDown = false;
  }

  #run(ms: number): void {
    const { c } = this.#site;
    const untilMs = c.nowMs + ms;
    c.runUntil(() => {
      this.#look();
      return false;
    }, untilMs - c.nowMs);
    this.#look();
  }

  /** What holds at any time. */
  #look(): void {
    const { why, marathon, isDown } = this.#site;
    if (why !== undefined) throw why;
    if (isDown) return;
    const touched = marathon.deployments().flatMap(({ plan }) => [...plan.runSpecs.keys()]);
    assert.equal(new Set(touched).size, touched.length, 'two deployments touch one app');
    const places = marathon
      .instancesOf('/apart')
      .filter(({ goal, condition, tasks }) => goal === 'Running' && tasks.length > 0 && isActive(condition))
      .map(({ configVersion, place }) => `${configVersion} ${place?.agentId}`);
    assert.equal(new Set(places).size, places.length, 'two on one host');
    this.#lookAtKills();
  }

  // Of those that serve a deployment ends only as many as may go.
  #lookAtKills(): void {
    const { marathon } = this.#site;
    const ended = this.#serving.filter(({ id }) => {
      const goal = marathon.instance(id)?.goal;
      return goal !== undefined && goal !== 'Running' && !this.#wiped.has(id);
    });
    this.#serving = Array.from(marathon.instances()).filter(isServing);
    const before = this.#bounds;
    this.#bounds = this.#boundsNow();
    for (const { id, runSpecId } of ended) {
      const bound = Math.min(before.get(runSpecId) ?? 0, this.#bounds.get(runSpecId) ?? 0);
      const left = this.#serving.filter(one => one.runSpecId === runSpecId).length;
      assert.ok(left >= bound, `${id} is ended, and ${left} are left where ${bound} must be`);
    }
  }

  #boundsNow(): Map<string, number> {
    const bounds = new Map<string, number>();
    for (const spec of runSpecsOf(this.#site.marathon.root)) {
      if (spec.instances === '*') continue;
      const least = Math.ceil(spec.instances * spec.upgradeStrategy.minimumHealthCapacity);
      // A resident has to go before it can come back.
      bounds.set(spec.id, isResident(spec) && least === spec.instances ? least - 1 : least);
    }
    return bounds;
  }

  /** What is not as it shall be; undefined when all is. */
  #unsettled(): string | undefined {
    const { marathon, c, isDown } = this.#site;
    if (isDown) return 'it is down';
    const fails = new Set<string>();
    let wanted = 0;
    for (const spec of runSpecsOf(marathon.root)) {
      if (spec.kind !== 'app' || typeof spec.instances !== 'number') continue;
      if (spec.cmd === commands[2]) fails.add(spec.id);
      const counted = marathon.instancesOf(spec.id).filter(({ goal }) => goal === 'Running');
      if (counted.length !== spec.instances) return `${spec.id} has ${counted.length} of ${spec.instances} instances`;
      if (fails.has(spec.id)) continue;
      wanted += spec.instances;
      for (const one of counted) {
        if (one.condition !== 'Running') return `${one.id} is ${one.condition}: ${marathon.queue()[0]?.why ?? ''}`;
        if (!this.#mixed.has(spec.id) && !isCurrent(one, spec)) return `${one.id} is of another configuration`;
      }
    }
    for (const { plan } of marathon.deployments()) {
      const waits = [...marathon.waitingFor(plan.id)].filter(([id]) => !fails.has(id));
      if ([...plan.runSpecs.keys()].every(id => !fails.has(id)))
        return `${plan.id} goes on: ${waits.map(([id, on]) => `${id}: ${describeWaiting(on)}`).join('; ')}`;
    }
    const known = new Set(Array.from(marathon.instances(), ({ tasks }) => tasks.map(({ id }) => id)).flat());
    const live = c.tasks().filter(({ taskId }) => ![...fails].some(id => taskId.startsWith(`${id.slice(1)}.`)));
    const strange = live.find(({ taskId }) => !known.has(taskId));
    if (strange !== undefined) return `${strange.taskId} runs on ${strange.agent}, and nobody knows it`;
    return live.length === wanted ? undefined : `${live.length} tasks run for ${wanted} instances`;
  }

  #app(at: number): string {
    return apps[at] ?? apps[0];
  }

  #node(at: number): string {
    return [...agents, 'master', 'marathon'][at] ?? 'master';
  }
}
