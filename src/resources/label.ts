// Labels: what sets two resources of one name apart. In: reservations, a volume, flags. Out: labels with their suffix, the canonical text after a name.
import type { Role } from '../base/ids.js';
import type { Reservation } from './reservation.js';
import { defaultRole } from './role.js';
import type { PersistentVolume } from './volume.js';

/** What a resource carries besides its name. Two labels are the same when their suffixes are. */
export interface Label {
  /** Follows the name in a key: '', `(role)`, `(role,dynamic,@principal,label=value)`, `(role)[volume:/path]`, `{revocable}`, … */
  readonly suffix: string;
  /** Whom it is reserved to: the role of the last reservation. Absent when unreserved. */
  readonly role?: Role;
  /** A stack: the last is the most refined. Empty when unreserved. */
  readonly reservations: readonly Reservation[];
  /** On reserved disk only. Then the amount is indivisible. */
  readonly volume?: PersistentVolume;
  /** Whether several may use it at once; volumes only. */
  readonly shared: boolean;
  /** Whether it may be taken away any time; never reserved, never a volume. */
  readonly revocable: boolean;
}

/** What a label says, without its text. */
export type LabelParts = Pick<Label, 'reservations'> & Partial<Pick<Label, 'volume' | 'shared' | 'revocable'>>;

/** The label of what is unreserved. */
export const plain: Label = Object.freeze({
  suffix: '',
  reservations: Object.freeze([]),
  shared: false,
  revocable: false,
});

/** The label of what may be taken away any time. */
export const revocableLabel: Label = Object.freeze({
  suffix: '{revocable}',
  reservations: plain.reservations,
  shared: false,
  revocable: true,
});

/** The label of what is statically reserved to `role`; `plain` for the default role. */
export function labelFor(role: Role): Label {
  return role === defaultRole ? plain : labelOf({ reservations: [{ type: 'STATIC', role }] });
}

/** The label of these parts, which must be right: see `parseKey` for what comes from elsewhere. */
export function labelOf(parts: LabelParts): Label {
  const { reservations, volume, shared = false, revocable = false } = parts;
  if (revocable) return revocableLabel;
  const last = reservations.at(-1);
  if (last === undefined) return plain;
  const suffix = suffixOf(reservations, volume, shared);
  return volume === undefined
    ? { suffix, role: last.role, reservations, shared, revocable }
    : { suffix, role: last.role, reservations, volume, shared, revocable };
}

/** The key of `name` under `label`. */
export function keyOf(name: string, label: Label): string {
  return label.suffix === '' ? name : name + label.suffix;
}

/** How refined a reservation is, for comparing: the depth of its role, then that of the stack; 0 when there is none. */
export function refinement({ label }: { readonly label: Label }): number {
  if (label.role === undefined) return 0;
  let depth = 1;
  for (let at = label.role.indexOf('/'); at >= 0; at = label.role.indexOf('/', at + 1)) depth += 1;
  return depth * stackMax + label.reservations.length;
}

// No stack is higher: each role in it is longer than the one before by two characters at least.
const stackMax = 128;

/** A text as it stands inside a suffix: what the grammar gives a meaning to, white space and control characters are percent-encoded. */
export function encodeText(text: string): string {
  return special.test(text) ? text.replaceAll(specials, percent) : text;
}

const special = /[%,=()[\]<>{}:;@\s\p{Cc}]/u;
const specials = /[%,=()[\]<>{}:;@\s\p{Cc}]/gu;

function percent(char: string): string {
  let out = '';
  for (const byte of Buffer.from(char)) out += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return out;
}

function suffixOf(reservations: readonly Reservation[], volume: PersistentVolume | undefined, shared: boolean): string {
  let out = '';
  for (const reservation of reservations) out += `(${reservationText(reservation)})`;
  if (volume === undefined) return out;
  const mode = volume.mode === 'RO' ? ':ro' : '';
  out += `[${encodeText(volume.id)}:${encodeText(volume.containerPath)}${mode}]`;
  return shared ? `${out}<shared>` : out;
}

function reservationText(reservation: Reservation): string {
  const { role, principal, labels } = reservation;
  let out = encodeText(role);
  if (reservation.type === 'STATIC') return out;
  out += ',dynamic';
  if (principal !== undefined) out += `,@${encodeText(principal)}`;
  if (labels === undefined) return out;
  for (const name of Object.keys(labels).sort()) out += `,${encodeText(name)}=${encodeText(labels[name] as string)}`;
  return out;
}
