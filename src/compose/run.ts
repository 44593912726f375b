// What `proffer` exports of compose: the same functions, loaded when first called, so that importing the package for its scheduler API stays cheap.
import type { RunAgentOptions, RunningAgent } from './agent.js';
import type { RunClusterOptions, RunningCluster } from './local-cluster.js';
import type { RunMasterOptions } from './master.js';
import type { Running } from './running.js';
import type { Store } from '../store/store.js';
import type { SchedulerStoreOptions } from './scheduler-store.js';

/**
 * Runs a master in this process until it is closed, or `signal` is aborted.
 * @throws (rejects) ProfferError ADDRESS_IN_USE, FORBIDDEN (the address is not loopback), USAGE.
 */
export async function runMaster(options: RunMasterOptions = {}, signal?: AbortSignal): Promise<Running> {
  return (await import('./master.js')).runMaster(options, signal);
}

/**
 * Runs an agent in this process until it is closed, `signal` is aborted, or the master ends it (then `closed` rejects). Closing ends its tasks;
 * `leave` does not: an agent that is run with the same work directory later takes them over.
 * @throws (rejects) ProfferError ADDRESS_IN_USE, FORBIDDEN, WORK_DIR_LOCKED, DOCKER_UNAVAILABLE, INVALID_AGENT, USAGE.
 */
export async function runAgent(options: RunAgentOptions, signal?: AbortSignal): Promise<RunningAgent> {
  return (await import('./agent.js')).runAgent(options, signal);
}

/**
 * Runs a master and agents in this process, on loopback, until closed or until `signal` is aborted: for examples, tests and first tries.
 * Closing ends every task and leaves nothing behind. `url` is the master's.
 * @throws (rejects) ProfferError ADDRESS_IN_USE, WORK_DIR_LOCKED, DOCKER_UNAVAILABLE, INVALID_AGENT; nothing is left running then.
 */
export async function runCluster(options: RunClusterOptions = {}, signal?: AbortSignal): Promise<RunningCluster> {
  return (await import('./local-cluster.js')).runCluster(options, signal);
}

/**
 * Opens a store of a scheduler's own below `directory`, which is made when it is not there and locked for this process until the store is closed. What is
 * written is on the disk when its callback is called; everything in it is verified. For `connect({ idStore })`, and whatever the scheduler keeps.
 * @throws (rejects) ProfferError WORK_DIR_LOCKED naming the process that has it, STORE_DAMAGED, STORE_FAILED, SANDBOX when it cannot be made.
 */
export async function openStore(directory: string, options: SchedulerStoreOptions = {}): Promise<Store> {
  return (await import('./scheduler-store.js')).openSchedulerStore(directory, options);
}
