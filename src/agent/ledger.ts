// What of the agent's resources is in use, so that nothing is given twice. Reservations are the master's affair: here only names and disks count, and
// whether something is revocable. Volumes count as wholes. In: what tasks and executors take and give back. Out: what is short.
import { assert, must } from '../base/assert.js';
import { shown } from '../base/errors.js';
import type { Bag, Label, Resource } from '../resources/index.js';
import {
  add,
  addDisjoint,
  bare,
  contains,
  describeShortage,
  emptyBag,
  overlaps,
  remainder,
  shortages,
  subtract,
} from '../resources/index.js';
import type { VolumeName } from './options.js';

/** A volume of the total, and how many hold it. */
interface VolumeEntry {
  readonly resource: Resource;
  users: number;
}

/** Books of one agent. Free and used add up to the total, but for what was taken before the total shrank. */
export class Ledger {
  #total: Bag = emptyBag;
  #free: Bag = emptyBag;
  #used: Bag = emptyBag;
  #volumes: ReadonlyMap<string, VolumeEntry> = new Map();

  constructor(total: Bag) {
    this.setTotal(total);
  }

  /** What is in use: names only, volumes among the disk, what is revocable apart. */
  get used(): Bag {
    let used = this.#used;
    for (const { resource, users } of this.#volumes.values()) if (users > 0) used = add(used, nameOnly(resource));
    return used;
  }

  /** The agent has other resources from now on. Volumes in use must still be there as they were: the caller has looked with `usesVolume`. */
  setTotal(total: Bag): void {
    const volumes = new Map<string, VolumeEntry>();
    for (const resource of total) {
      const name = volumeNameOf(resource.label);
      if (name === undefined) continue;
      const key = volumeKey(name);
      volumes.set(key, { resource, users: this.#volumes.get(key)?.users ?? 0 });
    }
    for (const [key, { users }] of this.#volumes)
      assert(users === 0 || volumes.has(key), 'a volume in use is taken away');
    this.#volumes = volumes;
    this.#total = amounts(total);
    this.#free = remainder(this.#total, this.#used);
  }

  /** Whether a task or an executor holds the volume. */
  usesVolume(name: VolumeName): boolean {
    return (this.#volumes.get(volumeKey(name))?.users ?? 0) > 0;
  }

  /** What is missing for `want`, for people; empty when it can be taken. */
  lacks(want: Bag): readonly string[] {
    const out = shortages(this.#free, amounts(want)).map(describeShortage);
    for (const wanted of want) {
      const name = volumeNameOf(wanted.label);
      const why = name === undefined ? undefined : this.#lacksVolume(name, wanted);
      if (why !== undefined) out.push(why);
    }
    return out;
  }

  /** Takes `want`, which must be free: neither a port nor a volume that is not shared is given twice. */
  take(want: Bag): void {
    const bag = amounts(want);
    assert(contains(this.#free, bag), 'resources are given twice');
    assert(!overlaps(this.#used, bag), 'a port is given twice');
    for (const wanted of want) {
      const name = volumeNameOf(wanted.label);
      if (name === undefined) continue;
      assert(this.#lacksVolume(name, wanted) === undefined, 'a volume is given twice');
      must(this.#volumes.get(volumeKey(name)), 'volume').users += 1;
    }
    this.#free = subtract(this.#free, bag);
    this.#used = add(this.#used, bag);
  }

  /** Takes what a task of an earlier agent process holds, though what was lent to it may not be there (yet). */
  retake(want: Bag): void {
    for (const { label } of want) {
      const name = volumeNameOf(label);
      if (name !== undefined) must(this.#volumes.get(volumeKey(name)), 'volume').users += 1;
    }
    this.#used = add(this.#used, amounts(want));
    this.#free = remainder(this.#total, this.#used);
  }

  /** Gives back what was taken. */
  giveBack(taken: Bag): void {
    const bag = amounts(taken);
    for (const { label } of taken) {
      const name = volumeNameOf(label);
      if (name === undefined) continue;
      const entry = must(this.#volumes.get(volumeKey(name)), 'volume');
      assert(entry.users > 0, 'a volume came back that was not taken');
      entry.users -= 1;
    }
    const fits = contains(this.#total, this.#used);
    this.#used = subtract(this.#used, bag);
    // Where the total shrank below what is in use, part of what comes back is not the agent's any more.
    this.#free = fits ? addDisjoint(this.#free, bag) : remainder(this.#total, this.#used);
    assert(contains(this.#total, this.#free), 'more resources came back than there are');
  }

  #lacksVolume(name: VolumeName, wanted: Resource): string | undefined {
    const what = `the volume ${shown(name.id)} of ${name.role}`;
    const entry = this.#volumes.get(volumeKey(name));
    if (entry === undefined) return `${what} is not on this agent`;
    const { resource, users } = entry;
    if (resource.key !== wanted.key || sizeOf(resource) !== sizeOf(wanted))
      return `${what} is ${resource.key}:${sizeOf(resource) / 1000} here, not ${wanted.key}:${sizeOf(wanted) / 1000}`;
    return users > 0 && !resource.label.shared ? `${what} is in use` : undefined;
  }
}

/** The volume an entry of this label is; undefined when it is none. */
export function volumeNameOf({ role, volume, source }: Label): VolumeName | undefined {
  if (role === undefined || volume === undefined) return undefined;
  return { role, id: volume.id, ...(source === undefined ? {} : { source }) };
}

/** One text per volume: no id holds a slash. */
export function volumeKey({ role, id }: VolumeName): string {
  return `${role}/${id}`;
}

/** The same amounts without volumes, reserved to nobody; what is revocable stays apart. */
function amounts(bag: Bag): Bag {
  if (bag.every(r => r.label.suffix === '')) return bag;
  let out = emptyBag;
  for (const r of bag) {
    if (r.label.volume === undefined) out = add(out, nameOnly(r));
  }
  return out;
}

function nameOnly(r: Resource): Bag {
  return [r.label.revocable ? r : bare(r)];
}

function sizeOf(r: Resource): number {
  return r.kind === 'scalar' ? r.milli : 0;
}
