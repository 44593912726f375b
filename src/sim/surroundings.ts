// What a world gives its nodes. In: nothing. Out: the interface between world.ts and the nodes, and the seams where tests put deliberate bugs.
import type { VolumeKeeper } from '../agent/options.js';
import type { Allocator, AllocatorOptions } from '../allocator/allocator.js';
import type { Containerizer } from '../containerizer/containerizer.js';
import type { Random } from '../env/random.js';
import type { VirtualClock } from '../env/virtual-clock.js';
import type { Master } from '../master/master.js';
import type { MasterOptions } from '../master/options.js';
import type { AgentEvent } from '../protocol/agent-api.js';
import type { ValidatedSchedulerCall } from '../protocol/checked.js';
import type { SchedulerEvent } from '../protocol/scheduler-api.js';
import type { HistoryEvent } from './history.js';
import type { Journal } from './journal.js';
import type { SimNetwork } from './network.js';

/** A world as its nodes see it. */
export interface Surroundings {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly journal: Journal;
  readonly network: SimNetwork;
  /** How fast the clock of a node runs; absent: as the world's. */
  readonly clockRate?: (node: string) => number;
  readonly mutations: Mutations;
  /** Where masters are to be found: `ws://name`. */
  readonly masterUrls: readonly string[];
  /** Something happened. */
  emit(event: HistoryEvent): void;
}

/** Deliberate bugs, put in from outside, to show that a checker sees them. All absent in an honest run. */
export interface Mutations {
  readonly allocator?: (inner: Allocator) => Allocator;
  /** Options the allocator runs with, though checkers hold it to the honest ones. */
  readonly allocatorOptions?: AllocatorOptions;
  /** Options the master runs with, though checkers hold it to the honest ones. */
  readonly master?: Partial<MasterOptions>;
  readonly containerizer?: (inner: Containerizer) => Containerizer;
  readonly volumes?: (inner: VolumeKeeper) => VolumeKeeper;
  /** Changes what the master says; an empty list swallows it. */
  readonly schedulerEvent?: (event: SchedulerEvent) => readonly SchedulerEvent[];
  readonly agentEvent?: (event: AgentEvent) => readonly AgentEvent[];
  /** Called before, and after, the master acts on a call. */
  readonly beforeCall?: (master: Master, call: ValidatedSchedulerCall) => void;
  readonly afterCall?: (master: Master, call: ValidatedSchedulerCall) => void;
}
