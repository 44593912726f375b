// Deep copies of messages as a wire would make them: JSON-like values only, undefined fields left out. In: a message. Out: one that shares nothing.
import { assert } from '../base/assert.js';

/**
 * A deep copy of a JSON-like value.
 * @throws AssertionError for what no codec carries: functions, bigints, symbols, dates, maps, other class instances.
 */
export function cloneMessage<T>(value: T): T {
  return clone(value) as T;
}

function clone(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) {
    assert(carried.has(typeof value), () => `a message holds a ${typeof value}, which no codec carries`);
    return value;
  }
  if (Array.isArray(value)) {
    const copy: unknown[] = [];
    for (const item of value) copy.push(clone(item));
    return copy;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  assert(
    prototype === Object.prototype || prototype === null,
    () => `a message holds a ${value.constructor.name}, which no codec carries`,
  );
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const field = (value as Record<string, unknown>)[key];
    // As the codecs do: a field of this name never reaches an object's prototype.
    if (field !== undefined) copy[key === '__proto__' ? '__proto_' : key] = clone(field);
  }
  return copy;
}

const carried: ReadonlySet<string> = new Set(['string', 'number', 'boolean', 'undefined', 'object']);
