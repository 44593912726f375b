// Role names: what may be one, and who is above whom. `a/b/c` is below `a/b`, which is below `a`; `*` is the default role.
import type { Role } from '../base/ids.js';
import { shown } from '../base/errors.js';

/** The default role; what nobody reserved belongs to it. */
export const defaultRole: Role = '*';

// Most roles; spares them the rest.
const plainRole = /^\w[\w.-]*(?:\/\w[\w.-]*)*$/;

/** Longest role name in UTF-16 units; ids have the same bound. */
export const roleLengthMax = 255;

// White space, and what terminals and paths would trip over: control characters including DEL.
const forbidden = /[\s\p{Cc}]/u;

/**
 * Why `role` is not a role name, or undefined when it is one. The rules are those of Mesos (`docs/roles.md`), and one more:
 * no parentheses, which mark reservations in resource keys (`cpus(ads)`).
 */
export function roleProblem(role: unknown): string | undefined {
  if (typeof role === 'string' && plainRole.test(role) && role.length <= roleLengthMax) return undefined;
  if (typeof role !== 'string') return `${shown(role)} is not a role: a role is a string`;
  if (role === defaultRole) return undefined;
  const wrong = (why: string): string => `${shown(role)} is not a role: ${why}`;
  if (role === '') return wrong('it must not be empty');
  if (role.length > roleLengthMax)
    return wrong(`it has ${role.length} characters, at most ${roleLengthMax} are allowed`);
  if (forbidden.test(role)) return wrong('it must not contain white space or control characters');
  if (/[()]/.test(role)) return wrong('it must not contain parentheses');
  if (role.startsWith('/') || role.endsWith('/')) return wrong('it must not start or end with a slash');
  for (const part of role.split('/')) {
    if (part === '') return wrong('it must not contain two slashes in a row');
    if (part === '.' || part === '..') return wrong(`it must not have the part ${shown(part)}`);
    if (part === '*') return wrong('"*" is a role of its own, not a part of one');
    if (part.startsWith('-')) return wrong(`its part ${shown(part)} must not start with a dash`);
  }
  return undefined;
}

/** The roles above `role`, nearest first: `a/b/c` gives `a/b`, `a`. */
export function roleAncestors(role: Role): Role[] {
  const above: Role[] = [];
  for (let at = role.lastIndexOf('/'); at > 0; at = role.lastIndexOf('/', at - 1)) above.push(role.slice(0, at));
  return above;
}

/** Whether `ancestor` is `role` or above it: what is reserved to `ancestor` may then be offered to `role`. */
export function isAncestorOrSelf(ancestor: Role, role: Role): boolean {
  if (!role.startsWith(ancestor)) return false;
  return role.length === ancestor.length || role.charCodeAt(ancestor.length) === slash;
}

/** The topmost role above `role`, or itself: where quota is set. */
export function topRole(role: Role): Role {
  const at = role.indexOf('/');
  return at < 0 ? role : role.slice(0, at);
}

const slash = 47;
