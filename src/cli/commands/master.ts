// `proffer master`
import { join } from 'node:path';
import type { RunMasterOptions } from '../../compose/master.js';
import { runMaster } from '../../compose/master.js';
import { choosePolicy } from '../../compose/policy.js';
import { openRegistry } from '../../compose/stores.js';
import { lockWorkDir } from '../../compose/work-dir.js';
import type { RunCommand } from '../command.js';
import { daemon, domainOf, given } from '../daemon.js';
import type { MasterFlags } from '../flag-sets.js';
import type { FlagValues } from '../flags.js';

export const master: RunCommand<MasterFlags> = ({ flags }) =>
  daemon('master', flags, async (log, signal) => {
    const settings = masterSettingsOf(flags);
    const policy = await choosePolicy(flags);
    const lock = lockWorkDir(join(flags.workDir, 'master'));
    try {
      const running = await runMaster(
        {
          host: flags.host,
          port: flags.port,
          log,
          store: await openRegistry(flags.workDir, log),
          processMetrics: true,
          ...settings,
          ...(policy === undefined ? {} : { allocator: { ...settings.allocator, policy } }),
        },
        signal,
      );
      void running.closed.catch(() => {}).finally(() => lock.release());
      return running;
    } catch (error) {
      lock.release();
      throw error;
    }
  });

/** What the flags say beyond where it listens and keeps its state. @throws ProfferError USAGE. */
export function masterSettingsOf(flags: FlagValues<MasterFlags>): RunMasterOptions {
  return given({
    hostname: flags.hostname,
    seed: flags.seed,
    domain: domainOf(flags),
    master: given({
      offerTimeoutMs: flags.offerTimeout,
      heartbeatIntervalMs: flags.heartbeatInterval,
      agentPingTimeoutMs: flags.agentPingTimeout,
      agentPingMissesMax: flags.maxAgentPingTimeouts,
      agentReregisterTimeoutMs: flags.agentReregisterTimeout,
      agentRemovalRateLimit: flags.agentRemovalRateLimit,
      safeModeShare: flags.safeModeShare,
      completedFrameworksMax: flags.maxCompletedFrameworks,
      completedTasksMax: flags.maxCompletedTasksPerFramework,
      unreachableTasksMax: flags.maxUnreachableTasksPerFramework,
    }),
    allocator: given({
      weights: flags.weights,
      allocationIntervalMs: flags.allocationInterval,
      recoveryIntervalMs: flags.recoveryInterval,
      minAllocatable: flags.minAllocatableResources,
      fairSharingExcluded: flags.fairSharingExcluded,
      filterGpus: flags.filterGpuResources,
    }),
  });
}
