// Which containerizers an agent gets. In: the choice, and what answers on this machine. Out: one containerizer for all types, and the prober.
import { join } from 'node:path';
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

export type CgroupsChoice = 'auto' | 'off';

export interface ContainerizersOptions {
  readonly choice: ContainerizerChoice;
  /** Of the agent; it has one agent. */
  readonly workDir: string;
  /** `off`: processes run without cgroups, and so without limits. Default `auto`: with them where they can be written. */
  readonly cgroups?: CgroupsChoice;
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
  // The earlier agent may have had cgroups.
  const enders = options.cgroups === 'off' ? inner.map(one => withCgroups(env, options, one)) : inner;
  const ended = await endLeftovers(options, enders);
  if (ended.length > 0) env.log.warn('ended tasks that an earlier agent had left running', { sandboxes: ended });
  return { containerizer: new ComposingContainerizer(env, inner), prober: new SystemProber(env.clock) };
}

/** Ends what an agent that is gone left running. */
export async function sweepSandboxes(env: Env, options: ContainerizersOptions): Promise<void> {
  await endLeftovers(options, await innerContainerizers(env, options));
}

/** Where an agent's sandboxes are. */
export function sandboxRootOf(workDir: string): string {
  return join(workDir, 'sandboxes');
}

/** Where an agent's persistent volumes are. */
export function volumeRootOf(workDir: string): string {
  return join(workDir, 'volumes');
}

async function endLeftovers(
  { workDir }: ContainerizersOptions,
  containerizers: readonly Containerizer[],
): Promise<readonly string[]> {
  const ended = await endOrphans(sandboxRootOf(workDir), containerizers);
  for (const containerizer of containerizers) {
    if (containerizer instanceof ProcessContainerizer)
      await new Promise<void>(resolve => containerizer.endStrays(resolve));
  }
  return ended;
}

async function innerContainerizers(
  env: Env,
  { choice, workDir, cgroups }: ContainerizersOptions,
): Promise<readonly Containerizer[]> {
  const instance = instanceOf(workDir);
  const processes = (): Containerizer =>
    new ProcessContainerizer(env, { instance, ...(cgroups === 'off' ? { cgroups: null } : {}) });
  if (choice === 'process') return [processes()];
  const probe = await probeDocker(env.clock);
  if (probe.available) {
    env.log.info('Docker engine found', { version: probe.version });
    const docker = new DockerContainerizer(env, { refusedHostPaths: [sandboxRootOf(workDir), volumeRootOf(workDir)] });
    return choice === 'docker' ? [docker] : [processes(), docker];
  }
  if (choice === 'docker') {
    throw new ProfferError('DOCKER_UNAVAILABLE', `no Docker engine answers: ${probe.reason}`, {
      path: 'containerizer',
      hint: 'start one, set DOCKER_HOST, or use --containerizer process',
    });
  }
  env.log.info('no Docker engine answers; tasks run as processes only', { why: probe.reason });
  return [processes()];
}

function withCgroups(env: Env, { workDir }: ContainerizersOptions, containerizer: Containerizer): Containerizer {
  return containerizer instanceof ProcessContainerizer
    ? new ProcessContainerizer(env, { instance: instanceOf(workDir) })
    : containerizer;
}

// Two agents of one machine must not share cgroups.
function instanceOf(workDir: string): string {
  return workDir
    .replaceAll(/[^\w.-]/g, '_')
    .replace(/^_+/, '')
    .slice(-100);
}
