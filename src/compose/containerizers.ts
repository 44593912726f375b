// Which containerizers an agent gets. In: the choice, and what answers on this machine. Out: one containerizer for all types, and the prober.
import { ProfferError } from '../base/errors.js';
import { ComposingContainerizer } from '../containerizer/composing.js';
import type { Containerizer, NetworkProber } from '../containerizer/containerizer.js';
import { DockerContainerizer, probeDocker } from '../containerizer/docker.js';
import { ProcessContainerizer } from '../containerizer/process.js';
import { SystemProber } from '../containerizer/prober.js';
import type { Env } from '../env/env.js';
import { endOrphans } from './orphans.js';

/** `auto`: processes, and Docker where an engine answers. */
export type ContainerizerChoice = 'auto' | 'process' | 'docker';

export interface ContainerizersOptions {
  readonly choice: ContainerizerChoice;
  /** Names the agent in cgroup paths; two agents of a machine must differ. */
  readonly instance: string;
  readonly sandboxRoot: string;
}

/**
 * Makes them, once tasks that an agent with the same sandboxes left behind have ended.
 * @throws (rejects) ProfferError DOCKER_UNAVAILABLE when Docker was chosen and no engine answers.
 */
export async function makeContainerizers(
  env: Env,
  options: ContainerizersOptions,
): Promise<{ readonly containerizer: Containerizer; readonly prober: NetworkProber }> {
  const inner = await innerContainerizers(env, options);
  const ended = await endOrphans(options.sandboxRoot, inner);
  if (ended.length > 0) env.log.warn('ended tasks that an earlier agent had left running', { sandboxes: ended });
  return { containerizer: new ComposingContainerizer(env, inner), prober: new SystemProber(env.clock) };
}

/** Ends what agents that are gone left running below `sandboxRoot`. */
export async function sweepSandboxes(env: Env, options: ContainerizersOptions): Promise<void> {
  await endOrphans(options.sandboxRoot, await innerContainerizers(env, options));
}

async function innerContainerizers(
  env: Env,
  { choice, instance, sandboxRoot }: ContainerizersOptions,
): Promise<readonly Containerizer[]> {
  if (choice === 'process') return [new ProcessContainerizer(env, { instance })];
  const probe = await probeDocker(env.clock);
  if (probe.available) {
    env.log.info('Docker engine found', { version: probe.version });
    const docker = new DockerContainerizer(env, { refusedHostPaths: [sandboxRoot] });
    return choice === 'docker' ? [docker] : [new ProcessContainerizer(env, { instance }), docker];
  }
  if (choice === 'docker') {
    throw new ProfferError('DOCKER_UNAVAILABLE', `no Docker engine answers: ${probe.reason}`, {
      path: 'containerizer',
      hint: 'start one, set DOCKER_HOST, or use --containerizer process',
    });
  }
  env.log.info('no Docker engine answers; tasks run as processes only', { why: probe.reason });
  return [new ProcessContainerizer(env, { instance })];
}
