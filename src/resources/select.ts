// Looking into a bag: totals by name, the part a role may use, the part within limits.
import type { Role } from '../base/ids.js';
import type { Bag, RangesResource, Resource } from './resource.js';
import { emptyBag, withMilli } from './resource.js';
import { coalesceRanges, expandRanges } from './ranges.js';
import { isAncestorOrSelf } from './role.js';

/** Scalar totals in thousandths by name, over all labels. */
export function quantities(bag: Bag): ReadonlyMap<string, number> {
  const totals = new Map<string, number>();
  for (const r of bag) if (r.kind === 'scalar') totals.set(r.name, (totals.get(r.name) ?? 0) + r.milli);
  return totals;
}

/** The total of scalar `name` in thousandths, over all labels; 0 when there is none. */
export function scalarMilli(bag: Bag, name: string): number {
  let total = 0;
  for (const r of bag) if (r.kind === 'scalar' && r.name === name) total += r.milli;
  return total;
}

/** The total of scalar `name` as people write it (cpus, MiB), over all labels. */
export function scalarOf(bag: Bag, name: string): number {
  return scalarMilli(bag, name) / 1000;
}

/** Every number of ranges resource `name` ascending, over all labels. */
export function portsOf(bag: Bag, name = 'ports'): number[] {
  const found = bag.filter((r): r is RangesResource => r.kind === 'ranges' && r.name === name);
  return expandRanges(coalesceRanges(found.flatMap(r => r.ranges)));
}

/** The entries that `keep` accepts; the same bag when it accepts all. */
export function filterBag(bag: Bag, keep: (resource: Resource) => boolean): Bag {
  let out: Resource[] | undefined;
  for (let i = 0; i < bag.length; i += 1) {
    const r = bag[i] as Resource;
    if (keep(r)) out?.push(r);
    else out ??= bag.slice(0, i);
  }
  if (out === undefined) return bag;
  return out.length === 0 ? emptyBag : out;
}

/** What is reserved to nobody and cannot be taken away. */
export function unreserved(bag: Bag): Bag {
  return filterBag(bag, isUnreserved);
}

/** What is reserved: to `role` itself, or to whomever. */
export function reserved(bag: Bag, role?: Role): Bag {
  return filterBag(bag, role === undefined ? isReserved : r => r.label.role === role);
}

/** What only one can hold at a time: all but shared volumes. Books run on it. */
export function exclusive(bag: Bag): Bag {
  return filterBag(bag, isExclusive);
}

/** Shared volumes: they stay free however many use them. */
export function shared(bag: Bag): Bag {
  return filterBag(bag, isShared);
}

/** What cannot be taken away from whoever holds it. */
export function nonRevocable(bag: Bag): Bag {
  return filterBag(bag, isNonRevocable);
}

/** What may be taken away any time. */
export function revocable(bag: Bag): Bag {
  return filterBag(bag, isRevocable);
}

/** What may be offered to `role`: what is unreserved, revocable or not, and what is reserved to the role or a role above it. */
export function forRole(bag: Bag, role: Role): Bag {
  return filterBag(bag, r => r.label.role === undefined || isAncestorOrSelf(r.label.role, role));
}

/** What is left for a framework that can cope with these only. */
export function withoutCapabilities(bag: Bag, can: { readonly revocable: boolean; readonly shared: boolean }): Bag {
  if (can.revocable && can.shared) return bag;
  return filterBag(bag, r => (can.revocable || !r.label.revocable) && (can.shared || !r.label.shared));
}

/**
 * The bag with each scalar cut to at most `limits` thousandths per name, counted over all labels in the order of keys; a name without a
 * limit stays whole, and so do ranges and sets. Volumes and mount disks are indivisible: what does not fit any more is left out.
 */
export function shrink(bag: Bag, limits: ReadonlyMap<string, number>): Bag {
  if (limits.size === 0) return bag;
  const used = new Map<string, number>();
  const out: Resource[] = [];
  let changed = false;
  for (const r of bag) {
    const limit = r.kind === 'scalar' ? limits.get(r.name) : undefined;
    if (r.kind !== 'scalar' || limit === undefined) {
      out.push(r);
      continue;
    }
    const before = used.get(r.name) ?? 0;
    const room = Math.max(0, limit - before);
    const milli = r.milli <= room ? r.milli : r.label.indivisible ? 0 : room;
    used.set(r.name, before + milli);
    if (milli !== r.milli) changed = true;
    if (milli > 0) out.push(milli === r.milli ? r : withMilli(r, milli));
  }
  if (!changed) return bag;
  return out.length === 0 ? emptyBag : out;
}

/**
 * The bag with each scalar that is neither reserved nor revocable cut to at most `allowed` thousandths of its name; all else stays. Disk may be in
 * several places: that of the sandboxes counts first, then each in the order of keys. A mount disk that does not fit any more is left out.
 */
export function shrinkUnreserved(bag: Bag, allowed: (name: string) => number): Bag {
  let out: Resource[] | undefined;
  let disk = 0;
  for (let i = 0; i < bag.length; i += 1) {
    const r = bag[i] as Resource;
    if (r.kind !== 'scalar' || !isUnreserved(r)) {
      out?.push(r);
      continue;
    }
    const room = Math.max(0, r.name === 'disk' ? allowed(r.name) - disk : allowed(r.name));
    const milli = r.milli <= room ? r.milli : r.label.indivisible ? 0 : room;
    if (r.name === 'disk') disk += milli;
    if (milli === r.milli) {
      out?.push(r);
      continue;
    }
    out ??= bag.slice(0, i);
    if (milli > 0) out.push(withMilli(r, milli));
  }
  if (out === undefined) return bag;
  return out.length === 0 ? emptyBag : out;
}

function isUnreserved(r: Resource): boolean {
  return r.label.role === undefined && !r.label.revocable;
}

function isReserved(r: Resource): boolean {
  return r.label.role !== undefined;
}

function isExclusive(r: Resource): boolean {
  return !r.label.shared;
}

function isShared(r: Resource): boolean {
  return r.label.shared;
}

function isNonRevocable(r: Resource): boolean {
  return !r.label.revocable;
}

function isRevocable(r: Resource): boolean {
  return r.label.revocable;
}
