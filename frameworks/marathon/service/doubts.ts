// What may have changed while nobody told us. In: tasks as they were when the master was last heard, what it says since. Out: run specs of which too little is known.
import type { TaskId } from 'proffer';
import { liveTaskIds } from '../machine/instance.js';
import type { Instance } from '../machine/instance.js';
import type { PathId } from '../model/path.js';

/**
 * Nothing is decided for a run spec while one of its tasks may have ended without our knowing: an instance that is taken to serve, and does not, would let another
 * one be killed.
 */
export class Doubts {
  readonly #tasks = new Map<TaskId, PathId>();
  readonly #counts = new Map<PathId, number>();

  get any(): boolean {
    return this.#tasks.size > 0;
  }

  /** The master cannot be heard: any of these may change. */
  raise(instances: Iterable<Instance>): void {
    for (const instance of instances) {
      const { runSpecId } = instance;
      for (const id of liveTaskIds(instance)) {
        if (this.#tasks.has(id)) continue;
        this.#tasks.set(id, runSpecId);
        this.#counts.set(runSpecId, (this.#counts.get(runSpecId) ?? 0) + 1);
      }
    }
  }

  /** The master has told of a task, or it is forgotten. */
  settle(id: TaskId): void {
    const runSpecId = this.#tasks.get(id);
    if (runSpecId === undefined) return;
    this.#tasks.delete(id);
    const left = (this.#counts.get(runSpecId) ?? 0) - 1;
    if (left > 0) this.#counts.set(runSpecId, left);
    else this.#counts.delete(runSpecId);
  }

  /** It was waited for long enough. */
  clear(): PathId[] {
    const ids = [...this.#counts.keys()];
    this.#tasks.clear();
    this.#counts.clear();
    return ids;
  }

  isDoubtful(id: PathId): boolean {
    return this.#counts.has(id);
  }
}
