// Where shapes put what they find, and how they say it. In: violations one by one. Out: problems, bounded so that no answer outgrows a frame.
import type { ErrorCode, Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import { didYouMean } from '../../base/suggest.js';

/** Most problems told of one message; looking stops there. An answer must fit into a frame, and take little time, whatever was sent. */
export const problemsMax = 100;

/** Says one violation inside a value: where, what, and what to do about it. */
export type Say = (path: string, message: string, hint?: string) => void;

/** How many words may still be looked for: a comparison costs more than what a peer pays to cause it. */
export interface HintBudget {
  left: number;
}

/** The problems of one message, in the order found. */
export class Findings {
  readonly #found: Problem[] = [];
  readonly #max: number;
  readonly #hints: HintBudget;

  constructor(max: number = problemsMax, hints: HintBudget = { left: max }) {
    this.#max = max;
    this.#hints = hints;
  }

  /** Whether further ones are not told. Ask it in loops over what a peer sent. */
  get full(): boolean {
    return this.#found.length > this.#max;
  }

  add(path: string, code: ErrorCode, message: string, hint?: string): void {
    this.push(problem(path, code, message, hint));
  }

  push(found: Problem): void {
    if (!this.full) this.#found.push(found);
  }

  /** `did you mean …?` */
  hint(given: string, allowed: Iterable<string>): string | undefined {
    this.#hints.left -= 1;
    return this.#hints.left < 0 ? undefined : didYouMean(given, allowed);
  }

  /** All of them; when there were too many, the last one says so. */
  problems(): readonly Problem[] {
    const beyond = this.#found[this.#max];
    if (beyond === undefined) return this.#found;
    return [...this.#found.slice(0, this.#max), { ...beyond, message: `${beyond.message}; and there is more` }];
  }
}

/** The first problems of a list that may be long, so that the answer fits into a frame. */
export function firstProblems(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length <= problemsMax) return problems;
  const found = new Findings();
  for (const next of problems.slice(0, problemsMax + 1)) found.push(next);
  return found.problems();
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
