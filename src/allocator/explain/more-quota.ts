// Other quota: higher limits, lower guarantees. In: what quota keeps from a launch. Out: the least change that gives it way.
import type { Role } from '../../base/ids.js';
import type { Bag } from '../../resources/index.js';
import type { Bound, Obstacle, World } from './judge.js';
import { isCommon } from './judge.js';
import type { Step } from './trial.js';
import { once } from './once.js';

/** The least raise of limits after which none of the obstacles stands; undefined when none is about a limit. */
export function raiseFor(obstacles: readonly Obstacle[]): Step | undefined {
  const raises = obstacles.flatMap(obstacle =>
    obstacle.kind === 'QUOTA'
      ? [{ bound: obstacle.bound, milli: Math.round(Number(obstacle.short.short) * 1000) }]
      : [],
  );
  if (raises.length === 0) return undefined;
  const lift = (bound: Bound): Bound => {
    const raise = raises.find(each => sameBound(each.bound, bound));
    if (raise === undefined) return bound;
    return { ...bound, leftMilli: bound.leftMilli + raise.milli, limitMilli: bound.limitMilli + raise.milli };
  };
  const raised = once((world: World): World => {
    const lifted = once((bounds: readonly Bound[]) => bounds.map(lift));
    return { ...world, bounds: client => lifted(world.bounds(client)) };
  });
  return {
    change: {
      change: 'RAISE_QUOTA',
      raises: raises.map(({ bound, milli }) => ({
        role: bound.roles[0] ?? '',
        resource: bound.name,
        from: bound.limitMilli / 1000,
        to: (bound.limitMilli + milli) / 1000,
      })),
    },
    lifts: ({ kind }) => kind === 'QUOTA',
    apply: trial => ({ ...trial, world: raised(trial.world) }),
  };
}

/** The greatest part that limits are raised by. */
export function raisedPart({ change }: Step): number {
  if (change.change !== 'RAISE_QUOTA') return 0;
  return Math.max(...change.raises.map(({ from, to }) => (to - from) / Math.max(0.001, from)));
}

function sameBound(a: Bound, b: Bound): boolean {
  return a.kind === b.kind && a.name === b.name && a.roles[0] === b.roles[0];
}

interface Lower {
  readonly role: Role;
  readonly name: string;
  readonly fromMilli: number;
  readonly toMilli: number;
}

/** Lower guarantees of others after which none of the obstacles stands, each by the least; undefined when none is about guarantees, or no few would do. */
export function lowerFor(world: World, role: Role, obstacles: readonly Obstacle[]): Step | undefined {
  const lowers: Lower[] = [];
  for (const obstacle of obstacles) {
    if (obstacle.kind !== 'GUARANTEES') continue;
    const { bound, short } = obstacle;
    const found = lowersFor(world, role, bound, Math.round(Number(short.wanted) * 1000));
    if (found === undefined) return undefined;
    lowers.push(...found);
  }
  if (lowers.length === 0) return undefined;
  const lowered = once((at: World): World => {
    const after = once((bounds: readonly Bound[]) => eased(at, role, bounds, lowers));
    // What other roles would have is not known.
    return { ...at, bounds: client => (client.role === role ? after(at.bounds(client)) : at.bounds(client)) };
  });
  return {
    change: {
      change: 'LOWER_GUARANTEES',
      lowers: lowers.map(({ role: of, name, fromMilli, toMilli }) => ({
        role: of,
        resource: name,
        from: fromMilli / 1000,
        to: toMilli / 1000,
      })),
    },
    lifts: ({ kind }) => kind === 'GUARANTEES',
    apply: trial => ({ ...trial, world: lowered(trial.world) }),
  };
}

