// What orders the nodes of the role tree, where it is not their weighted dominant share. In: the tree, a run's facts. Out: scores, or
// the choice itself.
import type { PoolAgent } from '../pool/agent-pool.js';
import type { Bits } from '../../base/bits.js';
import type { Columns, TieBreak } from './columns.js';
import type { Facts } from '../policies/facts.js';
import type { RoleTree, TreeNode } from './role-tree.js';

/** An order of frameworks at work in one allocator. It may keep state, which starts empty with each master. */
export interface Scoring {
  /** All frameworks in one list, instead of role by role. Default false. */
  readonly flat?: boolean;
  /** Between equal scores. Default `count`. */
  readonly tieBreak?: TieBreak;
  /** A node's score; lower comes first. Asked after what the node holds has changed, children before parents. */
  score(node: TreeNode, columns: Columns): number;
  /** A run begins. True: all scores are to be asked for again. */
  begin?(facts: Facts, tree: RoleTree): boolean;
  /** A node became active: it has a place among its siblings from now on. */
  entered?(node: TreeNode, tree: RoleTree): void;
  /** A run granted something to the node or to one below it; told from the framework upwards, after it was booked. */
  served?(node: TreeNode, tree: RoleTree): void;
  /** Told after each grant of a run. True: all scores are to be asked for again. */
  granted?(tree: RoleTree): boolean;
  /**
   * The slot of the client that comes first, of those not blocked, on `agent`; -1 for none. `outside`: who has no part in it at all, and so
   * is before nobody (they are blocked, too). Default: down the tree, least scores first.
   */
  first?(tree: RoleTree, blocked: Bits, agent: PoolAgent, outside?: Bits): number;
  /** The class of a framework; a higher one comes before a lower one, whatever the scores, and yields nothing to it. Default: all are of one. */
  classOf?(leaf: TreeNode): number;
  /** Negative when `a` comes before `b`. Default: by scores where their ways part. */
  compare?(tree: RoleTree, a: TreeNode, b: TreeNode): number;
}
