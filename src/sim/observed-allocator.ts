// An allocator seen through: every call passes on, and the agents whose books it touched are noted. In: the allocator of a master. Out: the same.
import type { Allocator } from '../allocator/allocator.js';
import type { Grant } from '../allocator/model.js';
import type { AgentId } from '../base/ids.js';
import type { Bag } from '../resources/index.js';
import type { AllocatorBooks } from './checkers/checker.js';

/** What checkers know of the allocator: who was touched in this step, and what is free. */
export class ObservedBooks implements AllocatorBooks {
  readonly touched = new Set<AgentId>();
  readonly #allocator: () => Allocator;

  constructor(allocator: () => Allocator) {
    this.#allocator = allocator;
  }

  free(agentId: AgentId): Bag | undefined {
    return this.#allocator().free(agentId);
  }

  /** The step is over. */
  settled(): void {
    if (this.touched.size > 0) this.touched.clear();
  }

  note(grants: readonly Grant[]): void {
    for (const grant of grants) this.touched.add(grant.agentId);
  }
}

const touching = new Set([
  'addAgent',
  'updateAgent',
  'activateAgent',
  'deactivateAgent',
  'book',
  'recover',
  'convert',
  'commit',
]);

/** `inner`, with the agents that calls name noted in `books`. */
export function observed(inner: Allocator, books: ObservedBooks): Allocator {
  return new Proxy(inner, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      const method = value as (...args: unknown[]) => unknown;
      const bound = method.bind(target);
      if (typeof key !== 'string' || !touching.has(key)) return bound;
      return (...args: unknown[]) => {
        const [first] = args;
        if (typeof first === 'string') books.touched.add(first);
        else if (typeof first === 'object' && first !== null) {
          const { agentId, id } = first as { agentId?: AgentId; id?: AgentId };
          books.touched.add(agentId ?? id ?? '');
        }
        return bound(...args);
      };
    },
  });
}
