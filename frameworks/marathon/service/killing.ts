// Ends of tasks: first nobody sends requests there any more, then they are told, a chunk at a time. In: tasks whose end is durable. Out: KILL calls.
import type { Framework, TaskId } from 'proffer';
import { parseTaskId } from '../machine/ids.js';
import type { Instance } from '../machine/instance.js';
import type { Core } from './core.js';

/** A kill that is not acknowledged is asked for again by its instance. */
export class Killing {
  readonly #core: Core;
  readonly #framework: Pick<Framework, 'kill'>;
  readonly #waiting = new Set<TaskId>();
  readonly #draining = new Set<TaskId>();
  #sending = false;

  constructor(core: Core, framework: Pick<Framework, 'kill'>) {
    this.#core = core;
    this.#framework = framework;
  }

  kill(taskIds: readonly TaskId[]): void {
    const { router } = this.#core.options;
    const served = router === undefined ? [] : this.#servedBy(taskIds);
    if (router === undefined || served.length === 0) return this.#put(taskIds);
    const held = new Set<TaskId>();
    for (const { tasks } of served) for (const { id } of tasks) held.add(id);
    this.#put(taskIds.filter(id => !held.has(id)));
    const fresh = taskIds.filter(id => held.has(id) && !this.#draining.has(id));
    if (fresh.length === 0) return;
    for (const id of fresh) this.#draining.add(id);
    const go = (): void => {
      for (const id of fresh) this.#draining.delete(id);
      this.#put(fresh);
    };
    router.drain(served).then(go, (error: unknown) => {
      this.#core.env.log.warn('requests may be lost: the router did not drain', { why: String(error) });
      go();
    });
  }

  /** Those that may have requests sent to them. */
  #servedBy(taskIds: readonly TaskId[]): Instance[] {
    const found = new Set<Instance>();
    for (const taskId of taskIds) {
      const parts = parseTaskId(taskId);
      const instance = parts === undefined ? undefined : this.#core.ledger.instances.get(parts.instanceId);
      const isIts = instance?.tasks.some(({ id }) => id === taskId) ?? false;
      if (instance?.condition === 'Running' && isIts) found.add(instance);
    }
    return [...found];
  }

  #put(taskIds: readonly TaskId[]): void {
    for (const id of taskIds) this.#waiting.add(id);
    if (!this.#sending) this.#send();
  }

  #send(): void {
    let left = this.#core.options.killChunk;
    for (const id of this.#waiting) {
      if (left === 0) break;
      this.#waiting.delete(id);
      this.#framework.kill(id);
      left -= 1;
    }
    this.#sending = this.#waiting.size > 0;
    if (this.#sending) this.#core.env.clock.soon(() => this.#send());
  }
}
