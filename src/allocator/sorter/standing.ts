// Where a client stands in the policy's order: its class, and the score of each node on the way to it. In: clients. Out: who is before whom,
// now or as of then.
import type { Role } from '../../base/ids.js';
import type { Sorter } from './scoring.js';
import type { TreeNode } from './tree-node.js';

/** Who has a place in the tree, or had one. */
export interface Placed {
  readonly role: Role;
  readonly node: TreeNode | undefined;
}

/** The way from the top to a client, and how it was rated there at some time. */
export interface Standing {
  readonly nodes: readonly TreeNode[];
  readonly class: number;
  readonly scores: readonly number[];
  /** Weighted dominant shares: they tell those apart whose scores are equal, as where chance or turns decide. */
  readonly shares: readonly number[];
}

export function standingOf(tree: Sorter, client: Placed): Standing | undefined {
  const leaf = client.node;
  if (leaf === undefined) return undefined;
  const { columns } = tree;
  // Where all are in one list, their roles are not compared.
  if (tree.isFlat) {
    const share = columns.dominant(leaf.id) / tree.weightOf(client.role);
    return { nodes: [leaf], class: tree.classOf(leaf), scores: [tree.scoreOf(leaf)], shares: [share] };
  }
  const nodes: TreeNode[] = [];
  for (let at: TreeNode | undefined = leaf; at?.parent !== undefined; at = at.parent) nodes.push(at);
  nodes.reverse();
  return {
    nodes,
    class: tree.classOf(leaf),
    scores: nodes.map(node => tree.scoreOf(node)),
    shares: nodes.map(({ id }) => columns.dominant(id) / columns.weight(id)),
  };
}

/**
 * Whether `client` comes, now, before the other as that one is or was: by class, then, where their ways part, by score, then by what they
 * hold. Equals are not before each other.
 */
export function isBefore(tree: Sorter, client: Placed, other: Placed | Standing): boolean {
  const theirs = 'nodes' in other ? other : standingOf(tree, other);
  const own = standingOf(tree, client);
  if (theirs === undefined || own === undefined) return false;
  if (own.class !== theirs.class) return own.class > theirs.class;
  for (const [i, node] of own.nodes.entries()) {
    if (node === theirs.nodes[i]) continue;
    const score = own.scores[i] as number;
    const theirScore = theirs.scores[i] ?? Number.POSITIVE_INFINITY;
    if (score !== theirScore) return score < theirScore;
    return (own.shares[i] as number) < (theirs.shares[i] ?? Number.POSITIVE_INFINITY);
  }
  return false;
}
