// Where shapes put what they find, and how they say it. In: violations one by one. Out: problems, bounded so that no answer outgrows a frame.
import type { ErrorCode, Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';

/** Most problems told of one message; the rest is counted. An answer must fit into a frame whatever was sent. */
export const problemsMax = 100;

/** Says one violation inside a value: where, what, and what to do about it. */
export type Say = (path: string, message: string, hint?: string) => void;

/** The problems of one message, in the order found. */
export class Findings {
  readonly #found: Problem[] = [];
  readonly #max: number;
  #count = 0;

  constructor(max: number = problemsMax) {
    this.#max = max;
  }

  /** How many were found, told or not. */
  get count(): number {
    return this.#count;
  }

  /** Whether further ones are only counted. */
  get full(): boolean {
    return this.#count >= this.#max;
  }

  add(path: string, code: ErrorCode, message: string, hint?: string): void {
    this.push(problem(path, code, message, hint));
  }

  push(found: Problem): void {
    this.#count += 1;
    if (this.#count <= this.#max) this.#found.push(found);
  }

  /** All of them; when there were too many, the last one says how many are missing. */
  problems(): readonly Problem[] {
    const [first] = this.#found;
    if (this.#count <= this.#max || first === undefined) return this.#found;
    return [...this.#found, problem('', first.code, `and ${this.#count - this.#max} more problems`)];
  }
}

/** The path of a field of what is at `path`. */
export function fieldPath(path: string, key: string): string {
  if (!plainKey.test(key)) return `${path}[${shown(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}

const plainKey = /^[\w$-]{1,64}$/;

/** A value as named in a message; objects other than plain ones by their class. */
export function given(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !isPlain(value)) {
    const name: unknown = Object.prototype.toString.call(value);
    return `a ${String(name).slice('[object '.length, -1)}`;
  }
  if (typeof value === 'bigint') return `the bigint ${shown(value)}`;
  return shown(value);
}

/** A value's kind, for what must not be shown. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Whether `value` is an object as JSON makes them: no array, no instance of a class. */
export function isPlain(value: unknown): value is { readonly [key: string]: unknown } {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
