// Quota as simply as it can be said: definitions, evaluated from what is held at the moment asked. What the incremental book must agree with.
import type { Role } from '../../src/base/ids.js';
import type { Grant, Quota } from '../../src/allocator/index.js';
import type { Bag, Resource } from '../../src/resources/index.js';
import { emptyBag, isAncestorOrSelf, roleAncestors } from '../../src/resources/index.js';

/** What quota is judged by. */
export interface QuotaWorld {
  readonly held: readonly Grant[];
  readonly totals: readonly Bag[];
  /** Of active agents. */
  readonly free: readonly Bag[];
  /** Answers given already. */
  readonly known: Map<string, number>;
}

export const quotaScalars = ['cpus', 'mem', 'disk', 'gpus'];

export class ModelQuota {
  readonly quotas = new Map<Role, Quota>();

  /** Unreserved use in the role and below, and all reservations to these. */
  consumed(world: QuotaWorld, role: Role, name: string): number {
    return once(world, `consumed ${role} ${name}`, () => this.#consumed(world, role, name));
  }

  /** What is kept back in all, if `sated` and those above it had all they could want. */
  required(world: QuotaWorld, name: string, sated?: Role): number {
    return once(world, `required ${name} ${sated ?? ''} of ${[...this.quotas.keys()].join(' ')}`, () =>
      this.#required(world, name, sated),
    );
  }

  available(world: QuotaWorld, name: string): number {
    return once(world, `available ${name}`, () =>
      world.free.flat().reduce((sum, r) => (isPlain(r, name) ? sum + amountOf(r) : sum), 0),
    );
  }

  #consumed(world: QuotaWorld, role: Role, name: string): number {
    let milli = 0;
    for (const grant of world.held) {
      if (!isAncestorOrSelf(role, grant.role)) continue;
      for (const r of grant.resources) if (isPlain(r, name)) milli += amountOf(r);
    }
    for (const total of world.totals) {
      for (const r of total) {
        if (r.name === name && r.label.role !== undefined && isAncestorOrSelf(role, r.label.role)) milli += amountOf(r);
      }
    }
    return milli;
  }

  #required(world: QuotaWorld, name: string, sated?: Role): number {
    return this.#needsBelow(world, undefined, name, sated);
  }

  // What roles right below `role` need together, if `sated` and those above it had all they could want.
  #needsBelow(world: QuotaWorld, role: Role | undefined, name: string, sated?: Role): number {
    const roles = new Set([...this.quotas.keys()].flatMap(each => [each, ...roleAncestors(each)]));
    const children = [...roles].filter(other => roleAncestors(other)[0] === role);
    return children.reduce((sum, child) => sum + this.#need(world, child, name, sated), 0);
  }

  #need(world: QuotaWorld, role: Role, name: string, sated?: Role): number {
    const quota = this.quotas.get(role);
    const consumed = this.consumed(world, role, name);
    const isSated = sated !== undefined && isAncestorOrSelf(role, sated);
    const own = isSated ? 0 : (quota?.guarantees.get(name) ?? 0) - consumed;
    const left = (quota?.limits.get(name) ?? Number.POSITIVE_INFINITY) - consumed;
    return Math.min(Math.max(0, left), Math.max(0, own, this.#needsBelow(world, role, name, sated)));
  }

  /** The least that limits leave: each must also suffice for what others below it need. */
  left(world: QuotaWorld, role: Role, name: string): number {
    const lefts = [role, ...roleAncestors(role)].map(each => {
      const limit = this.quotas.get(each)?.limits.get(name);
      if (limit === undefined) return Number.POSITIVE_INFINITY;
      return limit - this.consumed(world, each, name) - this.#needsBelow(world, each, name, role);
    });
    return Math.max(0, Math.min(...lefts));
  }

  /** The part of all needs that only this role's having more makes less. */
  ownNeed(world: QuotaWorld, role: Role, name: string): number {
    return this.required(world, name) - this.required(world, name, role);
  }

  /** What limits and the guarantees of others let the role have. */
  allowed(world: QuotaWorld, role: Role, name: string): number {
    const surplus = Math.max(0, this.available(world, name) - this.required(world, name));
    return Math.min(this.left(world, role, name), surplus + this.ownNeed(world, role, name));
  }

  offerable(world: QuotaWorld, role: Role, visible: Bag): Bag {
    if (this.quotas.size === 0) return visible;
    // Disk may be in several places: what one takes is gone for the next.
    const given = new Map<string, number>();
    const out = visible.flatMap((r): Resource[] => {
      if (r.kind !== 'scalar' || !isPlain(r, r.name)) return [r];
      const before = given.get(r.name) ?? 0;
      const most = Math.min(r.milli, this.allowed(world, role, r.name) - before);
      const milli = r.label.source?.type === 'MOUNT' && most < r.milli ? 0 : most;
      if (milli <= 0) return [];
      given.set(r.name, before + milli);
      return [{ ...r, milli }];
    });
    return out.length === 0 ? emptyBag : out;
  }

  /** Whether the role's top-level role, or one below that, lacks something it is guaranteed. */
  needy(world: QuotaWorld, role: Role): boolean {
    const top = role.split('/')[0] ?? role;
    const only = new ModelQuota();
    for (const [each, quota] of this.quotas) if (isAncestorOrSelf(top, each)) only.quotas.set(each, quota);
    return quotaScalars.some(name => only.required(world, name) > 0);
  }

  serves(world: QuotaWorld, role: Role, visible: Bag): boolean {
    return visible.some(r => {
      if (!isPlain(r, r.name) || this.ownNeed(world, role, r.name) <= 0) return false;
      if (r.label.source?.type === 'MOUNT') return this.allowed(world, role, r.name) >= amountOf(r);
      return this.left(world, role, r.name) > 0;
    });
  }
}

function once(world: QuotaWorld, question: string, answer: () => number): number {
  let found = world.known.get(question);
  if (found === undefined) world.known.set(question, (found = answer()));
  return found;
}

function isPlain(r: Resource, name: string): boolean {
  return r.kind === 'scalar' && r.name === name && r.label.role === undefined && !r.label.revocable;
}

function amountOf(r: Resource): number {
  return r.kind === 'scalar' ? r.milli : 0;
}
