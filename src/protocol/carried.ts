// What no frame can carry, found before it is sent: a connection ends over it. In: a message. Out: what is wrong, and in which field.
import type { Problem } from '../base/errors.js';
import { problem, shown } from '../base/errors.js';
import { countItems, frameBounds, frameItems } from './codec-frame.js';
import { wireBytes } from './wire-size.js';

/**
 * Why no frame can hold `message`: values that no codec carries, nested too deep, too many or too large; undefined: one can. Bytes are counted as
 * in the longer of the formats, so that close to the bound a message may be refused that would fit.
 */
export function carriageProblem(message: {
  readonly type: string;
  readonly [field: string]: unknown;
}): Problem | undefined {
  const path = message.type.toLowerCase();
  // The frame's own array is around it.
  const found = uncarried(message, path, 2);
  if (found !== undefined) return found;
  const { bytesMax, itemsMax } = frameBounds;
  const items = countItems(message) + frameItems;
  const bytes = wireBytes(message);
  if (items <= itemsMax && bytes <= bytesMax) return undefined;
  const what = `the message has ${items} values in ${bytes} bytes; at most ${itemsMax} in ${bytesMax} are allowed`;
  return problem(path, 'INVALID_CALL', what, 'send less at once');
}

function uncarried(value: unknown, path: string, depth: number): Problem | undefined {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'undefined':
      return undefined;
    case 'object':
      return value === null ? undefined : uncarriedIn(value, path, depth);
    default:
      return cannot(path, shown(value));
  }
}

function uncarriedIn(value: object, path: string, depth: number): Problem | undefined {
  if (depth > frameBounds.depthMax)
    return problem(path, 'INVALID_CALL', `is nested deeper than ${frameBounds.depthMax}, or part of itself`);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) {
      const found = uncarried(value[i], path, depth + 1);
      if (found !== undefined) return { ...found, path: `${path}[${i}]${found.path.slice(path.length)}` };
    }
    return undefined;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return cannot(path, `a ${value.constructor.name}`);
  for (const key in value) {
    const found = uncarried((value as Record<string, unknown>)[key], path, depth + 1);
    if (found !== undefined) return { ...found, path: `${path}.${key}${found.path.slice(path.length)}` };
  }
  return undefined;
}

function cannot(path: string, what: string): Problem {
  return problem(
    path,
    'INVALID_CALL',
    `${what} cannot be sent`,
    'send text, numbers, booleans, lists or plain objects',
  );
}
