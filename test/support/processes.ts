// Processes as /proc shows them: who is alive, whose child, with what open.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What the descriptors of a process lead to. */
export function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      // Closed meanwhile: the directory's own, at least.
      return [];
    }
  });
}

/** The parent of a process; 0 when that is gone. */
export function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return 0;
  }
}

/** Alive and no zombie. */
export function isRunning(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) !== '';
  } catch {
    return false;
  }
}
