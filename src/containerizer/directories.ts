// Looking into directories without following links. In: paths. Out: what is there.
import { lstatSync, readdirSync, rmdirSync } from 'node:fs';

/** Whether anything is there, a link that leads nowhere as well. */
export function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** The names in a directory; none when it is not there. */
export function names(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Removes a directory that is empty. */
export function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Not empty, or not there.
  }
}

/** The file at the root of a disk that says whose it is. */
export const diskMark = '.proffer-agent';

/** The names in the root of a volume, but for what belongs to the file system itself and to us. */
export function contentOf(root: string): readonly string[] {
  return names(root).filter(name => name !== 'lost+found' && name !== diskMark);
}
