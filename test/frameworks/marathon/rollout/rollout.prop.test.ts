// Whatever happens while instances are replaced: never too few by our own doing, never too many, nothing current and healthy killed, nothing doubled; and it ends.
import test from 'ava';
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { isActive, isUnreachable } from '../../../../frameworks/marathon/machine/condition.js';
import { dueAt } from '../../../../frameworks/marathon/machine/due.js';
import type { InstanceEvent } from '../../../../frameworks/marathon/machine/events.js';
import {
  isCounted,
  isCurrent,
  isServing,
  isWaiting,
  newInstance,
} from '../../../../frameworks/marathon/machine/instance.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import { step } from '../../../../frameworks/marathon/machine/step.js';
import type { AppDefinition } from '../../../../frameworks/marathon/model/app.js';
import { isResident } from '../../../../frameworks/marathon/model/run-spec.js';
import { occupiedBy } from '../../../../frameworks/marathon/rollout/restart.js';
import { rollout } from '../../../../frameworks/marathon/rollout/rollout.js';
import type { RolloutAction } from '../../../../frameworks/marathon/rollout/rollout.js';
import { holds } from '../../../support/property.js';
import { checked, noon, place, provisioned, resident, running, status, versionOf } from '../machine/samples.js';

/** What may happen; `at` picks an instance. */
const happenings = [
  'LOOK',
  'START',
  'RUN',
  'WELL',
  'SICK',
  'READY',
  'FAIL',
  'LOSE',
  'RETURN',
  'ACK',
  'WAIT',
  'FAILOVER',
] as const;
type Happening = { readonly what: (typeof happenings)[number]; readonly at: number };

class World {
  readonly spec: AppDefinition;
  readonly action: RolloutAction;
  readonly n: number;
  now = noon;
  #instances = new Map<string, Instance>();
  #ready = new Set<string>();
  #made = 0;

  constructor(spec: AppDefinition, action: RolloutAction, instances: readonly Instance[]) {
    this.spec = spec;
    this.action = action;
    this.n = spec.instances as number;
    for (const instance of instances) this.#instances.set(instance.id, instance);
  }

  get all(): Instance[] {
    return [...this.#instances.values()];
  }

  isReady = ({ id, condition }: Instance): boolean => condition === 'Running' && this.#ready.has(id);

  stands(instance: Instance): boolean {
    return isServing(instance) && (!isCurrent(instance, this.spec) || this.isReady(instance));
  }

  /** One look, carried out, with all that must hold of it. */
  look(): { left: number; done: boolean; againAt?: number | undefined } {
    const before = this.all;
    const { launch, renew, kill, killGoal, waitingFor, left, done, againAt } = rollout(this.action, {
      spec: this.spec,
      instances: before,
      isReady: this.isReady,
      now: this.now,
    });
    const killed = new Set<string>(kill);
    assert.equal(killed.size, kill.length, 'nobody is killed twice');
    const standing = before.filter(each => this.stands(each));
    const stay = standing.filter(({ id }) => !killed.has(id)).length;
    const current = before.filter(each => isCounted(each) && isCurrent(each, this.spec));
    const surplus = Math.max(0, current.length - this.n);
    if (this.action.type === 'Restart') {
      const { minimumHealthCapacity: min, maximumOverCapacity: over } = this.spec.upgradeStrategy;
      const minHealthy = Math.ceil(this.n * min - 1e-9);
      const maxCapacity = Math.floor(this.n * (1 + over) + 1e-9);
      const coincide = minHealthy === maxCapacity;
      const resides = isResident(this.spec);
      const floor = coincide && resides ? minHealthy - 1 : minHealthy;
      assert.ok(stay >= Math.min(floor, standing.length), `${stay} of ${standing.length} stay, ${floor} must`);
      const ceiling = coincide && !resides ? maxCapacity + 1 : maxCapacity;
      const occupied = occupiedBy(before);
      const tried = this.#tried(before, killed, current);
      assert.ok(
        occupied + launch <= Math.max(ceiling, occupied, before.length + tried),
        `${occupied} and ${launch} more, ${ceiling} may be, and ${tried} that are tried`,
      );
      const well = current.filter(each => killed.has(each.id) && isServing(each)).length;
      assert.ok(well <= surplus, 'a healthy instance of the present configuration goes only as surplus');
    }
    assert.ok(launch >= 0);
    for (const id of kill) this.tell(id, { type: 'GOAL', goal: killGoal });
    for (const id of renew) this.tell(id, { type: 'RENEW', spec: this.spec });
    for (let count = 0; count < launch; count += 1) {
      this.#made += 1;
      const made = newInstance(`${this.spec.id.slice(1)}.instance-n${this.#made}`, this.spec, this.now);
      this.#instances.set(made.id, made);
    }
    const after = this.all.filter(
      each => isCounted(each) && (this.action.type !== 'Restart' || isCurrent(each, this.spec)),
    );
    assert.ok(after.length <= Math.max(this.n, current.length), 'nothing is doubled');
    const idle = launch === 0 && renew.length === 0 && kill.length === 0;
    assert.equal(done, idle && waitingFor.length === 0);
    assert.ok(!idle || done || waitingFor.length > 0, 'who does nothing and is not done says why');
    assert.ok(left >= 0 && (left > 0 || done), 'something is left until it is done');
    assert.ok(!done || left === 0, 'and nothing then');
    return { left, done, againAt };
  }

  /** How many may be tried; checks that nobody who serves goes before as many have. */
  #tried(before: readonly Instance[], killed: ReadonlySet<string>, current: readonly Instance[]): number {
    const { trial } = this.spec.upgradeStrategy;
    if (trial === undefined) return 0;
    const wanted = Math.min(this.n, trial.kind === 'canary' ? trial.instances : this.n);
    const proved = current.filter(
      each => this.stands(each) && (each.activeSince ?? Number.POSITIVE_INFINITY) + trial.observeMs <= this.now,
    );
    const lost = before.filter(each => killed.has(each.id) && isServing(each) && !isCurrent(each, this.spec));
    if (lost.length > 0)
      assert.ok(
        proved.length >= wanted || current.length > wanted,
        `${lost.length} go, ${proved.length} of ${wanted} have passed`,
      );
    return Math.max(0, wanted - current.length);
  }