// The bounds as they would be, whatever else was changed about them before.
function eased(world: World, role: Role, bounds: readonly Bound[], lowers: readonly Lower[]): readonly Bound[] {
  let now = bounds;
  for (const name of new Set(lowers.map(each => each.name))) {
    const before = world.boundsAfter(role, name, new Map());
    const after = world.boundsAfter(role, name, guarantees(lowers, name));
    now = now.map(bound => {
      if (bound.name !== name) return bound;
      const was = before.find(each => sameBound(each, bound))?.leftMilli ?? 0;
      const is = after.find(each => sameKind(each, bound))?.leftMilli ?? Number.POSITIVE_INFINITY;
      return { ...bound, leftMilli: bound.leftMilli + is - was };
    });
  }
  return now;
}

// For whom something is kept may differ afterwards.
function sameKind(a: Bound, b: Bound): boolean {
  return a.kind === 'GUARANTEES' ? a.kind === b.kind && a.name === b.name : sameBound(a, b);
}

function guarantees(lowers: readonly Lower[], name: string): ReadonlyMap<Role, number> {
  return new Map(lowers.filter(each => each.name === name).map(({ role, toMilli }) => [role, toMilli]));
}

// So many roles are looked at, those for which most is kept.
const rolesTriedMax = 8;

// One role's guarantee where that is enough, else of several, most first.
function lowersFor(world: World, role: Role, bound: Bound, wantedMilli: number): readonly Lower[] | undefined {
  const { name, promises } = bound;
  const enough = (lowers: readonly Lower[]): boolean => {
    const after = world.boundsAfter(role, name, guarantees(lowers, name));
    const left = after.find(each => each.kind === 'GUARANTEES' && each.name === name)?.leftMilli;
    return left === undefined || left >= wantedMilli;
  };
  const candidates = (promises?.() ?? [])
    .map(({ role: of, milli, floorMilli }): Lower => ({ role: of, name, fromMilli: milli, toMilli: floorMilli }))
    .sort((a, b) => b.fromMilli - b.toMilli - (a.fromMilli - a.toMilli))
    .slice(0, rolesTriedMax);
  const leastOf = (lower: Lower, among: readonly Lower[], i: number): Lower =>
    least(lower, changed => enough(among.with(i, changed)));
  const single = candidates.find(lower => enough([lower]));
  if (single !== undefined) return [leastOf(single, [single], 0)];
  const chosen: Lower[] = [];
  for (const lower of candidates) {
    chosen.push(lower);
    if (!enough(chosen)) continue;
    const needed = chosen.filter(
      (each, i) => i === chosen.length - 1 || !enough(chosen.filter(other => other !== each)),
    );
    let now = enough(needed) ? needed : chosen;
    for (const [i, each] of now.entries()) now = now.with(i, leastOf(each, now, i));
    return now;
  }
  return undefined;
}

// The least lowering that is enough, where the whole is.
function least(lower: Lower, enough: (lower: Lower) => boolean): Lower {
  let { toMilli } = lower;
  let tooMuch = lower.fromMilli;
  while (tooMuch - toMilli > 1) {
    const middle = Math.floor((toMilli + tooMuch) / 2);
    if (enough({ ...lower, toMilli: middle })) toMilli = middle;
    else tooMuch = middle;
  }
  return { ...lower, toMilli };
}

/** The world with so much more that is free, on an agent that comes or comes back: guarantees are met from it first. */
export function withAvailable(world: World, free: Bag): World {
  const gain = (bounds: readonly Bound[]): readonly Bound[] => bounds.map(bound => gained(bound, free));
  const gains = once(gain);
  return {
    ...world,
    bounds: client => gains(world.bounds(client)),
    boundsAfter: (role, name, guaranteed) => gain(world.boundsAfter(role, name, guaranteed)),
  };
}

function gained(bound: Bound, free: Bag): Bound {
  if (bound.kind !== 'GUARANTEES') return bound;
  const milli = free.reduce((sum, r) => (r.name === bound.name && isCommon(r) ? sum + r.milli : sum), 0);
  const { limitMilli, consumedMilli, leftMilli } = bound;
  const surplus = (available: number): number => Math.max(0, available - limitMilli);
  const more = surplus(consumedMilli + milli) - surplus(consumedMilli);
  return { ...bound, consumedMilli: consumedMilli + milli, leftMilli: leftMilli + more };
}
