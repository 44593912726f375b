// Where the instances of one run spec are, counted by the values of the fields that its constraints name: asking costs the same for ten and ten thousand.
import type { AgentId } from 'proffer';
import { isTerminal } from '../machine/condition.js';
import type { InstanceId } from '../machine/ids.js';
import { isCurrent } from '../machine/instance.js';
import type { Instance, Place } from '../machine/instance.js';
import type { RunSpec } from '../model/run-spec.js';
import { fieldText } from './fields.js';

/**
 * Instances that hold a place, by instance id: those of the present configuration whose tasks have not ended, unreachable ones included. It changes in place as
 * instances come and go.
 */
export class Placements {
  readonly #fields: readonly string[];
  readonly #places = new Map<InstanceId, Place>();
  readonly #counts: readonly Map<string, number>[];
  readonly #agents = new Map<AgentId, number>();

  /** Fields that are asked for: those of the run spec's constraints. */
  constructor(fields: readonly string[]) {
    this.#fields = [...new Set(fields)];
    this.#counts = this.#fields.map(() => new Map<string, number>());
  }

  /** Of all `instances` of `spec`. */
  static of(spec: RunSpec, instances: Iterable<Instance>): Placements {
    const placements = new Placements(spec.constraints.map(({ field }) => field));
    for (const instance of instances) placements.note(instance, spec);
    return placements;
  }

  /** Takes in an instance as it is now: it may have got, changed or lost its place. */
  note(instance: Instance, spec: RunSpec): void {
    const { id, place, condition, tasks } = instance;
    const holds = place !== undefined && tasks.length > 0 && !isTerminal(condition) && isCurrent(instance, spec);
    if (holds) this.add(id, place);
    else this.remove(id);
  }

  add(id: InstanceId, place: Place): void {
    const before = this.#places.get(id);
    if (before === place) return;
    if (before !== undefined) this.remove(id);
    this.#places.set(id, place);
    this.#count(place, 1);
  }

  remove(id: InstanceId): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    this.#places.delete(id);
    this.#count(place, -1);
  }

  get size(): number {
    return this.#places.size;
  }

  /** How many are on an agent. */
  on(agentId: AgentId): number {
    return this.#agents.get(agentId) ?? 0;
  }

  /** How many have each value of a field; those without a value are not among them. `field` must be one of those given. */
  counts(field: string): ReadonlyMap<string, number> {
    return this.#counts[this.#fields.indexOf(field)] ?? none;
  }

  #count(place: Place, by: number): void {
    for (const [at, field] of this.#fields.entries()) {
      const value = fieldText(place, field);
      if (value !== undefined) change(this.#counts[at], value, by);
    }
    change(this.#agents, place.agentId, by);
  }
}

const none: ReadonlyMap<string, number> = new Map();

function change<K>(counts: Map<K, number> | undefined, key: K, by: number): void {
  if (counts === undefined) return;
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
