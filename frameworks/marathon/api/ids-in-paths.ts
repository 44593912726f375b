// Ids in paths: they are written with their slashes, doubled ones too, so that only the words around them tell where they end. In: a URL. Out: the
// route that fits it best, and what its pattern names.
import { rootPath } from '../model/path.js';
import type { PathId } from '../model/path.js';

/** What a path holds where its pattern has names. */
export interface PathParams {
  /** `{id}`: an app, a pod or a group; the root where the pattern has none. */
  readonly id: PathId;
  /** Other names are one segment each. */
  readonly [name: string]: string;
}

/** The decoded segments of a request's path, without empty ones: `/v2/apps//a/` is `v2`, `apps`, `a`. */
export function segmentsIn(url: string): string[] {
  const path = decodeURIComponent(url.split('?', 1)[0] ?? '');
  // What is asked of a pod is written right behind its id.
  const apart = /^\/+v2\/+pods/.test(path) ? path.replaceAll('::', '/::') : path;
  return apart.split('/').filter(segment => segment !== '');
}

/** The query as it was sent. */
export function queryIn(url: string): URLSearchParams {
  const at = url.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
}

/** Patterns such as `/v2/apps/{id}/tasks/{taskId}`: `{id}` is one segment or more, every other name is one, the rest stands for itself. */
export class PathTable<T> {
  readonly #patterns: readonly { readonly parts: readonly Part[]; readonly value: T }[];

  /** Of several patterns that fit a path the one with the most words wins, and of these the first. */
  constructor(entries: Iterable<readonly [pattern: string, value: T]>) {
    this.#patterns = [...entries]
      .map(([pattern, value]) => ({ parts: partsOf(pattern), value }))
      .toSorted((a, b) => wordsIn(b.parts) - wordsIn(a.parts));
  }

  find(segments: readonly string[]): { readonly value: T; readonly params: PathParams } | undefined {
    for (const { parts, value } of this.#patterns) {
      const params = fit(parts, segments);
      if (params !== undefined) return { value, params };
    }
    return undefined;
  }
}

type Part = { readonly word: string } | { readonly name: string };

function partsOf(pattern: string): Part[] {
  return segmentsIn(pattern).map(segment => {
    const name = /^\{(\w+)\}$/.exec(segment)?.[1];
    return name === undefined ? { word: segment } : { name };
  });
}

function wordsIn(parts: readonly Part[]): number {
  return parts.filter(part => 'word' in part).length;
}

function fit(parts: readonly Part[], segments: readonly string[]): PathParams | undefined {
  const extra = segments.length - parts.length;
  if (extra < 0) return undefined;
  const params: { id: PathId; [name: string]: string } = { id: rootPath };
  let at = 0;
  for (const part of parts) {
    if ('word' in part) {
      if (segments[at] !== part.word) return undefined;
      at += 1;
    } else {
      const end = part.name === 'id' ? at + 1 + extra : at + 1;
      params[part.name] = part.name === 'id' ? `/${segments.slice(at, end).join('/')}` : (segments[at] ?? '');
      at = end;
    }
  }
  return at === segments.length ? params : undefined;
}
