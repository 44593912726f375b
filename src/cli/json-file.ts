// JSON in files, as people write it. In: a file's name, or a text. Out: the value with positions, or one clear error.
import { readFileSync } from 'node:fs';
import type { ErrorCode } from '../base/errors.js';
import { messageOf, ProfferError } from '../base/errors.js';
import type { JsonText } from '../base/json-text.js';
import { parseJsonText } from '../base/json-text.js';

/** What an error of a file is called, and which flag named it. */
export interface JsonSource {
  readonly code: ErrorCode;
  readonly path?: string;
}

/** @throws ProfferError when it cannot be read, is no text, or no JSON. */
export function readJsonFile(file: string, source: JsonSource): JsonText {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new ProfferError(source.code, `${file}: cannot be read: ${messageOf(error)}`, placeOf(source));
  }
  return jsonIn(bytes, file, source);
}

/** What `name` holds. @throws ProfferError as `readJsonFile` does. */
export function jsonIn(bytes: Uint8Array, name: string, source: JsonSource): JsonText {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ProfferError(source.code, `${name}: is not UTF-8 text`, placeOf(source));
  }
  try {
    return parseJsonText(text, name);
  } catch (error) {
    if (!(error instanceof ProfferError)) throw error;
    throw new ProfferError(source.code, error.message, error.hint === undefined ? {} : { hint: error.hint });
  }
}

function placeOf({ path }: JsonSource): { readonly path?: string } {
  return path === undefined ? {} : { path };
}
