// Routes as data: a path, and for each method a function from request to reply. The server turns them into HTTP.
import type { ServerResponse } from 'node:http';
import { readMoment } from './moment.js';
import { badRequest } from './errors.js';
import type { Headers } from './errors.js';
import type { PathParams } from './ids-in-paths.js';
import { parseBody } from './body.js';
import { shown } from '../model/refusal.js';

export const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type Method = (typeof methods)[number];

/** What goes back. */
export type Reply =
  | {
      readonly type: 'BODY';
      readonly status: number;
      readonly contentType: string;
      readonly content: string | Uint8Array;
      readonly headers?: Headers;
    }
  | { readonly type: 'EMPTY'; readonly status: number; readonly headers?: Headers }
  /** Takes the response over. */
  | { readonly type: 'STREAM'; readonly serve: (response: ServerResponse) => void };

export type Handler = (request: ApiRequest) => Reply | Promise<Reply>;

/** One path. `HEAD` is answered like `GET`. */
export interface Route {
  /** As in `PathTable`. */
  readonly path: string;
  readonly on: { readonly [method in Method]?: Handler };
}

/** A request that reached its route. */
export class ApiRequest {
  readonly params: PathParams;
  readonly query: URLSearchParams;
  /** Where it comes from. */
  readonly clientIp: string;
  /** Its path as sent. */
  readonly uri: string;
  readonly accept: string | undefined;
  readonly authorization: string | undefined;
  readonly #body: Uint8Array;

  constructor(given: {
    readonly params: PathParams;
    readonly query: URLSearchParams;
    readonly clientIp: string;
    readonly uri: string;
    readonly accept: string | undefined;
    readonly authorization: string | undefined;
    readonly body: Uint8Array;
  }) {
    this.params = given.params;
    this.query = given.query;
    this.clientIp = given.clientIp;
    this.uri = given.uri;
    this.accept = given.accept;
    this.authorization = given.authorization;
    this.#body = given.body;
  }

  get id(): PathParams['id'] {
    return this.params.id;
  }

  /**
   * The JSON of the body.
   * @throws ApiError 400 saying where it is not JSON, or that there is none.
   */
  json(): unknown {
    return parseBody(this.#body);
  }

  /**
   * A switch of the query, in letters of any case; by its name alone it is on.
   * @throws ApiError 400 when it is neither true nor false.
   */
  flag(name: string, byDefault = false): boolean {
    const value = this.query.get(name);
    if (value === null) return byDefault;
    switch (value.toLowerCase()) {
      case '':
      case 'true':
        return true;
      case 'false':
        return false;
      default:
        throw badRequest(`the query parameter ${name} must be true or false, ${shown(value)} is given`);
    }
  }

  /** All values of a parameter that may be given several times. */
  all(name: string): ReadonlySet<string> {
    return new Set(this.query.getAll(name));
  }

  /**
   * The segment `{version}`, in wall milliseconds.
   * @throws ApiError 422 when it is no moment.
   */
  version(): number {
    return readMoment(this.params['version'] ?? '');
  }
}

/** A JSON reply. */
export function json(body: unknown, status = 200, headers?: Headers): Reply {
  return jsonText(JSON.stringify(body), status, headers);
}

/** A JSON reply that is text already. */
export function jsonText(text: string, status = 200, headers?: Headers): Reply {
  const reply = { type: 'BODY', status, contentType: 'application/json', content: text } as const;
  return headers === undefined ? reply : { ...reply, headers };
}

/** A reply without a body. */
export function empty(status: number, headers?: Headers): Reply {
  return headers === undefined ? { type: 'EMPTY', status } : { type: 'EMPTY', status, headers };
}
