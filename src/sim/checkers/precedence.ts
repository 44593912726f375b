// Who comes before whom in a policy's own order, as far as it can be told from what everybody holds and asks for, without the policy's code.
// In: the order's name, the master's state. Out: a judgement that says yes only where it is certain.
import type { Role } from '../../base/ids.js';
import type { ClusterView } from '../../master/state.js';
import { filterBag, roleAncestors } from '../../resources/index.js';
import type { Bag } from '../../resources/index.js';
import type { Client } from './waiting.js';
import { clientsOf, keyOf } from './waiting.js';

/** Who holds an offer. */
export interface Holder {
  readonly frameworkId: string;
  readonly role: Role;
}

/** Whether `client` is certain to come before `holder`. */
export type Precedes = (client: Client, holder: Holder) => boolean;

type Amounts = ReadonlyMap<string, number>;

const never: Precedes = () => false;
const nothing: Amounts = new Map();
// Sums of doubles differ by their order.
const tolerance = 1e-9;

/**
 * - `drf`, `random`, `rr`: where the ways through the role tree part, the lesser dominant share by weight; where chance or turns decide, scores
 *   are equal, and the shares tell.
 * - `asset`, `least-alloc:NAME`: the lesser of their own scores there, then the shares.
 * - `prio:…`: the higher class; in one class as `drf`. Nothing is said of those who are not of the highest class there is: others may come again
 *   and again.
 * - `hdrf`, `tsf`, `cdrf`: at the parting, a branch that holds nothing comes before one that holds something.
 * - `lottery`, `ps-dsf`, `rps-dsf`, which are flat: a framework that holds nothing in its role before one that holds something.
 * - `demand`: a branch that asks for something before one in which nobody does.
 * - `fifo`: whom this master came to know first.
 * - `stride`: goes by how often each was served since it came, which holdings do not tell; here nothing is said of who comes before whom. (What
 *   is free, and nobody takes, must be offered under every order.)
 */
export function precedenceOf(order: string, cluster: ClusterView): Precedes {
  const [name = '', argument = ''] = split(order);
  const holdings = holdingsOf(cluster);
  const share = (node: string): number => holdings.dominant(node) / weightOf(cluster, node);
  const byShare: Precedes = (client, holder) => atParting(client, holder, share);
  const isEmpty = (node: string): number => (holdings.of(node).size === 0 ? 0 : 1);
  switch (name) {
    case 'drf':
    case 'random':
    case 'rr':
      return byShare;
    case 'asset':
      return (client, holder) => atParting(client, holder, node => holdings.sum(node) / weightOf(cluster, node), share);
    case 'least-alloc': {
      const held = (node: string): number => (holdings.of(node).get(argument) ?? 0) / weightOf(cluster, node);
      return (client, holder) => atParting(client, holder, held, share);
    }
    case 'prio': {
      const classOf = classesOf(argument);
      const highest = Math.max(...clientsOf(cluster).map(({ role }) => classOf(role)));
      return (client, holder) => {
        const own = classOf(client.role);
        if (own !== highest) return false;
        return own > classOf(holder.role) || byShare(client, holder);
      };
    }
    case 'hdrf':
    case 'tsf':
    case 'cdrf':
      return (client, holder) => atParting(client, holder, isEmpty);
    case 'lottery':
    case 'ps-dsf':
    case 'rps-dsf':
      return (client, { frameworkId, role }) =>
        isEmpty(keyOf(client.framework.id, client.role)) < isEmpty(keyOf(frameworkId, role));
    case 'demand': {
      const asking = askingNodes(cluster);
      return (client, holder) => atParting(client, holder, node => (asking.has(node) ? 0 : 1));
    }
    case 'fifo': {
      const arrivals = new Map([...cluster.frameworks.keys()].map((id, index) => [id, index]));
      const arrivalOf = (id: string): number => arrivals.get(id) ?? -1;
      return (client, { frameworkId }) => arrivalOf(client.framework.id) < arrivalOf(frameworkId);
    }
    default:
      return never;
  }
}

