// Whatever is asked of an agent's resources, whenever its session breaks or its process dies: it has as much as before, what it said to have done
// stays done, volumes keep their data, and none is given twice.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { must } from '../../src/base/assert.js';
import type { VolumeKeeper, VolumeName } from '../../src/agent/options.js';
import type { AgentCall } from '../../src/protocol/agent-api.js';
import type { OperationStatus } from '../../src/protocol/entities.js';
import type { Bag, Resources } from '../../src/resources/index.js';
import { bagOf, contains, convert, fromBag, quantities, volumesOf } from '../../src/resources/index.js';
import { AgentRig, task } from '../support/agent-rig.js';
import { holds } from '../support/property.js';
import { SlowStore } from '../support/slow-store.js';

/** Directories with a content each, which tells one of a name from the next. */
class Directories implements VolumeKeeper {
  readonly there = new Map<string, number>();
  readonly #aside = new Map<string, number>();
  #contents = 0;

  path({ role, id }: VolumeName): string {
    return `/${role}/${id}`;
  }

  open(volumes: readonly VolumeName[]): void {
    for (const name of volumes) {
      if (this.there.has(this.path(name))) continue;
      assert.ok(this.#aside.has(this.path(name)), `the data of ${name.id} is lost`);
      this.restore(name);
    }
    const wanted = new Set(volumes.map(name => this.path(name)));
    for (const path of this.there.keys()) if (!wanted.has(path)) this.there.delete(path);
    this.#aside.clear();
  }

  make(name: VolumeName): void {
    assert.ok(!this.there.has(this.path(name)), `${name.id} is made over another`);
    this.there.set(this.path(name), (this.#contents += 1));
  }

  retire(name: VolumeName): void {
    this.#move(this.there, this.#aside, name);
  }

  restore(name: VolumeName): void {
    this.#move(this.#aside, this.there, name);
  }

  purge(name: VolumeName): void {
    assert.ok(this.#aside.delete(this.path(name)), `${name.id} is deleted without being put aside`);
  }

  #move(from: Map<string, number>, to: Map<string, number>, name: VolumeName): void {
    to.set(this.path(name), must(from.get(this.path(name)), name.id));
    from.delete(this.path(name));
  }
}

const keys = [
  'disk(ads,dynamic)[v0:data]',
  'disk(ads,dynamic)[v1:data]',
  'disk(ads,dynamic)[v2:data]<shared>',
] as const;
const kinds = ['RESERVE', 'UNRESERVE', 'CREATE', 'DESTROY', 'GROW', 'SHRINK', 'WRONG'] as const;

type Step =
  | { readonly do: (typeof kinds)[number]; readonly volume: number; readonly amount: number }
  | { readonly do: 'launch' | 'exit' | 'acknowledge'; readonly volume: number }
  | { readonly do: 'sync' | 'crash'; readonly writes: number }
  | { readonly do: 'break' }
  | { readonly do: 'pass'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom(...kinds, 'CREATE', 'DESTROY'),
      volume: fc.nat({ max: 2 }),
      amount: fc.integer({ min: 1, max: 25 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('launch' as const, 'launch' as const, 'exit' as const, 'acknowledge' as const),
      volume: fc.nat({ max: 2 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('sync' as const), writes: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), writes: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('break' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat({ max: 20_000 }) }) },
);

/** What a step asks for, given what the agent has said it has. */
function conversionOf(
  kind: (typeof kinds)[number],
  key: string,
  amount: number,
  has: Resources,
): [Resources, Resources] {
  const reserved = 'disk(ads,dynamic)';
  const size = typeof has[key] === 'number' ? has[key] : amount;
  switch (kind) {
    case 'RESERVE':
      return [{ disk: amount }, { [reserved]: amount }];
    case 'UNRESERVE':
      return [{ [reserved]: amount }, { disk: amount }];
    case 'CREATE':
      return [{ [reserved]: amount }, { [key]: amount }];
    case 'DESTROY':
      return [{ [key]: size }, { [reserved]: size }];
    case 'GROW':
      return [{ [key]: size, [reserved]: amount }, { [key]: size + amount }];
    case 'SHRINK':
      return [{ [key]: size }, size > amount ? { [key]: size - amount, [reserved]: amount } : { [reserved]: size }];
    default:
      return [{ [key]: size }, { [key]: size + amount }];
  }
}

/** An agent, its disk, and what it has said. */
class Story {
  readonly store = new SlowStore();
  readonly disk = new Directories();
  readonly outcomes = new Map<string, string>();
  readonly asked = new Map<string, readonly [Resources, Resources]>();
  /** What the agent must have, by its own words. */
  has: Bag = bagOf({ cpus: 4, disk: 100 });
  /** Content of each volume when it was said to be there. */
  readonly contents = new Map<string, number>();
  rig: AgentRig;
  #heard = 0;
  #serial = 0;
  finished = 0;

  constructor() {
    this.rig = this.#start();
    this.apply('RESERVE', '', 80);
    this.store.sync();
  }

  apply(kind: (typeof kinds)[number], key: string, amount: number): void {
    const uuid = `u${(this.#serial += 1)}`;
    const [consumed, produced] = conversionOf(kind, key, amount, fromBag(this.has));
    this.asked.set(uuid, [consumed, produced]);
    this.rig.tell({ type: 'APPLY_OPERATION', uuid, kind: 'RESERVE', consumed, produced });
  }

  /** A task with one of the volumes that are there, or one that is not. */
  launch(which: number): void {
    const there = volumesOf(this.has).map(({ resource }) => resource);
    const volume = there[which % Math.max(1, there.length)];
    const resources = volume === undefined ? { [must(keys[which], 'key')]: 1 } : fromBag([volume]);
    this.rig.launch([task(`t${(this.#serial += 1)}`, { resources: { cpus: 0.1, ...resources } })]);
  }

  crash(survivors: number): void {
    this.rig.agent.close();
    this.listen();
    this.store.crash(survivors);
    this.rig = this.#start();
  }

  /** Takes in what the agent has said since. */
  listen(): void {
    for (const call of this.rig.said.slice(this.#heard)) this.#hear(call);
    this.#heard = this.rig.said.length;
  }

  check(): void {
    this.listen();
    const { resources, volumes } = this.rig.agent.view();
    const total = bagOf(resources);
    assert.deepEqual(quantities(total), quantities(bagOf({ cpus: 4, disk: 100 })), 'it has as much as ever');
    const holders = this.rig.containers.live.flatMap(({ spec }) => (spec.volumes ?? []).map(({ source }) => source));
    for (const source of new Set(holders)) {
      assert.ok(this.disk.there.has(source), 'a volume in use is there');
      if (!source.endsWith('v2')) assert.equal(holders.filter(one => one === source).length, 1, 'given once');
    }
    if (this.store.waiting > 0) return;
    assert.deepEqual(resources, fromBag(this.has), 'what it said is so');
    assert.deepEqual(volumes.map(({ path = '' }) => path).toSorted(), [...this.disk.there.keys()].toSorted());
    for (const [path, content] of this.contents) assert.equal(this.disk.there.get(path), content, 'the same data');
  }

  #start(): AgentRig {
    this.#heard = 0;
    const rig = new AgentRig({
      registers: false,
      info: { resources: { cpus: 4, disk: 100 } },
      deps: { store: this.store, volumes: this.disk },
    });
    rig.register();
    this.store.sync();
    rig.settle();
    return rig;
  }

  #hear(call: AgentCall): void {
    if (call.type === 'OPERATION_STATUS') this.#outcome(call.status);
    if (call.type === 'UPDATE_RESOURCES') assert.deepEqual(call.resources, fromBag(this.has));
    if (call.type !== 'REGISTER') return;
    for (const status of call.operations ?? []) this.#outcome(status);
    assert.deepEqual(call.agent.resources, fromBag(this.has), 'what it said it has done is still done');
  }

  #outcome({ uuid = '', state }: OperationStatus): void {
    const before = this.outcomes.get(uuid);
    if (before !== undefined) return assert.equal(state, before, 'an outcome does not change');
    this.outcomes.set(uuid, state);
    const [consumed, produced] = must(this.asked.get(uuid), 'operation').map(side => bagOf(side)) as [Bag, Bag];
    if (state !== 'OPERATION_FINISHED') return;
    this.finished += 1;
    assert.ok(contains(this.has, consumed));
    this.has = convert(this.has, { consumed, produced });
    const paths = new Set(volumesOf(this.has).map(({ volume }) => `/ads/${volume.id}`));
    for (const path of this.contents.keys()) if (!paths.has(path)) this.contents.delete(path);
    for (const path of paths) {
      const content = this.disk.there.get(path);
      // Destroyed again by an operation whose outcome is still to be told.
      if (!this.contents.has(path) && content !== undefined) this.contents.set(path, content);
    }
  }
}

let finished = 0;
let lived = 0;

test('operations, tasks with volumes, broken sessions and crashes in any order', t => {
  holds(
    t,
    fc.property(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), steps => {
      const story = new Story();
      for (const one of steps) {
        switch (one.do) {
          case 'launch':
            story.launch(one.volume);
            break;
          case 'exit':
            story.rig.containers.live[one.volume]?.exit(0);
            break;
          case 'acknowledge': {
            const uuid = [...story.outcomes.keys()].at(-1 - one.volume);
            if (uuid !== undefined) story.rig.tell({ type: 'ACKNOWLEDGE_OPERATION', uuid });
            break;
          }
          case 'sync':
            story.store.sync(one.writes);
            break;
          case 'crash':
            story.crash(one.writes);
            break;
          case 'break':
            story.rig.disconnect();
            story.rig.register();
            break;
          case 'pass':
            story.rig.clock.advance(one.ms);
            story.rig.tell({ type: 'PING' });
            break;
          default:
            story.apply(one.do, must(keys[one.volume], 'key'), one.amount);
        }
        story.rig.settle();
        story.check();
      }
      story.store.sync();
      story.rig.settle();
      story.check();
      finished += story.finished;
      lived += story.rig.containers.launched.filter(({ spec }) => spec.volumes !== undefined).length;
    }),
    { numRuns: 300 },
  );
  // A run in which nothing happens shows nothing.
  t.true(finished > 1000, `${finished} operations finished`);
  t.true(lived > 50, `${lived} tasks had volumes`);
});
