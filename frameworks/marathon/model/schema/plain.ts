// The first look at JSON from outside: bounded depth, finite numbers, text that programs can be given, no keys that mean something to
// JavaScript. In: what JSON.parse made. Out: a fresh copy in which null members are absent, as Marathon reads them.
import { shown } from '../refusal.js';
import type { Report } from '../refusal.js';

/** Nesting beyond this is nobody's definition. Groups in groups come to two levels each. */
export const depthMax = 64;

/** JavaScript's own names; an object that has them as keys is not what it seems. */
const reservedKeys = new Set(['__proto__', 'constructor', 'prototype']);

/** A fresh copy of `value`, or reports of what it must not hold. */
export function plainCopy(value: unknown, report: Report): unknown {
  return copy(value, '', 0, report);
}

function copy(value: unknown, path: string, depth: number, report: Report): unknown {
  if (typeof value === 'string') {
    const why = textProblem(value);
    if (why !== undefined) report(path === '' ? '/' : path, `${why}, in ${shown(value)}`);
    return value;
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) report(path === '' ? '/' : path, 'must be a finite number, this one is too large');
    return value;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= depthMax) {
    report('/', `must not be nested deeper than ${depthMax} levels`);
    return null;
  }
  if (Array.isArray(value)) return value.map((item, index) => copy(item, `${path}(${index})`, depth + 1, report));
  const members: [string, unknown][] = [];
  for (const [key, member] of Object.entries(value)) {
    const at = `${path}/${key}`;
    const why = reservedKeys.has(key) ? 'must not be the name of anything' : textProblem(key);
    if (why !== undefined) report(path === '' ? '/' : path, `${why}: ${shown(key)}`);
    else if (member !== null) members.push([key, copy(member, at, depth + 1, report)]);
  }
  return Object.fromEntries(members);
}

function textProblem(text: string): string | undefined {
  if (text.includes('\0')) return 'must not contain the character NUL, where programs see the end of a text';
  return loneSurrogate.test(text) ? 'must be Unicode text, half of a surrogate pair is none' : undefined;
}

const loneSurrogate = /\p{Surrogate}/u;
