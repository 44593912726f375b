// Which containerizers an agent gets. In: the choice, and what answers on this machine. Out: one containerizer for all types, and the prober.
import { join } from 'node:path';
import { ProfferError } from '../base/errors.js';
import { ComposingContainerizer } from '../containerizer/composing.js';
import type { Containerizer, NetworkProber } from '../containerizer/containerizer.js';
import { DockerContainerizer, probeDocker } from '../containerizer/docker.js';
import type { DockerPolicy } from '../containerizer/docker-policy.js';
import { ProcessContainerizer } from '../containerizer/process.js';
import { FetchCache } from '../containerizer/fetch-cache.js';
import { SystemProber } from '../containerizer/prober.js';
import type { Env } from '../env/env.js';
import { endOrphans } from './orphans.js';

/** `auto`: processes, and Docker where an engine answers. */
export type ContainerizerChoice = 'auto' | 'process' | 'docker';

export type CgroupsChoice = 'auto' | 'off';

/** What an operator lets Docker tasks do to the machine. */
export type DockerConsent = Pick<DockerPolicy, 'allowPrivileged' | 'allowedHostPaths'>;

export interface ContainerizersOptions {
  readonly choice: ContainerizerChoice;
  /** Of the agent; it has one agent. */
  readonly workDir: string;
  /** `off`: processes run without cgroups, and so without limits. Default `auto`: with them where they can be written. */
  readonly cgroups?: CgroupsChoice;
  /** Default: nothing out of the ordinary. */
  readonly docker?: DockerConsent;
  /** Whether tasks of an earlier agent process are in a Docker engine. Default false. */
  readonly hasDockerTasks?: boolean;
}

/** The containerizers of one agent. */
export interface Containerizers {
  readonly containerizer: Containerizer;
  readonly prober: NetworkProber;
  /**
   * Ends what earlier agent processes left running in sandboxes that `isKnown` denies, and resolves with these. For an agent that has adopted what it
   * knows. Of a Docker engine that does not answer nothing is waited for: its turn comes when it does.
   */
  readonly endLeftovers: (isKnown: (sandbox: string) => boolean) => Promise<readonly string[]>;
}

/** @throws (rejects) ProfferError DOCKER_UNAVAILABLE when Docker was chosen and no engine answers, unless tasks of before are in it. */
export async function makeContainerizers(env: Env, options: ContainerizersOptions): Promise<Containerizers> {
  const inner = await innerContainerizers(env, options);
  const types = [
    ...new Set(inner.filter(({ isOffered }) => isOffered).flatMap(({ containerizer }) => containerizer.types)),
  ];
  const all = inner.map(({ containerizer }) => containerizer);
  return {
    containerizer: new ComposingContainerizer(env, all, {
      types,
      cache: new FetchCache(env.clock, join(options.workDir, 'fetch-cache')),
    }),
    prober: new SystemProber(env.clock),
    endLeftovers: isKnown => endLeftovers(env, options, inner, isKnown),
  };
}

/** Ends what an agent that is gone left running. */
export async function sweepSandboxes(env: Env, options: ContainerizersOptions): Promise<void> {
  const { containerizer, endLeftovers: end } = await makeContainerizers(env, options);
  await end(() => false);
  containerizer.leave?.();
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
  env: Env,
  options: ContainerizersOptions,
  inner: readonly Inner[],
  isKnown: (sandbox: string) => boolean,
): Promise<readonly string[]> {
  const sandboxRoot = sandboxRootOf(options.workDir);
  const told = (sandboxes: readonly string[]): readonly string[] => {
    if (sandboxes.length > 0) env.log.warn('ended tasks that an earlier agent had left running', { sandboxes });
    return sandboxes;
  };
  const ended: string[] = [];
  for (const { containerizer, answers } of inner) {
    if (containerizer instanceof ProcessContainerizer) {
      // The earlier agent may have had cgroups. Whose they are is not known where this one has none.
      const hasCgroups = options.cgroups !== 'off';
      const ender = hasCgroups
        ? containerizer
        : new ProcessContainerizer(env, { instance: instanceOf(options.workDir) });
      ended.push(...(await endOrphans(sandboxRoot, ender, isKnown)));
      if (hasCgroups) await new Promise<void>(resolve => containerizer.endStrays(resolve));
    } else if (containerizer instanceof DockerContainerizer) {
      const strays = containerizer.endStrays(sandboxRoot, isKnown);
      if (answers) ended.push(...(await strays));
      else void strays.then(told);
    }
  }
  return told(ended);
}

interface Inner {
  readonly containerizer: Containerizer;
  /** Whether new tasks may come to it. */
  readonly isOffered: boolean;
  /** Whether what runs in it can be known. */
  readonly answers: boolean;
}

async function innerContainerizers(env: Env, options: ContainerizersOptions): Promise<readonly Inner[]> {
  const { choice, workDir, cgroups, hasDockerTasks = false } = options;
  const instance = instanceOf(workDir);
  const processes: Inner = {
    containerizer: new ProcessContainerizer(env, { instance, ...(cgroups === 'off' ? { cgroups: null } : {}) }),
    isOffered: choice !== 'docker',
    answers: true,
  };
  if (choice === 'process' && !hasDockerTasks) return [processes];
  const probe = await probeDocker(env.clock);
  const docker = (): Inner => ({
    containerizer: new DockerContainerizer(env, {
      ...options.docker,
      refusedHostPaths: [sandboxRootOf(workDir), volumeRootOf(workDir)],
    }),
    isOffered: choice !== 'process' && (probe.available || choice === 'docker'),
    answers: probe.available,
  });
  if (probe.available) {
    env.log.info('Docker engine found', { version: probe.version });
    return [processes, docker()];
  }
  // What is in it may run on: nothing is known until it answers.
  if (hasDockerTasks) {
    env.log.warn('no Docker engine answers; nothing is known of the tasks in it until it does', { why: probe.reason });
    return [processes, docker()];
  }
  if (choice === 'docker') {
    throw new ProfferError('DOCKER_UNAVAILABLE', `no Docker engine answers: ${probe.reason}`, {
      path: 'containerizer',
      hint: 'start one, set DOCKER_HOST, or use --containerizer process',
    });
  }
  env.log.info('no Docker engine answers; tasks run as processes only', { why: probe.reason });
  return [processes];
}

// Two agents of one machine must not share cgroups.
function instanceOf(workDir: string): string {
  return workDir
    .replaceAll(/[^\w.-]/g, '_')
    .replace(/^_+/, '')
    .slice(-100);
}
