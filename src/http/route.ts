// Routes as data: a method, a path, the query keys it knows, and a function from request to answer. The server turns them into HTTP.
import type { Problem } from '../base/errors.js';
import { problem, problemsError, shown } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';

/** What a query key may hold. */
export type QueryKind =
  /** Any text, once. */
  | 'text'
  /** Any text, as often as wanted: any of them. */
  | 'texts'
  /** A whole number from 0. */
  | 'count'
  /** A whole number; below zero counts from the end. */
  | 'offset'
  /** Present or `true`; `false`. */
  | 'flag'
  /** One of these words, as often as wanted: any of them. */
  | readonly string[];

/** The query of a route by key. */
export type QuerySpec = { readonly [name: string]: QueryKind };

/** A checked query. */
export class Query {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  texts(name: string): readonly string[] | undefined {
    return this.#values.get(name);
  }

  count(name: string): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : Number(value);
  }

  flag(name: string): boolean | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : value !== 'false';
  }
}

/** A request that reached its route. */
export interface HttpRequest {
  /** The named parts of the path, decoded; `*` is the rest of it. */
  readonly params: { readonly [name: string]: string };
  readonly query: Query;
  /** The JSON of a POST; undefined when it had none. */
  readonly body: unknown;
}

/** Where a feed writes. */
export interface FeedSink {
  write(text: string): void;
  /** Written, but not yet taken by the network. */
  readonly bufferedBytes: number;
  /** Ends after what is written. */
  end(): void;
  /** Cuts the connection. */
  destroy(): void;
}

/** What goes back. */
export type HttpAnswer =
  | { readonly type: 'JSON'; readonly status?: number; readonly body: unknown; readonly headers?: HttpHeaders }
  | { readonly type: 'TEXT'; readonly contentType: string; readonly text: string }
  /** Bytes as they come, at the reader's pace. */
  | {
      readonly type: 'BYTES';
      readonly contentType: string;
      readonly headers?: HttpHeaders;
      readonly chunks: AsyncIterable<Uint8Array>;
    }
  /** Text pushed until one side ends it; `open` returns what to do when the other side left. */
  | { readonly type: 'FEED'; readonly contentType: string; readonly open: (sink: FeedSink) => () => void };

export type HttpHeaders = { readonly [name: string]: string };

/** One route. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** `/tasks/:taskId`; a last part `*` takes the rest of the path. */
  readonly path: string;
  readonly query?: QuerySpec;
  /** @throws ProfferError, which becomes the answer. */
  readonly handle: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;
}

/** A JSON answer. */
export function json(body: unknown, headers?: HttpHeaders): HttpAnswer {
  return headers === undefined ? { type: 'JSON', body } : { type: 'JSON', body, headers };
}

/**
 * Checks a raw query against what the route knows.
 * @throws ProfferError INVALID_CALL naming every violation.
 */
export function checkQuery(raw: URLSearchParams, spec: QuerySpec): Query {
  const problems: Problem[] = [];
  const values = new Map<string, string[]>();
  for (const [name, value] of raw) {
    const kind = Object.hasOwn(spec, name) ? spec[name] : undefined;
    const path = `query.${name.slice(0, 64)}`;
    if (kind === undefined) {
      const names = Object.keys(spec);
      const hint =
        didYouMean(name, names) ??
        (names.length === 0 ? 'this path takes no query' : `known keys: ${names.join(', ')}`);
      problems.push(problem(path, 'INVALID_CALL', `the query key ${shown(name)} is unknown`, hint));
      continue;
    }
    const wrong = queryProblem(kind, value);
    const known = values.get(name);
    if (wrong !== undefined) problems.push(problem(path, 'INVALID_CALL', `${shown(value)} ${wrong}`));
    else if (known === undefined) values.set(name, [value]);
    else if (kind === 'texts' || typeof kind !== 'string') known.push(value);
    else problems.push(problem(path, 'INVALID_CALL', `${name} is given twice`));
  }
  if (problems.length > 0) throw problemsError(problems);
  return new Query(values);
}

function queryProblem(kind: QueryKind, value: string): string | undefined {
  if (typeof kind !== 'string') return kind.includes(value) ? undefined : `is not one of ${kind.join(', ')}`;
  switch (kind) {
    case 'text':
    case 'texts':
      return undefined;
    case 'count':
      return /^\d{1,15}$/.test(value) ? undefined : 'is not a whole number from 0';
    case 'offset':
      return /^-?\d{1,15}$/.test(value) ? undefined : 'is not a whole number';
    case 'flag':
      return ['', 'true', 'false'].includes(value) ? undefined : 'is neither true nor false';
    default:
      return undefined;
  }
}
