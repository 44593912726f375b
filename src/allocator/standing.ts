// Where a client stands in the sorter: the score of each node on the way to it. In: clients. Out: who is before whom by scores alone, now or as of then.
import type { Client } from './clients.js';
import type { RoleTree, TreeNode } from './role-tree.js';

/** The way from the top to a client, and the scores there at some time. */
export interface Standing {
  readonly nodes: readonly TreeNode[];
  readonly scores: readonly number[];
}

export function standingOf(tree: RoleTree, client: Client): Standing | undefined {
  const nodes: TreeNode[] = [];
  for (let at = client.node; at?.parent !== undefined; at = at.parent) nodes.push(at);
  if (nodes.length === 0) return undefined;
  nodes.reverse();
  return { nodes, scores: nodes.map(({ id }) => tree.columns.shares[id] as number) };
}

/** Whether `client` has, now, a lower score than the other has or had, where their ways part. Equals are not before each other. */
export function isBefore(tree: RoleTree, client: Client, other: Client | Standing): boolean {
  const theirs = 'nodes' in other ? other : standingOf(tree, other);
  const own = standingOf(tree, client);
  if (theirs === undefined || own === undefined) return false;
  for (const [i, node] of own.nodes.entries()) {
    if (node !== theirs.nodes[i]) return (own.scores[i] as number) < (theirs.scores[i] ?? Number.POSITIVE_INFINITY);
  }
  return false;
}
