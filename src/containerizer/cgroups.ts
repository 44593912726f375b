// Resource limits by cgroups, v1 and v2: one cgroup per container below `proffer/<instance>`, made, joined by open descriptors, asked, removed.
// Clean ones serve again. In: limits in thousandths of a cpu and bytes. Out: a cgroup, or (told once) why limits are not enforced.
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { messageOf } from '../base/errors.js';
import type { CgroupHierarchy, CgroupLayout } from './cgroup-layout.js';
import { detectCgroups } from './cgroup-layout.js';

/** Limits of one container. */
export interface CgroupLimits {
  readonly cpusMilli: number;
  readonly cpusLimitMilli?: number;
  readonly memLimitBytes?: number;
}

/** The cgroup (v2) or cgroups (v1: one per controller) of one container. */
export interface ContainerCgroup {
  /** `proffer/<instance>/<name>`: the same in each hierarchy. */
  readonly name: string;
  /** Descriptors for a child of one thread to write itself into; the caller closes them. Empty when the cgroup is gone. */
  openForJoining(): number[];
  /** Processes in it, wherever they have put their session. */
  pids(): readonly number[];
  /** How often the kernel killed in it for want of memory. */
  oomKills(): number;
  /** Removes it; false while a process is still in it. */
  remove(): boolean;
}

/** Makes cgroups for one agent. Where it may not, containers run without limits, and `onNotice` says so once. */
export class Cgroups {
  readonly #instance: string;
  readonly #onNotice: (notice: string) => void;
  readonly #detect: () => CgroupLayout;
  #hierarchies: readonly CgroupHierarchy[] | undefined;
  #failureTold = false;
  /** Empty cgroups by their limits. */
  readonly #spares = new Map<string, OpenCgroup[]>();
  #spareCount = 0;
  /** Names of those that somebody here has. */
  readonly #held = new Set<string>();

  /** `instance` names the agent's own folder, so that several agents of a machine do not meet. `detect` is replaceable for tests. */
  constructor(
    instance: string,
    onNotice: (notice: string) => void,
    detect: () => CgroupLayout = () => detectCgroups(join('proffer', instance)),
  ) {
    this.#instance = instance;
    this.#onNotice = onNotice;
    this.#detect = detect;
  }

