// Labels: what sets two resources of one name apart. In: a disk, reservations, a volume, flags. Out: labels with their suffix, the canonical text after a name.
import type { Role } from '../base/ids.js';
import type { Reservation } from './reservation.js';
import { defaultRole } from './role.js';
import type { DiskSource } from './source.js';
import type { PersistentVolume } from './volume.js';

/** What a resource carries besides its name. Two labels are the same when their suffixes are. */
export interface Label {
  /** Follows the name in a key: '', `<mount=/mnt/a>`, `(role)`, `(role,dynamic,@principal,label=value)`, `(role)[volume:/path]`, `{revocable}`, … */
  readonly suffix: string;
  /** Whom it is reserved to: the role of the last reservation. Absent when unreserved. */
  readonly role?: Role;
  /** A stack: the last is the most refined. Empty when unreserved. */
  readonly reservations: readonly Reservation[];
  /** Of disk that is not the one of the sandboxes. */
  readonly source?: DiskSource;
  /** On reserved disk only. */
  readonly volume?: PersistentVolume;
  /** Whether several may use it at once; volumes only. */
  readonly shared: boolean;
  /** Whether it may be taken away any time; never reserved, never a volume. */
  readonly revocable: boolean;
  /** Whether the amount is taken whole or not at all: volumes, and MOUNT disks. */
  readonly indivisible: boolean;
}

/** What a label says, without its text. */
export interface LabelParts {
  readonly reservations: readonly Reservation[];
  readonly source?: DiskSource | undefined;
  readonly volume?: PersistentVolume | undefined;
  readonly shared?: boolean;
  readonly revocable?: boolean;
}

/** The label of what is unreserved. */
export const plain: Label = Object.freeze({
  suffix: '',
  reservations: Object.freeze([]),
  shared: false,
  revocable: false,
  indivisible: false,
});

/** The label of what may be taken away any time. */
export const revocableLabel: Label = Object.freeze({
  suffix: '{revocable}',
  reservations: plain.reservations,
  shared: false,
  revocable: true,
  indivisible: false,
});

/** The label of what is statically reserved to `role`; `plain` for the default role. */
export function labelFor(role: Role): Label {
  return role === defaultRole ? plain : labelOf({ reservations: [{ type: 'STATIC', role }] });
}

/** The label of these parts, which must be right: see `parseKey` for what comes from elsewhere. */
export function labelOf(parts: LabelParts): Label {
  const { source, reservations, volume, shared = false, revocable = false } = parts;
  if (revocable) return revocableLabel;
  const last = reservations.at(-1);
  if (last === undefined && source === undefined) return plain;
  return {
    suffix: suffixOf(source, reservations, volume, shared),
    ...(last === undefined ? {} : { role: last.role }),
    reservations,
    ...(source === undefined ? {} : { source }),
    ...(volume === undefined ? {} : { volume }),
    shared,
    revocable,
    indivisible: volume !== undefined || source?.type === 'MOUNT',
  };
}

/** The label without reservations and volume: what it is a part of. */
export function bareLabel(label: Label): Label {
  return label.source === undefined ? plain : labelOf({ reservations: plain.reservations, source: label.source });
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

function suffixOf(
  source: DiskSource | undefined,
  reservations: readonly Reservation[],
  volume: PersistentVolume | undefined,
  shared: boolean,
): string {
  let out = source === undefined ? '' : `<${sourceWords[source.type]}=${encodeText(source.root)}>`;
  for (const reservation of reservations) out += `(${reservationText(reservation)})`;
  if (volume === undefined) return out;
  const mode = volume.mode === 'RO' ? ':ro' : '';
  out += `[${encodeText(volume.id)}:${encodeText(volume.containerPath)}${mode}]`;
  return shared ? `${out}<shared>` : out;
}

const sourceWords = { MOUNT: 'mount', PATH: 'path' } as const;

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
