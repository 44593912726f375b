// Measures what containers use by the cgroups their processes are in, v1 and v2. In: pids. Out: cpu time and memory, or that it cannot be told.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseMounts } from './cgroup-layout.js';
import type { CgroupMount } from './cgroup-layout.js';
import type { ContainerUse, UsageMeter } from './containerizer.js';

/** Reads cgroups. A process that is in the agent's own is not in one of a container, and cannot be measured. */
export class CgroupMeter implements UsageMeter {
  readonly #proc: string;
  #mountinfo: string | undefined;

  /** `proc` is replaceable for tests. */
  constructor(proc = '/proc') {
    this.#proc = proc;
  }

  measure(pid: number): ContainerUse | undefined {
    this.#mountinfo ??= read(join(this.#proc, 'self/mountinfo')) ?? '';
    const own = read(join(this.#proc, 'self/cgroup'));
    // The wrapper of a process task stays outside: its child is the task.
    for (const one of [pid, ...this.#childrenOf(pid)]) {
      const cgroup = read(join(this.#proc, `${one}/cgroup`));
      if (cgroup === undefined || cgroup === own) continue;
      const use = useOf(parseMounts(this.#mountinfo, cgroup), parseMounts(this.#mountinfo, own ?? ''));
      if (use !== undefined) return use;
    }
    return undefined;
  }

  #childrenOf(pid: number): readonly number[] {
    const text = read(join(this.#proc, `${pid}/task/${pid}/children`))?.trim() ?? '';
    return text === '' ? [] : text.split(' ').map(Number);
  }
}

function useOf(mounts: readonly CgroupMount[], agents: readonly CgroupMount[]): ContainerUse | undefined {
  const directory = (controller: string): { readonly version: 1 | 2; readonly path: string } | undefined => {
    for (const [index, { version, controllers, own }] of mounts.entries()) {
      if (own === undefined || own === agents[index]?.own) continue;
      if (version === 2 || controllers.includes(controller)) return { version, path: own };
    }
    return undefined;
  };
  const cpu = directory('cpuacct');
  const memory = directory('memory');
  if (cpu === undefined) return undefined;
  const cpuMs =
    cpu.version === 1
      ? Number(read(join(cpu.path, 'cpuacct.usage')) ?? Number.NaN) / 1e6
      : Number(/^usage_usec (\d+)$/m.exec(read(join(cpu.path, 'cpu.stat')) ?? '')?.[1] ?? Number.NaN) / 1e3;
  if (Number.isNaN(cpuMs)) return undefined;
  const memoryFile = memory?.version === 1 ? 'memory.usage_in_bytes' : 'memory.current';
  return { cpuMs, memBytes: memory === undefined ? 0 : Number(read(join(memory.path, memoryFile)) ?? 0) };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