  /** A cgroup with `limits`: a spare one, or a new one called `name`; undefined when cgroups cannot be written here. */
  create(name: string, limits: CgroupLimits): ContainerCgroup | undefined {
    const hierarchies = this.#ready();
    if (hierarchies.length === 0) return undefined;
    const limitsKey = keyOf(limits);
    const spare = this.#spares.get(limitsKey)?.pop();
    if (spare !== undefined) {
      this.#spareCount -= 1;
      return spare;
    }
    const cgroup = new OpenCgroup(join('proffer', this.#instance, name), hierarchies, this.#held, limitsKey);
    try {
      cgroup.make(limits);
      return cgroup;
    } catch (error) {
      cgroup.remove();
      if (!this.#failureTold) this.#onNotice(`limits are not enforced: ${messageOf(error)}`);
      this.#failureTold = true;
      return undefined;
    }
  }

  /**
   * Takes back the cgroup of a container that has ended, for the next with the same limits: the kernel can take milliseconds to make or remove one.
   * False when it is to be removed: it came by `find`, somebody is in it, memory is still charged to it, or there are spares enough.
   */
  keep(cgroup: ContainerCgroup): boolean {
    if (this.#spareCount >= sparesMax || !(cgroup instanceof OpenCgroup) || !cgroup.clean()) return false;
    const { limitsKey } = cgroup;
    if (limitsKey === undefined) return false;
    const spares = this.#spares.get(limitsKey);
    if (spares === undefined) this.#spares.set(limitsKey, [cgroup]);
    else spares.push(cgroup);
    this.#spareCount += 1;
    return true;
  }

  /** The cgroup of an earlier life of the agent, by its name; undefined when it is another agent's, or a container of this life has it. */
  find(name: string): ContainerCgroup | undefined {
    const hierarchies = this.#ready();
    const own = dirname(name) === join('proffer', this.#instance) && !basename(name).startsWith('.');
    return hierarchies.length === 0 || !own || this.#held.has(name)
      ? undefined
      : new OpenCgroup(name, hierarchies, this.#held);
  }

  /** Processes in a cgroup of an earlier life of the agent. */
  peek(name: string): readonly number[] {
    const hierarchies = this.#ready();
    return hierarchies.length === 0 ? [] : new OpenCgroup(name, hierarchies, new Set()).pids();
  }

  /** Processes in cgroups of an earlier life of the agent that nobody here has. */
  strays(): readonly number[] {
    const all = new Set<number>();
    const hierarchies = this.#ready();
    for (const { base } of hierarchies) {
      for (const name of directoriesIn(join(base, 'proffer', this.#instance))) {
        const path = join('proffer', this.#instance, name);
        if (this.#held.has(path)) continue;
        for (const pid of new OpenCgroup(path, hierarchies, new Set()).pids()) all.add(pid);
      }
    }
    return [...all];
  }

  /** Removes cgroups of this agent in which nobody is. */
  removeEmpty(): void {
    for (const { base } of this.#ready()) removeEmptyBelow(join(base, 'proffer', this.#instance));
  }

  /** Removes this agent's folder if no container is left in it, and the common one if no agent is. */
  close(): void {
    for (const spares of this.#spares.values()) for (const spare of spares) spare.remove();
    this.#spares.clear();
    this.#spareCount = 0;
    for (const { base } of this.#hierarchies ?? []) {
      removeDirectory(join(base, 'proffer', this.#instance));
      removeDirectory(join(base, 'proffer'));
    }
    this.#hierarchies = undefined;
  }

  #ready(): readonly CgroupHierarchy[] {
    if (this.#hierarchies !== undefined) return this.#hierarchies;
    const layout = this.#detect();
    for (const notice of layout.notices) this.#onNotice(notice);
    this.#hierarchies = layout.hierarchies;
    this.removeEmpty();
    return this.#hierarchies;
  }
}

class OpenCgroup implements ContainerCgroup {
  readonly name: string;
  /** What it was made with; undefined for one that was found. */
  readonly limitsKey: string | undefined;
  /** Has its name until it is removed. */
  readonly #held: Set<string>;
  readonly #dirs: readonly { readonly dir: string; readonly hierarchy: CgroupHierarchy }[];

  constructor(name: string, hierarchies: readonly CgroupHierarchy[], held: Set<string>, limitsKey?: string) {
    this.#held = held.add(name);
    this.name = name;
    this.limitsKey = limitsKey;
    this.#dirs = hierarchies.map(hierarchy => ({ dir: join(hierarchy.base, name), hierarchy }));
  }

  make(limits: CgroupLimits): void {
    for (const { dir, hierarchy } of this.#dirs) {
      mkdirSync(dir);
      for (const [file, value] of settings(hierarchy, limits)) writeFileSync(join(dir, file), value);
    }
  }

  openForJoining(): number[] {
    const fds: number[] = [];
    try {
      for (const { dir, hierarchy } of this.#dirs) {
        // A thread that moves itself need not wait for the rest of the machine (5 to 15 ms), and a shell is one thread. v2 has that between threads only.
        fds.push(openSync(join(dir, hierarchy.version === 1 ? 'tasks' : 'cgroup.procs'), 'w'));
      }
      return fds;
    } catch {
      for (const fd of fds) closeSync(fd);
      return [];
    }
  }

  pids(): readonly number[] {
    // Whoever joined any has joined the first.
    const [first] = this.#dirs;
    if (first === undefined) return [];
    const text = readOr(join(first.dir, 'cgroup.procs'), '');
    return text === '' ? [] : text.trimEnd().split('\n').map(Number);
  }

  oomKills(): number {
    for (const { dir, hierarchy } of this.#dirs) {
      if (!hierarchy.controllers.has('memory')) continue;
      const text = readOr(join(dir, hierarchy.version === 1 ? 'memory.oom_control' : 'memory.events'), '');
      const count = /^oom_kill (\d+)$/m.exec(text)?.[1];
      // Kernels before 4.13 do not count kills; there, failed charges are the nearest sign.
      return count === undefined ? Number(readOr(join(dir, 'memory.failcnt'), '0')) : Number(count);
    }
    return 0;
  }

  /** Nobody is in it, nothing was killed in it, and next to no memory is left charged, e.g. for files in /dev/shm. */
  clean(): boolean {
    return this.pids().length === 0 && this.oomKills() === 0 && this.#memoryBytes() <= chargedMaxBytes;
  }

  #memoryBytes(): number {
    for (const { dir, hierarchy } of this.#dirs) {
      if (!hierarchy.controllers.has('memory')) continue;
      return Number(readOr(join(dir, hierarchy.version === 1 ? 'memory.usage_in_bytes' : 'memory.current'), 'NaN'));
    }
    return 0;
  }

  remove(): boolean {
    let gone = true;
    for (const { dir } of this.#dirs) gone = removeDirectory(dir) && gone;
    if (gone) this.#held.delete(this.name);
    return gone;
  }
}

/** What to write where. Shares and weight as runc converts them; at least the kernel's smallest quota of 1 ms. */
function settings(hierarchy: CgroupHierarchy, limits: CgroupLimits): (readonly [file: string, value: string])[] {
  const { version, controllers } = hierarchy;
  const out: (readonly [string, string])[] = [];
  if (controllers.has('cpu')) {
    const shares = Math.min(262_144, Math.max(2, Math.round((limits.cpusMilli * 1024) / 1000)));
    const weight = 1 + Math.floor(((shares - 2) * 9999) / 262_142);
    out.push(version === 1 ? ['cpu.shares', String(shares)] : ['cpu.weight', String(weight)]);
    if (limits.cpusLimitMilli !== undefined) {
      const quotaUs = Math.max(1000, limits.cpusLimitMilli * (cpuPeriodUs / 1000));
      if (version === 1) out.push(['cpu.cfs_period_us', String(cpuPeriodUs)], ['cpu.cfs_quota_us', String(quotaUs)]);
      else out.push(['cpu.max', `${quotaUs} ${cpuPeriodUs}`]);
    }
  }
  if (controllers.has('memory') && limits.memLimitBytes !== undefined) {
    const bytes = String(Math.max(memoryMinBytes, Math.floor(limits.memLimitBytes)));
    if (version === 1) {
      out.push(['memory.limit_in_bytes', bytes]);
      if (hierarchy.swapLimit) out.push(['memory.memsw.limit_in_bytes', bytes]);
    } else {
      out.push(['memory.max', bytes], ['memory.oom.group', '1']);
      if (hierarchy.swapLimit) out.push(['memory.swap.max', '0']);
    }
  }
  return out;
}

function keyOf({ cpusMilli, cpusLimitMilli, memLimitBytes }: CgroupLimits): string {
  return `${cpusMilli} ${cpusLimitMilli} ${memLimitBytes}`;
}

const sparesMax = 32;
const chargedMaxBytes = 512 * 1024;
const cpuPeriodUs = 100_000;
/** Below this not even a shell starts. */
const memoryMinBytes = 4 * 1024 * 1024;

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return fallback;
  }
}

/** What an agent of this name that was killed left behind; cgroups with processes in them stay. */
function removeEmptyBelow(dir: string): void {
  for (const name of directoriesIn(dir)) removeDirectory(join(dir, name));
}

/** Names; none when `dir` is not there. */
function directoriesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir, { withFileTypes: true }).flatMap(entry => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}

/** Removes an empty cgroup directory; true when it is gone. */
function removeDirectory(dir: string): boolean {
  try {
    rmdirSync(dir);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}
