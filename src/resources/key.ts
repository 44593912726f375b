// Keys such as `cpus`, `cpus(ads)`, `disk<mount=/mnt/a>(ads,dynamic,@ops,team=blue)[db-0:/data]<shared>`. In: a key from anywhere. Out: its parts, or why it is none.
import { shown } from '../base/errors.js';
import type { Label } from './label.js';
import { encodeText, keyOf, labelOf, plain, revocableLabel } from './label.js';
import type { Reservation } from './reservation.js';
import { refinementProblem, reservationRule } from './reservation.js';
import { defaultRole, roleProblem } from './role.js';
import type { DiskSource } from './source.js';
import { diskRootProblem } from './source.js';
import type { PersistentVolume } from './volume.js';
import { volumeIdProblem, volumePathProblem } from './volume.js';

/** A key taken apart; `key` is canonical: labels sorted, texts in their shortest encoding. */
export interface ParsedKey {
  readonly key: string;
  readonly name: string;
  readonly label: Label;
}

/** Longest resource name in UTF-16 units. */
export const nameLengthMax = 255;
/** Longest key in UTF-16 units. */
export const keyLengthMax = 16_384;

// What the text form gives a meaning to, and what cannot be seen.
const forbiddenInName = /[\s\p{Cc}()[\]{}<>:;,]/u;
// Keys repeat endlessly, so parsed ones are kept; peers can invent keys, so not more than this many, and no long ones.
const cacheMax = 4096;
const cachedLengthMax = 512;
const cache = new Map<string, ParsedKey>();

/**
 * The parts of a key, or why it is not one. `cpus(*)` is `cpus`. The grammar, without white space:
 * `name`, then `{revocable}` or reservations, the most refined last: `(role)` static, at the bottom only, or `(role,dynamic,@principal,label=value,…)`;
 * on disk then perhaps a volume: `[id:containerPath]` or `[id:containerPath:ro]`, and perhaps `<shared>`. Disk that is not the one of the sandboxes
 * says so before its reservations: `<mount=/mnt/a>` a file system that is taken whole, `<path=/mnt/b>` a directory on one that can be divided.
 */
