// Output of one task among several: whole lines, each with its task's name, so that those of different tasks do not run into each other.
// In: chunks as they come. Out: what can be shown.

/** A line longer than this is shown as several: it may never end, and is not kept for that. */
export const lineBytesMax = 64 * 1024;

/** The lines of one stream of one task. */
export class TaskLines {
  readonly #prefix: Buffer;
  /** The line without an end, as it came: joined only once. */
  #pieces: Buffer[] = [];
  #held = 0;

  constructor(name: string) {
    this.#prefix = Buffer.from(`${name} | `);
  }

  /** The lines that `chunk` completes. */
  take(chunk: Buffer): Buffer {
    const shown: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline) + 1; end > 0; end = chunk.indexOf(newline, start) + 1) {
      this.#show(shown, chunk.subarray(start, end));
      start = end;
    }
    if (start < chunk.length) {
      this.#pieces.push(chunk.subarray(start));
      this.#held += chunk.length - start;
    }
    if (this.#held >= lineBytesMax) this.#show(shown, lineEnd);
    return Buffer.concat(shown);
  }

  /** A last line without an end, with one; empty when there is none. */
  rest(): Buffer {
    const shown: Buffer[] = [];
    if (this.#held > 0) this.#show(shown, lineEnd);
    return Buffer.concat(shown);
  }

  #show(shown: Buffer[], end: Buffer): void {
    shown.push(this.#prefix);
    for (const piece of this.#pieces) shown.push(piece);
    shown.push(end);
    this.#pieces = [];
    this.#held = 0;
  }
}

const newline = 0x0a;
const lineEnd = Buffer.from('\n');