  happen({ what, at }: Happening): void {
    const all = this.all;
    const one = all[at % Math.max(1, all.length)];
    if (what === 'LOOK') this.look();
    else if (what === 'WAIT') this.wait(at * 1000);
    // Another leader: what is only remembered is gone, what is stored is not.
    else if (what === 'FAILOVER') {
      this.#ready.clear();
      this.#instances = new Map(structuredClone([...this.#instances]));
      this.look();
    } else if (one !== undefined) this.#befall(one, what);
  }

  #befall(one: Instance, what: Happening['what']): void {
    const alive = isActive(one.condition) && one.tasks.length > 0;
    if (what === 'START' && isWaiting(one)) this.#instances.set(one.id, provisioned(one, this.spec, place(), this.now));
    else if (what === 'RUN' && alive && one.condition !== 'Killing') this.#status(one, 'TASK_RUNNING');
    else if (what === 'WELL' && one.condition === 'Running') this.#status(one, 'TASK_RUNNING', true);
    else if (what === 'SICK' && one.condition === 'Running') this.#status(one, 'TASK_RUNNING', false);
    else if (what === 'READY' && isServing(one)) this.#ready.add(one.id);
    else if (what === 'FAIL' && alive) this.#status(one, 'TASK_FAILED');
    else if (what === 'LOSE' && alive) this.#status(one, 'TASK_UNREACHABLE');
    else if (what === 'RETURN' && isUnreachable(one.condition)) this.#status(one, 'TASK_RUNNING');
    else if (what === 'ACK' && alive && one.goal !== 'Running') this.#status(one, 'TASK_KILLED');
  }

  #status(one: Instance, state: Parameters<typeof status>[1], healthy?: boolean): void {
    this.tell(one.id, { type: 'STATUS', status: status(one, state, healthy === undefined ? {} : { healthy }) });
  }

  tell(id: string, event: InstanceEvent): void {
    const instance = this.#instances.get(id);
    assert.ok(instance !== undefined, `${id} is unknown`);
    const after = step(instance, event, this.now).instance;
    if (after === undefined) this.#instances.delete(id);
    else this.#instances.set(id, after);
  }

  wait(ms: number): void {
    this.now += ms;
    for (const instance of this.all) {
      const due = dueAt(instance);
      if (due !== undefined && due <= this.now) this.tell(instance.id, { type: 'DUE' });
    }
  }

  /** Everybody does what is asked of them until nothing is left to do; how many looks that takes. */
  settle(): number {
    let before = Number.POSITIVE_INFINITY;
    for (let looks = 1; looks <= 200; looks += 1) {
      const { left, done, againAt = this.now } = this.look();
      if (done) return looks;
      assert.ok(left < before, `without faults it comes closer with each look: ${left} after ${before}`);
      before = left;
      this.wait(Math.max(1000, againAt - this.now));
      for (const { id } of this.all) {
        for (const what of ['RETURN', 'ACK', 'START', 'RUN', 'WELL', 'READY'] as const) {
          const one = this.#instances.get(id);
          if (one !== undefined) this.#befall(one, what);
        }
      }
    }
    throw new Error(
      `no end: ${JSON.stringify(this.all.map(({ goal, condition, healthy }) => [goal, condition, healthy]))}`,
    );
  }
}