export function parseKey(key: string): ParsedKey | string {
  const known = cache.get(key);
  if (known !== undefined) return known;
  if (key.length > keyLengthMax) return `the key has ${key.length} characters, at most ${keyLengthMax} are allowed`;
  const end = key.search(/[<([{]/);
  const name = end < 0 ? key : key.slice(0, end);
  const why = nameProblem(name);
  if (why !== undefined) return why;
  if (key.indexOf('(', end) >= 0 && key.lastIndexOf(')') < key.lastIndexOf('('))
    return `${shown(key)} opens a parenthesis and does not end with one; write name(role)`;
  const label = end < 0 ? plain : parseSuffix(key.slice(end), name);
  if (typeof label === 'string') return label;
  const parsed: ParsedKey = { key: keyOf(name, label), name, label };
  if (key.length <= cachedLengthMax) {
    if (cache.size >= cacheMax) cache.clear();
    cache.set(key, parsed);
  }
  return parsed;
}

function nameProblem(name: string): string | undefined {
  if (name === '') return 'a resource needs a name';
  if (name.length > nameLengthMax)
    return `the name has ${name.length} characters, at most ${nameLengthMax} are allowed`;
  if (forbiddenInName.test(name))
    return `the name ${shown(name)} must not contain white space, control characters or any of ()[]{}<>:;,`;
  // Such a name would hit inherited properties wherever totals are kept in a plain object.
  if (name in Object.prototype) return `the name ${shown(name)} is taken by the language; choose another`;
  return undefined;
}

const suffixPattern = /^(?:<([^()[\]{}<>]*)>)?((?:\([^()[\]{}<>]*\))*)(?:\[([^()[\]{}<>]*)\](<shared>)?)?$/;

function parseSuffix(suffix: string, name: string): Label | string {
  if (suffix === revocableLabel.suffix) return revocableLabel;
  const match = suffixPattern.exec(suffix);
  if (match === null) {
    return `${shown(suffix)} is no label; write {revocable}, or reservations such as (ads) or (ads,dynamic) and then perhaps a volume such as [db-0:/data]; a disk such as <mount=/mnt/a> comes first`;
  }
  const [, sourceText, stackText = '', volumeText, sharedText] = match;
  const source = sourceText === undefined ? undefined : parseSource(sourceText);
  if (typeof source === 'string') return source;
  if (source !== undefined && name !== 'disk') return `only disk can be at a place of its own, not ${shown(name)}`;
  const reservations = parseStack(stackText);
  if (typeof reservations === 'string') return reservations;
  if (volumeText === undefined) return labelOf({ reservations, source });
  if (name !== 'disk') return 'only disk can be a volume';
  if (reservations.length === 0) return 'a volume needs reserved disk; write for example disk(ads,dynamic)[db-0:/data]';
  const volume = parseVolume(volumeText);
  return typeof volume === 'string'
    ? volume
    : labelOf({ reservations, source, volume, shared: sharedText !== undefined });
}

function parseSource(text: string): DiskSource | string {
  const [word = '', rootText, ...more] = text.split('=');
  const type = word === 'mount' ? 'MOUNT' : word === 'path' ? 'PATH' : undefined;
  if (type === undefined || rootText === undefined || more.length > 0)
    return `<${text}> is not a disk; write <mount=/mnt/a> for one that is taken whole, or <path=/mnt/b>`;
  const root = decodeText(rootText);
  if (root === undefined) return badEncoding(rootText);
  const why = diskRootProblem(root);
  return why === undefined ? { type, root } : `the root ${shown(root)} of a disk ${why}`;
}

function parseStack(text: string): readonly Reservation[] | string {
  if (text === '' || text === `(${defaultRole})`) return plain.reservations;
  const stack: Reservation[] = [];
  for (const piece of text.slice(1, -1).split(')(')) {
    const reservation = parseReservation(piece);
    if (typeof reservation === 'string') return reservation;
    const below = stack.at(-1);
    if (below !== undefined) {
      if (reservation.type === 'STATIC') {
        return `only the first reservation can be static; write (${encodeText(reservation.role)},dynamic)`;
      }
      const why = refinementProblem(reservation.role, below.role);
      if (why !== undefined) return why;
    }
    stack.push(reservation);
  }
  return stack;
}

function parseReservation(text: string): Reservation | string {
  const [roleText = '', kind, ...more] = text.split(',');
  const role = decodeText(roleText);
  if (role === undefined) return badEncoding(roleText);
  const whyRole = roleProblem(role);
  if (whyRole !== undefined) return whyRole;
  if (kind === undefined) {
    return role === defaultRole ? '"*" is the default role; nothing can be reserved to it' : { type: 'STATIC', role };
  }
  if (kind !== 'dynamic') return `${shown(kind)} is not "dynamic", the only word allowed after the role`;
  let principal: string | undefined;
  const labels: { [name: string]: string } = {};
  let any = false;
  for (const [i, piece] of more.entries()) {
    const at = piece.startsWith('@') ? 0 : piece.indexOf('=');
    if (at < 0) return `${shown(piece)} is neither @principal nor label=value`;
    const value = decodeText(piece.slice(at + 1));
    if (value === undefined) return badEncoding(piece);
    if (at === 0 && piece.startsWith('@')) {
      if (i > 0) return 'the @principal comes first after "dynamic", and once';
      principal = value;
      continue;
    }
    const label = decodeText(piece.slice(0, at));
    if (label === undefined) return badEncoding(piece);
    if (label === '__proto__') return 'the name "__proto__" is taken by the language; choose another';
    if (Object.hasOwn(labels, label)) return `the label ${shown(label)} is given twice`;
    labels[label] = value;
    any = true;
  }
  const reservation: Reservation = {
    type: 'DYNAMIC',
    role,
    ...(principal === undefined ? {} : { principal }),
    ...(any ? { labels } : {}),
  };
  let first: string | undefined;
  reservationRule(reservation, (field, message) => {
    first ??= `${field}: ${message}`;
  });
  return first ?? reservation;
}

function parseVolume(text: string): PersistentVolume | string {
  const [idText = '', pathText, modeText, ...more] = text.split(':');
  if (pathText === undefined || more.length > 0 || (modeText !== undefined && modeText !== 'ro')) {
    return `[${text}] is not a volume; write [id:containerPath] or [id:containerPath:ro]`;
  }
  const id = decodeText(idText);
  if (id === undefined) return badEncoding(idText);
  const containerPath = decodeText(pathText);
  if (containerPath === undefined) return badEncoding(pathText);
  const whyId = volumeIdProblem(id);
  if (whyId !== undefined) return `the volume id ${shown(id)} ${whyId}`;
  const whyPath = volumePathProblem(containerPath);
  if (whyPath !== undefined) return `the path ${shown(containerPath)} ${whyPath}`;
  return { id, containerPath, mode: modeText === undefined ? 'RW' : 'RO' };
}

// Raw text may stand for itself where it has no other meaning here; undefined when an encoding is broken.
function decodeText(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function badEncoding(text: string): string {
  return `${shown(text)} has a % that does not begin an encoded character; write %25 for it`;
}
