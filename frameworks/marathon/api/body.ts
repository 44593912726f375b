// JSON bodies. In: bytes. Out: the value, or an error that says where it stops being JSON. What may be in it is for the schemas to say.
import { depthMax } from '../model/schema/plain.js';
import { badRequest } from './errors.js';

/** @throws ApiError 400. */
export function parseBody(bytes: Uint8Array): unknown {
  const text = decoded(bytes);
  if (text.trim() === '') throw badRequest('Please specify data in JSON format', 'the body is empty');
  const deep = tooDeepAt(text);
  if (deep !== undefined)
    throw badRequest('Invalid JSON', `nested deeper than ${depthMax} levels at ${placeOf(text, deep)}`);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw badRequest('Invalid JSON', located(text, error instanceof Error ? error.message : String(error)));
  }
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw badRequest('Invalid JSON', 'the body is not UTF-8');
  }
}

// Before anything is made of it: a few megabytes of brackets would keep the parser busy for seconds.
function tooDeepAt(text: string): number | undefined {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (quoted) {
      if (sign === '\\') at += 1;
      else if (sign === '"') quoted = false;
    } else if (sign === '"') quoted = true;
    else if (sign === '[' || sign === '{') {
      depth += 1;
      if (depth > depthMax) return at;
    } else if (sign === ']' || sign === '}') depth -= 1;
  }
  return undefined;
}

/** The parser's message with line and column; not every release of Node says them. */
function located(text: string, message: string): string {
  const position = /at position (\d+)/.exec(message)?.[1];
  if (position === undefined) return message;
  const plain = message.replace(/ in JSON at position .*$/s, '');
  return `${plain} at ${placeOf(text, Number(position))}`;
}

function placeOf(text: string, index: number): string {
  const lines = text.slice(0, index).split('\n');
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`;
}
