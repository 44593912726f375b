// Ids of apps, pods and groups: what is allowed, how relative ones resolve, who encloses whom. Pure text; nothing else.

declare const brand: unique symbol;

/** An absolute, canonical id: `/` or `/a/b`, no slash at the end, no `.` or `..` left in it. */
export type PathId = string & { readonly [brand]?: 'PathId' };

/** The group that holds all others. */
export const rootPath: PathId = '/';

/** The segments of an id; none for the root. */
export function segmentsOf(path: string): string[] {
  return path.split('/').filter(segment => segment !== '');
}

/**
 * An id as users write it, made absolute: `db` and `./db` lie below `base`, `../db` beside it, `/db` at the root. Doubled and trailing slashes
 * count as one and none. A `..` above the root stays at the root.
 */
export function resolvePath(id: string, base: PathId = rootPath): PathId {
  const resolved = id.startsWith('/') ? [] : segmentsOf(base);
  for (const segment of segmentsOf(id)) {
    if (segment === '..') resolved.pop();
    else if (segment !== '.') resolved.push(segment);
  }
  return `/${resolved.join('/')}`;
}

/** The enclosing group; the root's is the root. */
export function parentOf(path: PathId): PathId {
  const cut = path.lastIndexOf('/');
  return cut <= 0 ? rootPath : path.slice(0, cut);
}

/** The last segment; empty for the root. */
export function nameOf(path: PathId): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** `name` below `parent`. */
export function childOf(parent: PathId, name: string): PathId {
  return parent === rootPath ? `/${name}` : `${parent}/${name}`;
}

/** Whether `path` lies below `ancestor`; nothing lies below itself. */
export function isBelow(path: PathId, ancestor: PathId): boolean {
  if (ancestor === rootPath) return path !== rootPath;
  return path.length > ancestor.length && path.startsWith(ancestor) && path[ancestor.length] === '/';
}

/** Every enclosing group, nearest first, the root last; none for the root. */
export function ancestorsOf(path: PathId): PathId[] {
  const ancestors: PathId[] = [];
  for (let at = path; at !== rootPath; ) {
    at = parentOf(at);
    ancestors.push(at);
  }
  return ancestors;
}

/** The group directly below the root that encloses `path`, or `path` itself when it is one; undefined for the root. */
export function topLevelOf(path: PathId): PathId | undefined {
  const [first] = segmentsOf(path);
  return first === undefined ? undefined : `/${first}`;
}

/** The form of an id in names of tasks: `/a/b` is `a_b`. */
export function safePath(path: PathId): string {
  return segmentsOf(path).join('_');
}

/** The form of an id in host names, innermost first: `/a/b` is `b.a`. */
export function hostnameOf(path: PathId): string {
  return segmentsOf(path).toReversed().join('.');
}
