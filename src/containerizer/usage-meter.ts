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
    this.#mountinfo ??= this.#read('self/mountinfo') ?? '';
    const own = this.#read('self/cgroup') ?? '';
    // The wrapper of a process task stays outside: its child is the task.
    for (const one of [pid, ...numbers(this.#read(`${pid}/task/${pid}/children`))]) {
      const cgroup = this.#read(`${one}/cgroup`);
      if (cgroup === undefined || cgroup === own) continue;
      const use = this.#useOf(parseMounts(this.#mountinfo, cgroup), parseMounts(this.#mountinfo, own));
      if (use !== undefined) return use;
    }
    return undefined;
  }

  #useOf(mounts: readonly CgroupMount[], agents: readonly CgroupMount[]): ContainerUse | undefined {
    const directory = (controller: string): Directory | undefined => {
      for (const [index, { version, controllers, own }] of mounts.entries()) {
        if (own === undefined || own === agents[index]?.own) continue;
        if (version === 2 || controllers.includes(controller)) return { version, path: own };
      }
      return undefined;
    };
    const memory = directory('memory');
    const cpuMs = cpuTimeMs(directory('cpuacct')) ?? this.#processTimeMs(directory('cpu') ?? memory);
    if (cpuMs === undefined) return undefined;
    const file = memory?.version === 1 ? 'memory.usage_in_bytes' : 'memory.current';
    return { cpuMs, memBytes: memory === undefined ? 0 : Number(read(join(memory.path, file)) ?? 0) };
  }

  // Where cpu time is not accounted by cgroup: that of its living processes and of their children that have ended.
  #processTimeMs(directory: Directory | undefined): number | undefined {
    const procs = directory === undefined ? undefined : read(join(directory.path, 'cgroup.procs'));
    if (procs === undefined) return undefined;
    let ticks = 0;
    for (const pid of numbers(procs)) {
      const stat = this.#read(`${pid}/stat`) ?? '';
      // utime, stime, cutime and cstime: fields 14 to 17, the name in parentheses being the second; see proc(5).
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      for (const field of fields.slice(11, 15)) ticks += Number(field);
    }
    return ticks * tickMs;
  }

  #read(name: string): string | undefined {
    return read(join(this.#proc, name));
  }
}

/** Linux tells user space of 100 ticks a second, whatever it counts itself. */
const tickMs = 10;

interface Directory {
  readonly version: 1 | 2;
  readonly path: string;
}

function cpuTimeMs(directory: Directory | undefined): number | undefined {
  if (directory === undefined) return undefined;
  const text = read(join(directory.path, directory.version === 1 ? 'cpuacct.usage' : 'cpu.stat')) ?? '';
  const [, count] = (directory.version === 1 ? /^(\d+)/ : /^usage_usec (\d+)$/m).exec(text) ?? [];
  return count === undefined ? undefined : Number(count) / (directory.version === 1 ? 1e6 : 1e3);
}

function numbers(text = ''): readonly number[] {
  const trimmed = text.trim();
  return trimmed === '' ? [] : trimmed.split(/\s+/).map(Number);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