function split(order: string): string[] {
  const at = order.indexOf(':');
  return at < 0 ? [order] : [order.slice(0, at), order.slice(at + 1)];
}

/** Compares two nodes by scores, each one counting where those before it are equal. Certain only where the difference is. */
function atParting(client: Client, holder: Holder, ...scores: readonly ((node: string) => number)[]): boolean {
  const parting = partingOf(client, holder);
  if (parting === undefined) return false;
  for (const score of scores) {
    const difference = score(parting[1]) - score(parting[0]);
    if (Math.abs(difference) > tolerance) return difference > 0;
  }
  return false;
}

/** The nodes just below the last one that both ways have; undefined where one role is above the other. */
function partingOf(client: Client, holder: Holder): readonly [string, string] | undefined {
  const a = wayTo(client.role);
  const b = wayTo(holder.role);
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
    const [nodeA, nodeB] = [a[i], b[i]];
    if (nodeA !== nodeB && nodeA !== undefined && nodeB !== undefined) return [nodeA, nodeB];
  }
  if (a.length !== b.length) return undefined;
  return [keyOf(client.framework.id, client.role), keyOf(holder.frameworkId, holder.role)];
}

function wayTo(role: Role): readonly Role[] {
  return [...roleAncestors(role).reverse(), role];
}

/** Of a role its own; frameworks within a role count alike. */
function weightOf(cluster: ClusterView, node: string): number {
  return cluster.weights.get(node) ?? 1;
}

/** What roles with all below them, and frameworks in their roles, use or are offered. */
function holdingsOf(cluster: ClusterView): {
  readonly of: (node: string) => Amounts;
  readonly dominant: (node: string) => number;
  readonly sum: (node: string) => number;
} {
  const totals = new Map<string, number>();
  const held = new Map<string, Map<string, number>>();
  for (const agent of cluster.agents.values()) {
    if (agent.state !== 'REGISTERED' && agent.state !== 'DISCONNECTED') continue;
    count(totals, agent.total);
    const shared = new Set<string>();
    for (const hold of [...[...agent.tasks].filter(task => task.holds), ...agent.executors.values(), ...agent.offers]) {
      const own = keyOf(hold.frameworkId, hold.role);
      // Of what several tasks or offers of a client share, it has one.
      const resources = filterBag(hold.resources, ({ key, label }) => !label.shared || isNew(shared, `${own}\n${key}`));
      for (const node of [...wayTo(hold.role), own]) {
        const amounts = held.get(node) ?? new Map<string, number>();
        held.set(node, amounts);
        count(amounts, resources);
      }
    }
  }
  const of = (node: string): Amounts => held.get(node) ?? nothing;
  const parts = (node: string): number[] => [...of(node)].map(([name, milli]) => milli / (totals.get(name) ?? milli));
  return {
    of,
    dominant: node => Math.max(0, ...parts(node)),
    sum: node => parts(node).reduce((sum, part) => sum + part, 0),
  };
}

function isNew(known: Set<string>, key: string): boolean {
  if (known.has(key)) return false;
  known.add(key);
  return true;
}

function count(into: Map<string, number>, bag: Bag): void {
  for (const r of bag) if (r.kind === 'scalar' && r.milli > 0) into.set(r.name, (into.get(r.name) ?? 0) + r.milli);
}

/** `prod=2,dev=1`: the class of a role is its own, else that of the nearest role above, else 0. */
function classesOf(text: string): (role: Role) => number {
  const classes = new Map(
    text.split(',').map(part => {
      const [role = '', value = ''] = part.split('=');
      return [role, Number(value)] as const;
    }),
  );
  return role => {
    const named = [role, ...roleAncestors(role)].find(each => classes.has(each));
    return named === undefined ? 0 : (classes.get(named) ?? 0);
  };
}

/** Roles, and frameworks in them, in which somebody asks for something. */
function askingNodes(cluster: ClusterView): ReadonlySet<string> {
  const asking = new Set<string>();
  for (const framework of cluster.frameworks.values()) {
    for (const { role } of framework.demand)
      for (const node of [...wayTo(role), keyOf(framework.id, role)]) asking.add(node);
  }
  return asking;
}
