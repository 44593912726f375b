// What orders the nodes of the role tree, where it is not their weighted dominant share; and what it may ask of the tree. In: the tree. Out: scores.
import type { Bits } from '../../base/bits.js';
import type { Columns, TieBreak } from './columns.js';
import type { TreeNode } from './tree-node.js';

/** The role tree as those see it that order its nodes. Frameworks are told apart by their slots. */
export interface Sorter {
  /** Amounts and scores by node id. */
  readonly columns: Columns;
  readonly root: TreeNode;
  /** The node of an id, as found in an order. */
  node(id: number): TreeNode;
  /** All frameworks in roles, active or not. */
  leaves(): TreeNode[];
  /** Slots of all active frameworks in order. */
  ordered(): number[];
  /** The slot of the first active framework that is not in `blocked`, by scores alone; -1 when there is none. */
  walk(blocked: Bits): number;
  /** The same below a role's node. */
  firstBelow(node: TreeNode, blocked: Bits): number;
  /** Negative when `a` comes before `b`, by scores alone. Both are frameworks in roles. */
  compareScores(a: TreeNode, b: TreeNode): number;
  /** How many frameworks are active, where all are in one list. */
  readonly listed: number;
  /** The framework at a place of that list. */
  listedAt(index: number): TreeNode;
  /** Whether all frameworks are in one list, instead of role by role. */
  readonly isFlat: boolean;
  classOf(leaf: TreeNode): number;
  /** What a node is ordered by. */
  scoreOf(node: TreeNode): number;
  weightOf(role: string): number;
}

/** Scores of nodes, and the classes above them. */
export interface NodeScoring {
  /** All frameworks in one list, instead of role by role. Default false. */
  readonly flat?: boolean;
  /** Between equal scores. Default `count`. */
  readonly tieBreak?: TieBreak;
  /** A node's score; lower comes first. Asked after what the node holds has changed, children before parents. */
  score(node: TreeNode, columns: Columns): number;
  /** A node became active: it has a place among its siblings from now on. */
  entered?(node: TreeNode, tree: Sorter): void;
  /** A run granted something to the node or to one below it; told from the framework upwards, after it was booked. */
  served?(node: TreeNode, tree: Sorter): void;
  /** Told after each grant of a run. True: all scores are to be asked for again. */
  granted?(tree: Sorter): boolean;
  /** The class of a framework; a higher one comes before a lower one, whatever the scores, and yields nothing to it. Default: all are of one. */
  classOf?(leaf: TreeNode): number;
  /** Negative when `a` comes before `b`. Default: by scores where their ways part. */
  compare?(tree: Sorter, a: TreeNode, b: TreeNode): number;
}
