// What may be an id, a name, a path: rules as functions. In: a string. Out: why it is not one, to follow the value in a message, or undefined.

import { printableProblem } from '../base/id-rules.js';

export { idBytesMax, idProblem, printableProblem, reportedIdProblem } from '../base/id-rules.js';

/** Why `name` is not a name for people: it may be anything printable but nothing at all. */
export function nameProblem(name: string): string | undefined {
  return name === '' ? 'is empty' : printableProblem(name);
}

/** Why `name` is not the name of a host. Names and addresses are not told apart. */
export function hostnameProblem(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (name.length > 253) return 'is not a host name: at most 253 characters are allowed';
  return /^[A-Za-z0-9_:[\]%.-]+$/.test(name) ? undefined : 'is not a host name or address';
}

/** Why `user` is not a user of the operating system: a name or number, and perhaps a group after a colon. */
export function userProblem(user: string): string | undefined {
  return user.length <= 255 && /^\w[\w.@-]*\$?(?::\w[\w.@-]*)?$/.test(user)
    ? undefined
    : 'is not a user: write a name or number, as in www-data, 1000 or 1000:1000';
}

/** Why `url` is not the address of a page. */
export function webUrlProblem(url: string): string | undefined {
  // A link that people click must not run a script.
  return /^https?:\/\/[^\s/]/i.test(url) && URL.canParse(url) ? undefined : 'is not a URL with http: or https:';
}

/** Why `name` cannot be an environment variable. */
export function envNameProblem(name: string): string | undefined {
  if (name === '') return 'is empty';
  return /[=\0]/.test(name) ? 'must not contain = or NUL' : undefined;
}

/** Why `value` cannot be passed to a program: strings there end at NUL. */
export function nulProblem(value: string): string | undefined {
  return value.includes('\0') ? 'must not contain NUL' : undefined;
}

/** Why `path` does not stay below the directory it is relative to. */
export function relativePathProblem(path: string): string | undefined {
  if (path === '') return 'is empty';
  if (path.startsWith('/')) return 'must be relative to the sandbox';
  return upwardsProblem(path);
}

/** Why `path` is not a path for a mount, absolute or relative. Engines write mounts as `host:container:mode`. */
export function mountPathProblem(path: string): string | undefined {
  if (path === '') return 'is empty';
  if (path.includes(':')) return 'must not contain a colon';
  return upwardsProblem(path);
}

function upwardsProblem(path: string): string | undefined {
  const why = printableProblem(path);
  if (why !== undefined) return why;
  return path.split(/[/\\]/).includes('..') ? 'must not contain ".."' : undefined;
}
