// What a reservation is, and what may be one. In: its fields, and those below it in the stack. Out: violations, each with the field it concerns.
import { shown } from '../base/errors.js';
import { printableProblem } from '../base/id-rules.js';
import type { Role } from '../base/ids.js';
import { defaultRole, isAncestorOrSelf, roleProblem } from './role.js';

/** For whom something is kept. STATIC: by the agent's flags, for good. DYNAMIC: made, and undone, at run time. */
export interface Reservation {
  readonly type: 'STATIC' | 'DYNAMIC';
  readonly role: Role;
  /** Who made it. DYNAMIC only. */
  readonly principal?: string;
  /** Free, e.g. to tell apart what several frameworks of a role keep. DYNAMIC only; absent rather than empty. */
  readonly labels?: { readonly [name: string]: string };
}

/** Most labels of one reservation. */
export const reservationLabelsMax = 64;
/** Most bytes of UTF-8 that the names and values of one reservation's labels have together. */
export const reservationLabelBytesMax = 1024;
/** Longest principal of a reservation in bytes of UTF-8. */
export const principalBytesMax = 255;

/** Says one violation: the field (`role`, `labels.team`), and what is wrong. */
export type SayField = (field: string, message: string, hint?: string) => void;

/** Says all that is wrong with `reservation` by itself. */
export function reservationRule(reservation: Omit<Reservation, 'type'>, say: SayField): void {
  const { role, principal } = reservation;
  if (role === defaultRole) say('role', '"*" is the default role; nothing can be reserved to it', 'name another role');
  else {
    const why = roleProblem(role);
    if (why !== undefined) say('role', why);
  }
  if (principal !== undefined) {
    const why = principalProblem(principal);
    if (why !== undefined) say('principal', `${shown(principal)} ${why}`);
  }
  labelsRule(reservation.labels ?? {}, say);
}

/** A dynamic reservation as it is written down: with no labels rather than empty ones. */
export function dynamicReservation({ role, principal, labels }: Omit<Reservation, 'type'>): Reservation {
  return {
    type: 'DYNAMIC',
    role,
    ...(principal === undefined ? {} : { principal }),
    ...(labels === undefined || Object.keys(labels).length === 0 ? {} : { labels }),
  };
}

/** Why `role` cannot refine what is reserved to `above`. */
export function refinementProblem(role: Role, above: Role): string | undefined {
  if (role !== above && isAncestorOrSelf(above, role)) return undefined;
  return `${shown(role)} is not below ${shown(above)}, to which it is reserved already`;
}

function principalProblem(principal: string): string | undefined {
  if (principal === '') return 'is empty';
  const bytes = Buffer.byteLength(principal);
  if (bytes > principalBytesMax) return `has ${bytes} bytes, at most ${principalBytesMax} are allowed`;
  return printableProblem(principal);
}

function labelsRule(labels: { readonly [name: string]: string }, say: SayField): void {
  const entries = Object.entries(labels);
  if (entries.length > reservationLabelsMax) {
    say('labels', `there are ${entries.length}, at most ${reservationLabelsMax} are allowed`);
    return;
  }
  let bytes = 0;
  for (const [name, value] of entries) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
    const whyName = name === '' ? 'is empty' : isTaken(name) ? 'is taken by the language' : printableProblem(name);
    if (whyName !== undefined) say('labels', `the name ${shown(name)} ${whyName}`, 'choose another');
    const whyValue = printableProblem(value);
    if (whyValue !== undefined) say('labels', `the value ${shown(value)} of ${shown(name)} ${whyValue}`);
  }
  if (bytes > reservationLabelBytesMax) {
    say('labels', `names and values have ${bytes} bytes together, at most ${reservationLabelBytesMax} are allowed`);
  }
}

function isTaken(name: string): boolean {
  return name === '__proto__' || name === 'constructor' || name === 'prototype';
}
