// `proffer agent`
import { join } from 'node:path';
import { agentAttributes, agentResources } from '../../compose/agent-text.js';
import type { RunAgentOptions } from '../../compose/agent.js';
import { runAgent } from '../../compose/agent.js';
import type { RunCommand } from '../command.js';
import { daemon, domainOf, given } from '../daemon.js';
import type { AgentFlags } from '../flag-sets.js';
import type { FlagValues } from '../flags.js';

export const agent: RunCommand<AgentFlags> = ({ flags }) =>
  daemon(
    'agent',
    flags,
    (log, signal) =>
      runAgent(
        {
          master: flags.master,
          workDir: join(flags.workDir, 'agent'),
          host: flags.host,
          port: flags.port,
          containerizer: flags.containerizer,
          attributes: agentAttributes(flags.attribute, flags.attributes),
          log,
          processMetrics: true,
          ...agentSettingsOf(flags),
        },
        signal,
      ),
    { endsOnUsr1: true },
  );

/** What the flags say beyond where it listens, registers and keeps its state. @throws ProfferError USAGE. */
export function agentSettingsOf(flags: FlagValues<AgentFlags>): Omit<RunAgentOptions, 'master' | 'workDir'> {
  return given({
    hostname: flags.hostname,
    resources: flags.resources === undefined ? undefined : agentResources(flags.resources, flags.defaultRole),
    defaultRole: flags.defaultRole,
    resourceEstimator: flags.resourceEstimator,
    qosController: flags.qosController,
    cgroups: flags.cgroups,
    docker: given({ allowPrivileged: flags.dockerPrivileged, allowedHostPaths: flags.dockerHostPaths }),
    domain: domainOf(flags),
    bootId: flags.bootId,
    agent: given({
      killGraceMs: flags.killGrace,
      cpuHardLimit: flags.cpuHardLimit,
      gcDelayMs: flags.gcDelay,
      executorRegistrationMs: flags.executorRegistrationTimeout,
      executorReregistrationMs: flags.executorReregistrationTimeout,
      executorShutdownGraceMs: flags.executorShutdownGrace,
      recover: flags.recover,
      recoveryTimeoutMs: flags.recoveryTimeout,
      strictRecovery: flags.strict,
      reconfigurationPolicy: flags.reconfigurationPolicy,
      completedTasksMax: flags.maxCompletedTasks,
      oversubscribedResourcesIntervalMs: flags.oversubscribedResourcesInterval,
      qosCorrectionIntervalMs: flags.qosCorrectionInterval,
    }),
  });
}
