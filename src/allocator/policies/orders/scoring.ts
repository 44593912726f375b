// An order of frameworks at work: scores, and what a run adds to them. In: the sorter, a run's facts. Out: scores, or the choice itself.
import type { Bits } from '../../../base/bits.js';
import type { PoolAgent } from '../../pool/agent-pool.js';
import type { NodeScoring, Sorter } from '../../sorter/scoring.js';
import type { Facts } from '../facts.js';

/** An order of frameworks at work in one allocator. It may keep state, which starts empty with each master. */
export interface Scoring extends NodeScoring {
  /** A run begins. True: all scores are to be asked for again. */
  begin?(facts: Facts, tree: Sorter): boolean;
  /**
   * The slot of the client that comes first, of those not blocked, on `agent`; -1 for none. `outside`: who has no part in it at all, and so
   * is before nobody (they are blocked, too). Default: down the tree, least scores first.
   */
  first?(tree: Sorter, blocked: Bits, agent: PoolAgent, outside?: Bits): number;
}
