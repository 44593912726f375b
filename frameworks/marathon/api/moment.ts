// Moments in paths and bodies: versions as replies show them. In: text. Out: wall milliseconds, or why not.
import * as v from 'valibot';
import { moment } from '../model/schema/fields.js';
import { shown } from '../model/refusal.js';
import { invalid } from './errors.js';

/** @throws ApiError 422 when it is no moment. */
export function readMoment(text: string): number {
  if (v.is(moment, text)) return Date.parse(text);
  throw invalid('/version', `must be a moment such as 2024-01-31T12:00:00.000Z, ${shown(text)} is given`);
}
