// Disks of an agent beside the one of its sandboxes, and what may be one. In: their root. Out: why not.
import { shown } from '../base/errors.js';
import { volumePathProblem } from './volume.js';

/** `MOUNT`: a file system of its own, taken whole or not at all. `PATH`: a directory on a disk that can be taken in parts. Source: Mesos, `DiskInfo.Source`. */
export type DiskSourceType = 'MOUNT' | 'PATH';

/** Where disk comes from, if not from the file system of the sandboxes. As part of a label. */
export interface DiskSource {
  readonly type: DiskSourceType;
  /** Absolute path of the directory on the agent, as short as it can be written. */
  readonly root: string;
}

/** Why `root` is not where a disk can be. */
export function diskRootProblem(root: string): string | undefined {
  const why = volumePathProblem(root);
  if (why !== undefined) return why;
  if (!root.startsWith('/')) return 'must be absolute';
  const short = `/${root.split('/').filter(isName).join('/')}`;
  return root === short ? undefined : `must be written ${shown(short)}`;
}

function isName(part: string): boolean {
  return part !== '' && part !== '.';
}
