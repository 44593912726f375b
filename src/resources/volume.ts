// What a persistent volume is, and what may be one. In: its fields. Out: why they are not allowed, each to follow the value given.
import { idProblem, printableProblem } from '../base/id-rules.js';
import type { VolumeId } from '../base/ids.js';

export type VolumeMode = 'RW' | 'RO';

/** A persistent volume as part of a label: a directory made of reserved disk. */
export interface PersistentVolume {
  readonly id: VolumeId;
  /** Where tasks find it: absolute, or relative to the sandbox. */
  readonly containerPath: string;
  readonly mode: VolumeMode;
}

/** A persistent volume to be made of reserved disk: a directory on the agent that outlives tasks, until it is destroyed. */
export interface VolumeSpec {
  readonly id: VolumeId;
  /** MiB. */
  readonly disk: number;
  /** Where tasks find it: absolute (containers), or relative to the sandbox. */
  readonly containerPath: string;
  /** Default RW. */
  readonly mode?: VolumeMode;
  /** Whether several tasks may use it at once; needs the capability SHARED_RESOURCES. Default false. */
  readonly shared?: boolean;
  /**
   * Key of the disk to make it of, e.g. `disk(ads,dynamic)` or `disk<mount=/mnt/a>(ads)`. Default: the most refined reserved disk that is large enough;
   * of several that of the sandboxes before PATH disks, and those before a MOUNT disk of exactly that size.
   */
  readonly from?: string;
}

/** Longest path of a volume in bytes of UTF-8. */
export const volumePathBytesMax = 1024;

/** Why `id` is not the id of a volume. */
export function volumeIdProblem(id: string): string | undefined {
  return idProblem(id);
}

/** Why `path` is not where tasks may find a volume. Engines write mounts as `host:container:mode`. */
export function volumePathProblem(path: string): string | undefined {
  if (path === '') return 'is empty';
  const bytes = Buffer.byteLength(path);
  if (bytes > volumePathBytesMax) return `has ${bytes} bytes, at most ${volumePathBytesMax} are allowed`;
  const why = printableProblem(path);
  if (why !== undefined) return why;
  if (path.includes(':')) return 'must not contain a colon';
  if (path.includes('\\')) return 'must not contain a backslash';
  const parts = path.split('/');
  if (parts.includes('..')) return 'must not contain ".."';
  if (parts.every(part => part === '' || part === '.')) return 'must name a directory below / or the sandbox';
  return undefined;
}
