// What one client holds on one agent, in the parts it was given in. In: parts, what comes back or changes. Out: the parts, changed in place.
import type { Bag } from '../../resources/index.js';
import {
  add,
  contains,
  emptyBag,
  exclusive,
  filterBag,
  quantities,
  shared,
  subtract,
  sum,
} from '../../resources/index.js';
import type { Conversion } from '../model.js';

/** What was given at once, or what is left of it. A shared volume is in as many parts as use it. */
export interface Part {
  resources: Bag;
  /** Set while it is an offer: the resources that were offered, the same object as in the grant. */
  offer: Bag | undefined;
  /** When it was offered, on the monotonic scale. */
  offeredMs: number;
}

/** All of them together; a shared volume once. */
export function heldOf(parts: readonly Part[] | undefined): Bag {
  if (parts === undefined || parts.length === 0) return emptyBag;
  return parts.length === 1 ? (parts[0] as Part).resources : sum(parts.map(({ resources }) => resources));
}

/** `bag` without the shared volumes that are in `held`: what counts in a share only once. */
export function withoutShared(bag: Bag, held: Bag): Bag {
  return filterBag(bag, r => !r.label.shared || !held.some(({ key }) => key === r.key));
}

/** `bag` without the shared volumes that were not held, or still are. */
export function lostOf(bag: Bag, before: Bag, after: Bag): Bag {
  const kept = withoutShared(bag, after);
  return filterBag(kept, r => !r.label.shared || before.some(({ key }) => key === r.key));
}

/** Takes `resources` out of the parts: the very part when there is one, or that of the offer, else out of what is in use before what is offered. */
export function returnParts(parts: Part[], resources: Bag, offered?: Bag): void {
  const own = offered === undefined ? undefined : parts.find(({ offer }) => offer === offered);
  if (own !== undefined && contains(own.resources, resources)) {
    replace(parts, own, subtract(own.resources, resources));
    return;
  }
  for (let i = 0; i < parts.length; i += 1) {
    if ((parts[i] as Part).resources !== resources) continue;
    parts.splice(i, 1);
    return;
  }
  const used = shared(resources);
  for (const r of used) removeShared(parts, r.key);
  const rest = used.length === 0 ? resources : exclusive(resources);
  if (rest.length === 0) return;
  const from = parts.find(part => part.offer === undefined && contains(part.resources, rest)) ?? whole(parts, rest);
  replace(parts, from, subtract(from.resources, rest));
}

/** The same for a conversion; of an offer, what it becomes is part of the offer still. */
export function convertParts(parts: Part[], conversion: Conversion): void {
  const { produced } = conversion;
  const held = heldOf(parts);
  // A shared volume may have returned already with another offer that had it.
  const consumed = filterBag(conversion.consumed, r => !r.label.shared || contains(held, [r]));
  const from =
    parts.find(part => part.offer !== undefined && contains(part.resources, consumed)) ?? whole(parts, consumed);
  replace(parts, from, add(subtract(from.resources, consumed), produced));
  // Of offers accepted together each may have had the shared volume that is destroyed.
  for (const { label, key } of conversion.consumed) {
    if (!label.shared) continue;
    for (const part of Array.from(parts))
      if (part !== from)
        replace(
          parts,
          part,
          filterBag(part.resources, r => r.key !== key),
        );
  }
}

/** Shared volumes among `resources` are used once more. */
export function commitPart(parts: Part[], resources: Bag): void {
  const used = shared(resources);
  if (used.length > 0) parts.push({ resources: used, offer: undefined, offeredMs: 0 });
}

/** What is left of an offer is in use from now on, but for shared volumes, which its tasks hold on their own: these are returned. */
export function endOffer(parts: Part[], offered: Bag): Bag {
  const part = parts.find(({ offer }) => offer === offered);
  if (part === undefined) return emptyBag;
  part.offer = undefined;
  const dropped = shared(part.resources);
  if (dropped.length > 0) replace(parts, part, exclusive(part.resources));
  return dropped;
}

/** Whether a conversion leaves amounts by name as they are. */
export function sameScalars({ consumed, produced }: Conversion): boolean {
  const before = quantities(consumed);
  const after = quantities(produced);
  if (before.size !== after.size) return false;
  for (const [name, milli] of before) if (after.get(name) !== milli) return false;
  return true;
}

// One part that has all of `wanted`; when it is spread over several, all become one.
function whole(parts: Part[], wanted: Bag): Part {
  const found = parts.find(({ resources }) => contains(resources, wanted));
  if (found !== undefined) return found;
  const merged: Part = {
    resources: sum(parts.map(({ resources }) => exclusive(resources))),
    offer: undefined,
    offeredMs: 0,
  };
  const others = parts.map(({ resources }) => shared(resources)).filter(bag => bag.length > 0);
  parts.length = 0;
  parts.push(merged, ...others.map((resources): Part => ({ resources, offer: undefined, offeredMs: 0 })));
  return merged;
}

function replace(parts: Part[], part: Part, resources: Bag): void {
  part.resources = resources;
  if (resources.length === 0) parts.splice(parts.indexOf(part), 1);
}

// A use less, of a task before one of an offer. None left: the offer it came with is over already.
function removeShared(parts: Part[], key: string): void {
  const has = ({ resources }: Part): boolean => resources.some(r => r.key === key);
  const part = parts.find(each => each.offer === undefined && has(each)) ?? parts.find(has);
  if (part !== undefined)
    replace(
      parts,
      part,
      filterBag(part.resources, r => r.key !== key),
    );
}
