// Users by name or number, from /etc/passwd: whom a task runs as. In: "www", "1000", "1000:1000". Out: ids, or what is wrong, for people.
import { readFileSync } from 'node:fs';
import { shown } from '../base/errors.js';

/** Ids to switch to; undefined when no switch is needed. */
export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Resolves `user` to ids. Supplementary groups are dropped. A string says in one sentence why it cannot be done: unknown name, or the agent is not
 * root and the user another.
 */
export function resolveUser(user: string | undefined, self: { readonly uid: number }): UserIds | undefined | string {
  if (user === undefined || user === '') return undefined;
  const found = lookUp(user);
  if (found === undefined && user.includes(':'))
    return `cannot run as ${shown(user)}: a process runs as a user of this machine with the user's own group, or as numbers, as in www-data, 1000 or 1000:1000`;
  if (found === undefined) return `the user ${shown(user)} is unknown on this machine (not in /etc/passwd)`;
  if (found.uid === self.uid) return undefined;
  if (self.uid !== 0) return `cannot run as ${shown(user)}: the agent is not root and runs as uid ${self.uid}`;
  return found;
}

/** A user of an image, who owns what is made for its container: one by number; one by name is known to the image only. */
export function resolveImageUser(user: string | undefined, self: { readonly uid: number }): UserIds | undefined {
  const ids = user === undefined || !/^\d/.test(user) ? undefined : resolveUser(user, self);
  return typeof ids === 'string' ? undefined : ids;
}

/** Whose rights are nobody's: who reads files of this machine for a container that must not see them otherwise. Undefined when the agent is not root. */
export function unprivilegedUser(self: { readonly uid: number }): UserIds | undefined {
  return self.uid === 0 ? (lookUp('nobody') ?? { uid: 65_534, gid: 65_534 }) : undefined;
}

function lookUp(user: string): UserIds | undefined {
  const numeric = /^(\d{1,9})(?::(\d{1,9}))?$/.exec(user);
  for (const line of passwd().split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (uid === undefined || gid === undefined || uid === '') continue;
    if (numeric === null ? name === user : numeric[2] === undefined && uid === numeric[1]) {
      return { uid: Number(uid), gid: Number(gid) };
    }
  }
  return numeric === null ? undefined : { uid: Number(numeric[1]), gid: Number(numeric[2] ?? numeric[1]) };
}

function passwd(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8');
  } catch {
    return '';
  }
}
