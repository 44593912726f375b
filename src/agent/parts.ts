// What the parts of one agent share.
import type { AgentCall } from '../protocol/agent-api.js';
import type { AgentInfo } from '../protocol/entities.js';
import type { Counts } from './counts.js';
import type { Keeper } from './keeper.js';
import type { Ledger } from './ledger.js';
import type { AgentDeps, AgentOptions } from './options.js';
import type { Outbox } from './outbox.js';
import type { SandboxGarbage } from './sandbox.js';
import type { AgentState } from './state.js';

/** Everything a part of the agent may touch. */
export interface AgentParts {
  readonly deps: AgentDeps;
  readonly options: AgentOptions;
  readonly state: AgentState;
  readonly ledger: Ledger;
  readonly keeper: Keeper;
  readonly outbox: Outbox;
  readonly garbage: SandboxGarbage;
  readonly counts: Counts;
  /** The agent as it is now. */
  readonly info: () => AgentInfo;
  /** To the master, if it is there; lost otherwise. */
  readonly toMaster: (call: Extract<AgentCall, { type: 'MESSAGE' }>) => void;
  /** Tells the master, once what ended with the executor is kept, unless a registration has told it meanwhile. */
  readonly executorExited: (call: Omit<Extract<AgentCall, { type: 'EXECUTOR_EXITED' }>, 'type'>) => void;
  /** A container has ended. */
  readonly onContainerEnded: () => void;
}
