// Where sandboxes are, and when they go. In: ids, ended sandboxes. Out: paths; removals by the janitor after the delay.
import type { Clock, Timer } from '../env/clock.js';
import { shown } from '../base/errors.js';
import type { ContainerId, ExecutorId, FrameworkId, TaskId } from '../base/ids.js';
import { idProblem } from '../protocol/validate-ids.js';
import type { SandboxJanitor } from './options.js';

/** `<root>/frameworks/<framework>/tasks/<task>/<container>` */
export function taskSandbox(root: string, frameworkId: FrameworkId, taskId: TaskId, containerId: ContainerId): string {
  return `${root}/frameworks/${frameworkId}/tasks/${taskId}/${containerId}`;
}

/** `<root>/frameworks/<framework>/executors/<executor>/<container>` */
export function executorSandbox(
  root: string,
  frameworkId: FrameworkId,
  executorId: ExecutorId,
  containerId: ContainerId,
): string {
  return `${root}/frameworks/${frameworkId}/executors/${executorId}/${containerId}`;
}

/** Why an id cannot be a directory's name; undefined when it can. The agent does not rely on the master for this. */
export function directoryNameProblem(what: string, id: string): string | undefined {
  const why = idProblem(id);
  return why === undefined ? undefined : `${what} ${shown(id)} ${why}`;
}

/** Keeps ended sandboxes for `delayMs`, then has them removed. */
export class SandboxGarbage {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #janitor: SandboxJanitor | undefined;
  // All wait equally long from their end: mostly first in, first out.
  readonly #waiting: { readonly path: string; readonly dueMs: number }[] = [];
  #timer: Timer | undefined;
  #closed = false;

  constructor(clock: Clock, delayMs: number, janitor: SandboxJanitor | undefined) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#janitor = janitor;
  }

  /** The task of this sandbox has ended, `ageMs` ago. */
  add(path: string, ageMs = 0): void {
    if (this.#janitor === undefined || this.#closed) return;
    const dueMs = this.#clock.now() + this.#delayMs - ageMs;
    const last = this.#waiting.at(-1);
    this.#waiting.push({ path, dueMs });
    if (last !== undefined && last.dueMs > dueMs) {
      this.#waiting.sort((a, b) => a.dueMs - b.dueMs);
      this.#timer?.cancel();
      this.#timer = undefined;
    }
    this.#arm();
  }

  /** Removes nothing more; what waits stays where it is. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    const first = this.#waiting[0];
    if (this.#timer !== undefined || first === undefined) return;
    // A timer of the platform holds 24 days at most.
    const delayMs = Math.max(0, Math.min(first.dueMs - this.#clock.now(), 86_400_000));
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#collect();
    });
  }

  #collect(): void {
    const now = this.#clock.now();
    let count = 0;
    for (const { path, dueMs } of this.#waiting) {
      if (dueMs > now) break;
      count += 1;
      this.#janitor?.remove(path);
    }
    this.#waiting.splice(0, count);
    this.#arm();
  }
}
