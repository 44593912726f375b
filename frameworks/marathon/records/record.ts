// Values of the store: each says of which version its shape is, and what it holds. In: things. Out: values, gathered as the changes of one write. Pure.
import type { StoreChange } from 'proffer';
import type { RunSpec } from '../model/run-spec.js';
import type { GroupTraits } from '../plan/changes.js';
import type { Delta } from './delta.js';

/** Of every shape here. A release that changes one reads the former, too. */
export const recordVersion = 1;

/** A definition: as a whole, or as what sets it apart from the next newer record of its id. */
export type SpecForm = { readonly spec: RunSpec } | { readonly delta: Delta };

/** A group without what is in it. */
export interface GroupNode extends GroupTraits {
  /** Of its last change, also of one below it. */
  readonly version: number;
}

/** The changes of one decision; of several to one key the last one counts. */
export class Changes {
  readonly #byKey = new Map<string, StoreChange>();

  put(key: string, body: object): void {
    this.#byKey.set(key, { key, value: { v: recordVersion, ...body } });
  }

  remove(key: string): void {
    this.#byKey.set(key, { key, remove: true });
  }

  list(): readonly StoreChange[] {
    return [...this.#byKey.values()];
  }
}

/** The body of a record of something that was removed. */
export const removal = { removed: true } as const;
