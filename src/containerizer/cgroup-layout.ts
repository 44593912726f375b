// Where this process may make cgroups. In: /proc/self/mountinfo, /proc/self/cgroup and a trial. Out: one hierarchy (v2) or one per controller
// (v1) with our folder in it made ready, and what is not enforced and why.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { messageOf } from '../base/errors.js';

export type CgroupController = 'cpu' | 'memory';

/** One tree of cgroups we may write. */
export interface CgroupHierarchy {
  readonly version: 1 | 2;
  readonly controllers: ReadonlySet<CgroupController>;
  /** Directory below which `proffer/...` lies. */
  readonly base: string;
  /** Whether swap can be limited with memory. */
  readonly swapLimit: boolean;
}

/** What was found; `notices` say, for people, which limits are not enforced. */
export interface CgroupLayout {
  readonly hierarchies: readonly CgroupHierarchy[];
  readonly notices: readonly string[];
}

/** A mounted tree and this process's place in it. */
export interface CgroupMount {
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
  readonly mountPoint: string;
  /** Directory of our own cgroup; undefined when it lies outside what is mounted. */
  readonly own: string | undefined;
}

const wanted: readonly CgroupController[] = ['cpu', 'memory'];

/** Finds a writable place for cpu and memory and makes `folder` in it: below the own cgroup, else (root in no container) below the top. */
export function detectCgroups(folder: string): CgroupLayout {
  const mounts = parseMounts(read('/proc/self/mountinfo'), read('/proc/self/cgroup'));
  const hierarchies: CgroupHierarchy[] = [];
  const notices: string[] = [];
  for (const controller of wanted) {
    // A v1 mount of a controller takes it away from v2.
    const mount =
      mounts.find(({ version, controllers }) => version === 1 && controllers.includes(controller)) ??
      mounts.find(({ version }) => version === 2);
    const name = controller === 'cpu' ? 'cpu' : 'memory';
    if (mount === undefined) {
      notices.push(`${name} limits are not enforced: no ${controller} cgroup is mounted`);
      continue;
    }
    const failures: string[] = [];
    const base = candidates(mount).find(dir => {
      const failure = prepare(mount, dir, folder, controller);
      if (failure !== undefined) failures.push(failure);
      return failure === undefined;
    });
    if (base === undefined) {
      notices.push(`${name} limits are not enforced: ${failures[0] ?? 'the own cgroup is not visible'}`);
      continue;
    }
    const known = hierarchies.findIndex(hierarchy => hierarchy.base === base && hierarchy.version === mount.version);
    const before = hierarchies[known];
    const swapFile = mount.version === 1 ? 'memory.memsw.limit_in_bytes' : 'memory.swap.max';
    const hierarchy: CgroupHierarchy = {
      version: mount.version,
      controllers: new Set([...(before?.controllers ?? []), controller]),
      base,
      swapLimit: before?.swapLimit === true || (controller === 'memory' && existsSync(join(base, folder, swapFile))),
    };
    if (known < 0) hierarchies.push(hierarchy);
    else hierarchies[known] = hierarchy;
  }
  return { hierarchies, notices };
}

/** Reads mountinfo and cgroup (see proc(5), cgroups(7)). */
export function parseMounts(mountinfo: string, cgroup: string): CgroupMount[] {
  const ownByController = new Map<string, string>();
  for (const line of cgroup.split('\n')) {
    const [id, names, ...path] = line.split(':');
    if (names === undefined || path.length === 0) continue;
    for (const name of id === '0' ? ['v2'] : names.split(',')) ownByController.set(name, path.join(':'));
  }
  const mounts: CgroupMount[] = [];
  for (const line of mountinfo.split('\n')) {
    const [left, right] = line.split(' - ');
    const [, , , root, mountPoint] = left?.split(' ') ?? [];
    const [type, , options] = right?.split(' ') ?? [];
    if (root === undefined || mountPoint === undefined || (type !== 'cgroup' && type !== 'cgroup2')) continue;
    const controllers = type === 'cgroup2' ? ['v2'] : (options ?? '').split(',');
    const path = controllers.map(name => ownByController.get(name)).find(found => found !== undefined);
    const below = path === undefined ? '..' : relative(unescape(root), path);
    mounts.push({
      version: type === 'cgroup2' ? 2 : 1,
      controllers: type === 'cgroup2' ? [] : controllers,
      mountPoint: unescape(mountPoint),
      own: below.startsWith('..') ? undefined : join(unescape(mountPoint), below),
    });
  }
  return mounts;
}

function candidates({ own, mountPoint }: CgroupMount): string[] {
  return own === undefined || own === mountPoint ? [mountPoint] : [own, mountPoint];
}

/** Makes `folder` below `dir` with the controller usable in it; says why it cannot. */
function prepare(mount: CgroupMount, dir: string, folder: string, controller: CgroupController): string | undefined {
  const target = join(dir, folder);
  try {
    if (mount.version === 1) {
      mkdirSync(target, { recursive: true });
      return undefined;
    }
    // In v2 each level hands its controllers down explicitly.
    const levels = [dir];
    for (const part of folder.split('/')) levels.push(join(levels.at(-1) ?? dir, part));
    for (const level of levels) {
      if (level !== dir && !existsSync(level)) mkdirSync(level);
      enable(level, controller);
    }
    return undefined;
  } catch (error) {
    for (let path = target; path !== dir; path = dirname(path)) removeEmpty(path);
    return messageOf(error);
  }
}

function enable(dir: string, controller: CgroupController): void {
  const control = join(dir, 'cgroup.subtree_control');
  if (!readFileSync(control, 'utf8').trim().split(' ').includes(controller)) writeFileSync(control, `+${controller}`);
}

function removeEmpty(dir: string): void {
  try {
    rmdirSync(dir);
  } catch {
    // Not made, or another agent's.
  }
}

function unescape(path: string): string {
  return path.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
