// Schemas of objects that a list is not mistaken for; to the library, as to JavaScript, a list is an object too.
import * as v from 'valibot';

/** What a refusal of anything but an object starts with. */
const mustBeObject = 'must be an object';

function isRecord(input: unknown): input is { [key: string]: unknown } {
  return typeof input === 'object' && input !== null && !Array.isArray(input);
}

/** An object with these members; others are dropped. `message` says what it must be instead of anything else. */
export function object<const Entries extends v.ObjectEntries>(entries: Entries, message = mustBeObject) {
  return v.pipe(v.custom<{ [key: string]: unknown }>(isRecord, message), v.object(entries));
}

/** An object with any names and these values. */
export function record<const Value extends v.GenericSchema>(value: Value) {
  return v.pipe(v.custom<{ [key: string]: unknown }>(isRecord, mustBeObject), v.record(v.string(), value));
}
