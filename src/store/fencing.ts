// What every adapter says alike when a write is refused, and how epochs follow each other. In: epochs. Out: errors, the next epoch.
import { assert } from '../base/assert.js';
import { ProfferError } from '../base/errors.js';

/** The epoch of the next claim: later than `last`, at least `atLeast`. */
export function epochAfter(last: number, atLeast: number): number {
  assert(Number.isSafeInteger(atLeast) && atLeast >= 0, `an epoch is a whole number, not ${atLeast}`);
  return Math.max(last + 1, atLeast);
}

/** A write of one that no longer leads. */
export function fenced(own: number, last: number): ProfferError {
  return new ProfferError(
    'STORE_FENCED',
    `epoch ${last} has taken over this store; nothing of epoch ${own} is written`,
    {
      hint: 'another process leads now; this one must end',
    },
  );
}

/** A write after one that failed: what is on disk is not certain any more. */
export function deadStore(first: ProfferError): ProfferError {
  return new ProfferError(first.code, `an earlier write failed (${first.message})`, {
    hint: first.hint ?? 'start the process again',
    cause: first,
  });
}
