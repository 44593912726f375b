// The journal of a run: one dense line per thing that happened, and the SHA-256 of all of them, by which two runs of a seed are compared.
// Columns: milliseconds of virtual time, node, what happened.
import { createHash } from 'node:crypto';

/** How many of the newest lines are kept for the report of a failure. */
const tailMax = 200;
/** Lines are hashed in batches: one call to the hash for each would cost more than all else. */
const batchLines = 512;

/** Takes lines, keeps the newest, hashes all. */
export class Journal {
  readonly #hash = createHash('sha256');
  readonly #tail: string[] = [];
  readonly #all: string[] | undefined;
  readonly #listener: ((line: string) => void) | undefined;
  #batch: string[] = [];
  #lines = 0;

  /** `keepAll`: every line is kept, for comparing two runs. `onLine` hears each line as it comes. */
  constructor(options: { readonly keepAll?: boolean; readonly onLine?: (line: string) => void } = {}) {
    this.#all = options.keepAll === true ? [] : undefined;
    this.#listener = options.onLine;
  }

  /** Adds a line. `node` is who it happened to. */
  write(nowMs: number, node: string, what: string): void {
    const line = `${Math.round(nowMs * 1000) / 1000} ${node} ${what}`;
    this.#lines += 1;
    this.#batch.push(line);
    if (this.#batch.length >= batchLines) this.#flush();
    this.#all?.push(line);
    this.#listener?.(line);
  }

  /** Lines so far. */
  get lines(): number {
    return this.#lines;
  }

  /** The newest `count` lines, oldest first. */
  tail(count: number = tailMax): readonly string[] {
    return [...this.#tail, ...this.#batch].slice(-Math.min(count, tailMax));
  }

  /** Every line; only with `keepAll`. */
  get all(): readonly string[] {
    return this.#all ?? [];
  }

  /** SHA-256 of all lines so far, in hexadecimal. Equal for two runs of one seed. */
  digest(): string {
    this.#flush();
    return this.#hash.copy().digest('hex');
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    this.#hash.update(`${this.#batch.join('\n')}\n`);
    this.#tail.push(...this.#batch.slice(-tailMax));
    if (this.#tail.length > tailMax) this.#tail.splice(0, this.#tail.length - tailMax);
    this.#batch = [];
  }
}
