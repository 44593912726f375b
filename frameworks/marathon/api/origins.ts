// Which pages of browsers may ask. In: a request's headers. Out: a refusal, and headers that let pages of allowed origins read.
import type { IncomingHttpHeaders } from 'node:http';
import { checkHostAndOrigin } from 'proffer';
import { ApiError } from './errors.js';
import type { Headers } from './errors.js';

/** What pages of other sites may do where they are allowed. */
const readMethods = ['GET', 'HEAD', 'OPTIONS'];

export class Origins {
  readonly #hosts: readonly string[];
  readonly #origins: ReadonlySet<string>;

  /** `hosts`: names besides loopback's; `origins`: `https://host:port`, or `*` for all. */
  constructor(hosts: readonly string[] = [], origins: readonly string[] = []) {
    this.#hosts = hosts;
    this.#origins = new Set(origins);
  }

  /** Pages of other sites may not ask, those of allowed origins may read. */
  refusalOf({ host, origin }: IncomingHttpHeaders, method: string): ApiError | undefined {
    const mayRead = origin !== undefined && this.#allows(origin) && readMethods.includes(method);
    const refusal = checkHostAndOrigin(mayRead ? { host } : { host, origin }, this.#hosts);
    if (refusal === undefined) return undefined;
    return new ApiError(403, refusal.message, refusal.hint === undefined ? {} : { details: refusal.hint });
  }

  headersFor(headers: IncomingHttpHeaders): Headers {
    const { origin } = headers;
    if (this.#origins.size === 0) return {};
    const asked = headers['access-control-request-headers'];
    return {
      vary: 'origin',
      ...(origin === undefined || !this.#allows(origin) ? {} : { 'access-control-allow-origin': origin }),
      'access-control-allow-headers': typeof asked === 'string' ? asked : '',
      'access-control-allow-methods': readMethods.join(', '),
      'access-control-max-age': '86400',
    };
  }

  #allows(origin: string): boolean {
    return this.#origins.has('*') || this.#origins.has(origin);
  }
}
