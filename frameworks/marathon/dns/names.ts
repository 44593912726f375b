// Names of apps, pods and tasks in DNS, as Mesos-DNS makes them. Pure text.
import { createHash } from 'node:crypto';
import { hostnameOf } from '../model/path.js';
import type { PathId } from '../model/path.js';

/** Most octets of one label. */
const labelMax = 63;
/** Most characters of a whole name. */
export const nameMax = 253;
const zbase32 = 'ybndrfg8ejkmcpqxot1uwisza345h769';

/**
 * Text as one label of a host name (RFC 1123): lower case, `.` and `_` become `-`, what else is no letter or digit goes, and so do dashes at the
 * ends; what a cut leaves free is filled from behind it. Empty when nothing is left.
 */
export function labelOf(text: string, max = labelMax): string {
  const mapped = text
    .toLowerCase()
    .replaceAll(/[._]/g, '-')
    .replaceAll(/[^a-z0-9-]/g, '');
  const whole = trimmed(mapped);
  const head = trimmed(whole.slice(0, max));
  return head.length < max ? trimmed(head + trimmed(whole.slice(max)).slice(0, max - head.length)) : head;
}

/** Several labels, each made by {@link labelOf}. */
export function labelsOf(text: string): string {
  return text
    .split('.')
    .map(part => labelOf(part))
    .filter(part => part !== '')
    .join('.');
}

/**
 * What each app or pod is called: `/shop/db` is `db.shop` and `db-shop`. A name that several ids come to belongs to the one that is spelled with the same dots, else
 * to the smallest id; that no other answers under it matters more than that each has both.
 */
export function namesOf(ids: Iterable<PathId>): Map<PathId, string[]> {
  const all = [...ids].map(id => ({ id, dotted: labelsOf(hostnameOf(id)), flat: labelOf(hostnameOf(id)) }));
  const owners = new Map<string, PathId>();
  const claim = (name: string, id: PathId, taken: (name: string) => boolean): void => {
    const owner = owners.get(name);
    if (name !== '' && !taken(name) && (owner === undefined || id < owner)) owners.set(name, id);
  };
  for (const { id, dotted } of all) claim(dotted, id, () => false);
  const dotted = new Set(owners.keys());
  for (const { id, flat } of all) claim(flat, id, name => dotted.has(name));
  const names = new Map<PathId, string[]>();
  for (const each of all) {
    names.set(
      each.id,
      [...new Set([each.dotted, each.flat])].filter(name => owners.get(name) === each.id),
    );
  }
  return names;
}

/** The name of one task: `db-shop-k3q8x-s12`, of its app's name as a label, its id and the end of its agent's. */
export function taskNameOf(app: string, taskId: string, agentId: string): string {
  const hash = createHash('sha1').update(taskId).digest();
  // 25 bits, the first first.
  const bits = hash.readUInt32BE(0) >>> 7;
  let short = '';
  for (let shift = 20; shift >= 0; shift -= 5) short += zbase32[(bits >>> shift) & 31];
  const end = labelOf(agentId.slice(agentId.lastIndexOf('-') + 1), 20);
  const tail = `-${short}${end === '' ? '' : `-${end}`}`;
  return `${trimmed(app.slice(0, labelMax - tail.length))}${tail}`;
}

function trimmed(text: string): string {
  let from = 0;
  let to = text.length;
  while (text[from] === '-') from += 1;
  while (to > from && text[to - 1] === '-') to -= 1;
  return text.slice(from, to);
}
