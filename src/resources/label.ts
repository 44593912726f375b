// Labels: what sets two resources of one name apart (now the role a static reservation is for). In: a key such as `cpus(ads)`. Out: its parts.
import type { Role } from '../base/ids.js';
import { shown } from '../base/errors.js';
import { defaultRole, roleProblem } from './role.js';

/** What a resource carries besides its name. Two labels are the same when their suffixes are. */
export interface Label {
  /** Follows the name in a key: '' or `(role)`. */
  readonly suffix: string;
  /** Whom it is reserved to; absent when unreserved. */
  readonly role?: Role;
}

/** The label of what is unreserved. */
export const plain: Label = Object.freeze({ suffix: '' });

/** A key taken apart. */
export interface ParsedKey {
  readonly key: string;
  readonly name: string;
  readonly label: Label;
}

/** Longest resource name in UTF-16 units. */
export const nameLengthMax = 255;

// What the text form gives a meaning to, and what cannot be seen.
const forbiddenInName = /[\s\p{Cc}()[\]{}:;,]/u;
// Keys repeat endlessly, so parsed ones are kept; peers can invent keys, so not more than this many.
const cacheMax = 4096;
const cache = new Map<string, ParsedKey>();

/** The label of what is reserved to `role`; `plain` for the default role. */
export function labelFor(role: Role): Label {
  return role === defaultRole ? plain : { suffix: `(${role})`, role };
}

/** The key of `name` under `label`. */
export function keyOf(name: string, label: Label): string {
  return label.suffix === '' ? name : name + label.suffix;
}

/** The parts of a key, or why it is not one. `cpus(*)` is `cpus`. */
export function parseKey(key: string): ParsedKey | string {
  const known = cache.get(key);
  if (known !== undefined) return known;
  const open = key.indexOf('(');
  const name = open < 0 ? key : key.slice(0, open);
  const why = nameProblem(name);
  if (why !== undefined) return why;
  if (open >= 0 && !key.endsWith(')'))
    return `${shown(key)} opens a parenthesis and does not end with one; write name(role)`;
  const role = open < 0 ? defaultRole : key.slice(open + 1, -1);
  const whyRole = roleProblem(role);
  if (whyRole !== undefined) return whyRole;
  const label = labelFor(role);
  const parsed: ParsedKey = { key: keyOf(name, label), name, label };
  if (cache.size >= cacheMax) cache.clear();
  cache.set(key, parsed);
  return parsed;
}

function nameProblem(name: string): string | undefined {
  if (name === '') return 'a resource needs a name';
  if (name.length > nameLengthMax)
    return `the name has ${name.length} characters, at most ${nameLengthMax} are allowed`;
  if (forbiddenInName.test(name))
    return `the name ${shown(name)} must not contain white space, control characters or any of ()[]{}:;,`;
  // Such a name would hit inherited properties wherever totals are kept in a plain object.
  if (name in Object.prototype) return `the name ${shown(name)} is taken by the language; choose another`;
  return undefined;
}
