// How large a value is on the wire at most, in either format, without encoding it. In: JSON-like values. Out: bytes, never too few.
import type { TaskStatus } from './entities.js';

/** An upper bound of the bytes `value` takes as msgpack or JSON. */
export function wireBytes(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return stringBytes(value);
    case 'number':
      return Number.isInteger(value) && value >= 0 && value < 1e9 ? 10 : 25;
    case 'object': {
      if (value === null) return 5;
      let bytes = 6;
      if (Array.isArray(value)) {
        for (const item of value) bytes += wireBytes(item) + 1;
        return bytes;
      }
      for (const key in value) {
        const inner = (value as Record<string, unknown>)[key];
        if (inner !== undefined) bytes += stringBytes(key) + wireBytes(inner) + 2;
      }
      return bytes;
    }
    default:
      return 5;
  }
}

function stringBytes(text: string): number {
  let bytes = text.length + 6;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    // What JSON escapes: quotes and backslashes by two characters, control characters and lone surrogates by six.
    if (code === 0x22 || code === 0x5c) bytes += 1;
    else if (code < 0x20 || (code >= 0xd800 && code <= 0xdfff)) bytes += 5;
    else if (code > 0x7f) bytes += 2;
  }
  return bytes;
}

/** The status in at most `bytesMax`: what is too much is left out rather than lost. */
export function fittingStatus(status: TaskStatus, bytesMax: number): TaskStatus {
  if (isSmall(status) || wireBytes(status) <= bytesMax) return status;
  const { data: _data, labels: _labels, signal: _signal, check: _check, checks: _checks, ...more } = status;
  const { health: _health, message, ...kept } = more;
  return message === undefined ? kept : { ...kept, message: message.slice(0, messageKept) };
}

const messageKept = 4_096;

// Mostly there is nothing in it that can be large.
function isSmall({ data, message, labels, signal, check, checks, health }: TaskStatus): boolean {
  return (
    (data?.length ?? 0) + (message?.length ?? 0) <= messageKept &&
    (labels ?? signal ?? check ?? checks ?? health) === undefined
  );
}

/** Cuts `items` into runs of at most about `bytesMax` each; an item that is larger alone stands alone. */
export function inParts<T>(items: readonly T[], bytesMax: number): readonly (readonly T[])[] {
  if (items.length < 2) return items.length === 0 ? [] : [items];
  const parts: T[][] = [];
  let part: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = wireBytes(item);
    if (part.length > 0 && bytes + size > bytesMax) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(item);
    bytes += size;
  }
  parts.push(part);
  return parts;
}
