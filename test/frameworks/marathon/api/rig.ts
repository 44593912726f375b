// Marathon's API on a real socket, in front of the production service in a cluster under virtual time: a command runs the cluster until it is answered.
// In: requests as clients write them. Out: status, headers and JSON.
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';
import { serveApi } from '../../../../frameworks/marathon/api/server.js';
import type { ApiOptions, ApiServer } from '../../../../frameworks/marathon/api/server.js';
import type { Marathon } from '../../../../frameworks/marathon/service/marathon.js';
import { Site } from '../service/site.js';
import type { Shown, Some } from './shown.js';
import type { SiteOptions } from '../service/site.js';

export interface RigOptions extends SiteOptions {
  readonly api?: Partial<ApiOptions>;
  /** Between the API and the service. */
  readonly between?: (marathon: Marathon) => Marathon;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as what it is: an object, a list of objects, a list of texts. */
  readonly json: Shown;
  readonly list: Some<Shown>;
  readonly strings: Some<string>;
}

export class Rig {
  readonly site: Site;
  readonly server: ApiServer;

  private constructor(site: Site, server: ApiServer) {
    this.site = site;
    this.server = server;
  }

  /** Up until the test ends. */
  static async start(t: ExecutionContext, { api, between = same, ...options }: RigOptions = {}): Promise<Rig> {
    const site = new Site(options);
    site.c.run('1s');
    const server = await serveApi(between(settling(site)), { port: 0, env: site.c.env('api'), ...api });
    t.teardown(() => server.close());
    return new Rig(site, server);
  }

  /** Sends a request and does not read the answer. */
  async open(
    method: string,
    path: string,
    { body, headers = {} }: { readonly body?: unknown; readonly headers?: { readonly [name: string]: string } } = {},
  ): Promise<IncomingMessage> {
    const { hostname, port } = new URL(this.server.url);
    const bytes = body === undefined ? undefined : Buffer.from(isText(body) ? body : JSON.stringify(body));
    const length = bytes === undefined ? {} : { 'content-length': String(bytes.length) };
    const sent = request({ host: hostname, port, method, path, headers: { ...length, ...headers } });
    sent.end(bytes);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return response;
  }

  async ask(
    method: string,
    path: string,
    body?: unknown,
    headers?: { readonly [name: string]: string },
  ): Promise<Answered> {
    const response = await this.open(method, path, headers === undefined ? { body } : { body, headers });
    const got = await text(response);
    const isJson = response.headers['content-type']?.startsWith('application/json') ?? false;
    const parsed = isJson && got !== '' ? (JSON.parse(got) as unknown) : undefined;
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text: got,
      ...({ json: parsed, list: parsed, strings: parsed } as unknown as Pick<Answered, 'json' | 'list' | 'strings'>),
    };
  }

  get(path: string): Promise<Answered> {
    return this.ask('GET', path);
  }

  post(path: string, body?: unknown): Promise<Answered> {
    return this.ask('POST', path, body);
  }

  put(path: string, body?: unknown): Promise<Answered> {
    return this.ask('PUT', path, body);
  }

  patch(path: string, body?: unknown): Promise<Answered> {
    return this.ask('PATCH', path, body);
  }

  delete(path: string, body?: unknown): Promise<Answered> {
    return this.ask('DELETE', path, body);
  }

  /** Runs until no deployment is left. */
  settle(): void {
    this.site.settle();
  }

  /** POSTs an app and runs until it is up. */
  async app(json: object): Promise<void> {
    const { status, text: why } = await this.post('/v2/apps', json);
    if (status !== 201) throw new Error(why);
    this.settle();
  }
}

/** The service, with virtual time going on while one of its answers is waited for. */
function settling(site: Site): Marathon {
  return new Proxy<Marathon>(site.marathon, {
    get: (marathon, name) => {
      const member: unknown = Reflect.get(marathon, name, marathon);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        const answer: unknown = Reflect.apply(member, marathon, args);
        return answer instanceof Promise ? site.c.settled(answer) : answer;
      };
    },
  });
}

function isText(body: unknown): body is string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array;
}

function same(marathon: Marathon): Marathon {
  return marathon;
}
