// A binary heap with a stable order: entries of equal key leave in the order they came. Serves the virtual agenda and timers.
import TinyQueue from 'tinyqueue';

interface Entry<T> {
  readonly key: number;
  readonly sequence: number;
  readonly value: T;
}

/** Least key first; ties by insertion. push and pop are O(log n). */
export class StableHeap<T> {
  #sequence = 0;
  readonly #queue = new TinyQueue<Entry<T>>([], earlier);

  get size(): number {
    return this.#queue.length;
  }

  push(key: number, value: T): void {
    this.#queue.push({ key, sequence: this.#sequence++, value });
  }

  peekKey(): number | undefined {
    return this.#queue.peek()?.key;
  }

  peek(): T | undefined {
    return this.#queue.peek()?.value;
  }

  pop(): T | undefined {
    return this.#queue.pop()?.value;
  }
}

function earlier(a: Entry<unknown>, b: Entry<unknown>): number {
  return a.key - b.key || a.sequence - b.sequence;
}
