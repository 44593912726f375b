// What a checker is: one invariant that watches a world. In: history events, the end of each step. Out: reports of what broke.
import type { AgentStateView } from '../../agent/views.js';
import type { AgentId, TaskId } from '../../base/ids.js';
import type { ClusterView } from '../../master/state.js';
import type { Bag } from '../../resources/index.js';
import type { TrackedTask } from '../../scheduler/tracker.js';
import type { HistoryEvent } from '../history.js';
import type { Sessions } from '../sessions.js';

/** What checkers may look at. */
export interface WorldView {
  readonly nowMs: number;
  /** The same by the clock of the master, which may run fast or slow. */
  readonly masterNowMs: number;
  /** By how much a time of `ms` may be shorter or longer for somebody whose clock runs fast or slow. */
  driftOf(ms: number): number;
  readonly sessions: Sessions;
  /** Whether `node` is one of this world's, and not a stranger who may say anything. */
  knows(node: string): boolean;
  /** The master is stopped for a while, as by SIGSTOP: nothing can be expected of it. */
  readonly masterPaused: boolean;
  /** The state of the master process that runs, if one does. */
  readonly cluster: ClusterView | undefined;
  /** Whether its policy offers the same to several, and the accept decides. */
  readonly optimistic: boolean;
  /** The policy's order of frameworks, as it is written: `drf`, `prio:prod=2,dev=1`. */
  readonly order: string;
  /** Whether offers are taken back for who has waited long. */
  readonly isPatient: boolean;
  /** Whether a node's disk has a directory at `path`. */
  hasDirectory(node: string, path: string): boolean;
  /** What is durable on a node's disk; undefined for a stranger. */
  disk(node: string): DiskView | undefined;
  /** How long the agent of a host may be away for its tasks to go on. */
  recoveryTimeoutMs(node: string): number;
  /** What the agents that run tell of themselves, by node. */
  agentViews(): Iterable<readonly [string, AgentStateView]>;
  /** What the scheduler that runs on a node, and uses the SDK, believes of a task. */
  tracked(node: string, taskId: TaskId): TrackedTask | undefined;
  /** Its allocator's books. */
  readonly books: AllocatorBooks | undefined;
}

/** A disk as checkers see it. */
export interface DiskView {
  /** Whether a record on it cannot be read. */
  readonly isDamaged: boolean;
  has(key: string): boolean;
  /** Whether a record whose key starts so has such a value. */
  some(prefix: string, is: (value: unknown) => boolean): boolean;
}

/** The allocator as checkers see it. */
export interface AllocatorBooks {
  /** Free resources of an agent as the allocator has them; undefined for an unknown agent. */
  free(agentId: AgentId): Bag | undefined;
  /** Agents whose books changed since `settled` was called last. */
  readonly touched: ReadonlySet<AgentId>;
}

/** Says that the invariant does not hold; the run ends after the current step. */
export type Report = (message: string) => void;

/** One invariant. */
export interface Checker {
  /** What its failures are known by, e.g. `offer life`. */
  readonly name: string;
  /** Every event, in order, when it happens. */
  on?(event: HistoryEvent, world: WorldView, report: Report): void;
  /** After each step: must be cheap. */
  afterStep?(world: WorldView, report: Report): void;
  /** Now and then, and at the end: may look at everything. */
  audit?(world: WorldView, report: Report): void;
}
