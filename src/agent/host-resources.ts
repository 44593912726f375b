// What the machine has to offer, as an agent's default resources. Ring 2: asks the operating system. In: the work directory. Out: resources.
import { statfsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import type { Resources } from '../resources/index.js';

/** The numbers that `offeredResources` starts from. */
export interface HostCapacity {
  /** Cpus this process may use. */
  readonly cpus: number;
  readonly memBytes: number;
  /** Size of the file system of the work directory. */
  readonly diskBytes: number;
}

/** Ports offered unless told otherwise: Mesos's. */
export const defaultPorts: readonly [number, number] = [31_000, 32_000];

const mib = 1024 * 1024;
const gib = 1024 * mib;

/** Everything of the machine that tasks may have. Mesos's shares: 1 GiB of memory and 5 GiB of disk stay with the system, or half of what is small. */
export function offeredResources(host: HostCapacity): Resources {
  const keep = (bytes: number, keptBytes: number): number =>
    Math.floor((bytes > 2 * keptBytes ? bytes - keptBytes : bytes / 2) / mib);
  return {
    cpus: host.cpus,
    mem: keep(host.memBytes, gib),
    disk: keep(host.diskBytes, 5 * gib),
    ports: [defaultPorts],
  };
}

/**
 * Looks at this machine; a memory limit on this process counts as its size.
 * @throws Error when `workDir` does not exist.
 */
export function hostCapacity(workDir: string): HostCapacity {
  const { bsize, blocks } = statfsSync(workDir);
  // Without a limit it is 0, or larger than any machine.
  const limit = process.constrainedMemory();
  const total = totalmem();
  return {
    cpus: availableParallelism(),
    memBytes: limit > 0 && limit < total ? limit : total,
    diskBytes: bsize * blocks,
  };
}

/** The default of `--resources`. */
export function hostResources(workDir: string): Resources {
  return offeredResources(hostCapacity(workDir));
}