const share = fc.constantFrom(0, 0.1, 0.25, 0.5, 0.7, 1);
const events = fc.array(fc.record({ what: fc.constantFrom(...happenings, 'LOOK', 'LOOK'), at: fc.nat(40) }), {
  maxLength: 80,
});
const unreachableStrategy = fc.constantFrom(
  'disabled' as const,
  { inactiveAfterMs: 0, expungeAfterMs: 0 },
  { inactiveAfterMs: 5000, expungeAfterMs: 20_000 },
);

const trial = fc.oneof(
  fc.record({
    kind: fc.constant('canary' as const),
    instances: fc.integer({ min: 1, max: 3 }),
    observeMs: fc.nat(9000),
  }),
  fc.record({ kind: fc.constant('blueGreen' as const), observeMs: fc.nat(9000) }),
);

const restarts = fc
  .record({
    n: fc.integer({ min: 0, max: 6 }),
    before: fc.integer({ min: 0, max: 7 }),
    min: share,
    over: share,
    resides: fc.boolean(),
    unreachableStrategy,
    tries: fc.option(trial, { nil: undefined, freq: 2 }),
  })
  .map(({ n, before, min, over, resides, unreachableStrategy: strategy, tries }) => {
    const health = checked().healthChecks;
    const upgradeStrategy = {
      minimumHealthCapacity: min,
      maximumOverCapacity: resides ? 0 : over,
      ...(resides || tries === undefined ? {} : { trial: tries }),
    };
    const both = { instances: n, healthChecks: health, upgradeStrategy };
    const make = (config: number): AppDefinition =>
      resides
        ? resident({ ...both, versionInfo: versionOf(config) })
        : checked({ ...both, unreachableStrategy: strategy, versionInfo: versionOf(config) });
    const old = make(1);
    const instances = Array.from({ length: before }, (_, at) => running(old, `o${at}`, place(`a${at}`), noon + at));
    return { spec: make(2), instances };
  });

test('a restart never leaves too few by its own doing, never has too many, spares what is new and healthy, doubles nothing, and ends', t => {
  holds(
    t,
    fc.property(restarts, events, ({ spec, instances }, story) => {
      const world = new World(spec, { type: 'Restart' }, instances);
      for (const happening of story) world.happen(happening);
      world.settle();
      const left = world.all.filter(({ goal }) => goal === 'Running');
      assert.equal(left.filter(each => world.stands(each) && isCurrent(each, spec)).length, world.n);
      assert.ok(
        left.every(each => isCurrent(each, spec)),
        'nothing of the old configuration is left',
      );
    }),
    { numRuns: 400 },
  );
});

test('scaling and keeping come to the number asked for, whatever happens meanwhile', t => {
  holds(
    t,
    fc.property(restarts, fc.nat(8), events, ({ spec, instances }, scaleTo, story) => {
      const target = { ...spec, instances: scaleTo };
      const world = new World(
        target,
        { type: 'Scale', scaleTo, toKill: instances.slice(0, 2).map(({ id }) => id) },
        instances,
      );
      for (const happening of story) world.happen(happening);
      world.settle();
      assert.equal(world.all.filter(isCounted).length, scaleTo);
    }),
    { numRuns: 200 },
  );
});

test('with no faults a restart takes no more looks than it has instances, and a few', t => {
  holds(
    t,
    fc.property(restarts, ({ spec, instances }) => {
      const looks = new World(spec, { type: 'Restart' }, instances).settle();
      assert.ok(looks <= 2 * (Math.max(instances.length, spec.instances as number) + 2), `${looks} looks`);
    }),
  );
});
