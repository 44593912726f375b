// A Marathon over HTTP, ours or another: changes, what goes on, what happened. In: requests. Out: its JSON, or one clear error made of its words.
import type { Problem } from '../../base/errors.js';
import { messageOf, problem, problemsError, ProfferError, shown } from '../../base/errors.js';
import type { HttpReply } from '../client.js';
import { Client, textOf } from '../client.js';
import type { Definition } from './definitions.js';
import { pathOf } from './definitions.js';

/** One action of a step, as `/v2/deployments` has it. */
export interface ActionView {
  readonly action: string;
  readonly app?: string;
  readonly pod?: string;
}

export interface StepView {
  readonly actions: readonly ActionView[];
}

/** What is read of a deployment in `/v2/deployments`; the last three are ours. */
export interface DeploymentView {
  readonly id: string;
  readonly currentStep: number;
  readonly totalSteps: number;
  readonly affectedApps?: readonly string[];
  readonly affectedPods?: readonly string[];
  readonly currentActions: readonly ActionView[];
  readonly waitingFor?: readonly string[];
  readonly stalled?: boolean;
  readonly takesBack?: { readonly id: string; readonly why?: string };
}

/** What Marathon tells. */
export interface EventView {
  readonly eventType: string;
  readonly id?: string;
  readonly reason?: string;
  /** The deployment that takes the failed one back; ours. */
  readonly takenBackBy?: string;
}

/** A line of events longer than this is none of Marathon's. */
const lineMax = 32 * 1024 * 1024;

export class MarathonClient {
  readonly base: string;
  readonly #client: Client;
  readonly #force: boolean;

  constructor(base: string, { force = false }: { readonly force?: boolean } = {}) {
    this.base = base;
    this.#client = new Client(base, 'Marathon', 'start one with proffer marathon, or say where it is with --marathon');
    this.#force = force;
  }

  /**
   * Asks for a definition to be deployed, as it is written: what it does not mention gets its default.
   * @throws (rejects) ProfferError INVALID_DEFINITION with every violation, APP_LOCKED, FORBIDDEN, UNREACHABLE.
   */
  async deploy(definition: Definition): Promise<string> {
    const reply = await this.#put(definition, {});
    const text = await this.#textOf(reply, definition.where);
    const header = reply.headers['marathon-deployment-id'];
    const id = typeof header === 'string' ? header : this.#read<{ deploymentId?: string }>(text).deploymentId;
    if (id === undefined) throw this.#notMarathon(reply.status, text);
    return id;
  }

  /** The steps that deploying it would take; nothing is done. @throws (rejects) as `deploy`; USAGE where a Marathon cannot say so. */
  async plan(definition: Definition): Promise<readonly StepView[]> {
    const info = await this.get<{ buildref?: string }>('/v2/info');
    // Another's does at once what it does not know to be asked for in play.
    if (info.buildref?.startsWith('proffer-') !== true) {
      throw new ProfferError('USAGE', `--dry-run: the Marathon at ${this.base} is not Proffer's, and cannot plan only`);
    }
    const reply = await this.#put(definition, { dryRun: 'true' });
    return this.#read<{ steps: readonly StepView[] }>(await this.#textOf(reply, definition.where)).steps;
  }

  /** @throws (rejects) ProfferError. */
  async get<T>(path: string): Promise<T> {
    return this.#read<T>(await this.#textOf(await this.#client.send('GET', path), path));
  }

  /** What happens from now on, until `signal`; resolves when the stream has begun. @throws (rejects) ProfferError when there is none. */
  async events(types: readonly string[], signal: AbortSignal): Promise<AsyncIterable<EventView>> {
    const path = `/v2/events?${types.map(type => `event_type=${type}`).join('&')}`;
    const reply = await this.#client.send('GET', path, undefined, signal);
    if (reply.status !== 200) throw new ProfferError('UNREACHABLE', `Marathon answered ${reply.status} to ${path}`);
    return eventsIn(reply.body);
  }

  async #put(definition: Definition, more: { readonly [name: string]: string }): Promise<HttpReply> {
    const { kind, body } = definition;
    const query = new URLSearchParams({ ...(this.#force ? { force: 'true' } : {}), ...more });
    if (kind === 'app' || kind === 'apps') query.set('partialUpdate', 'false');
    const asked = query.size === 0 ? '' : `?${query.toString()}`;
    const text = JSON.stringify(body);
    const reply = await this.#client.send('PUT', `${pathOf(definition)}${asked}`, text);
    if (kind !== 'pod' || reply.status !== 404) return reply;
    // Some releases change pods only that are there.
    await textOf(reply);
    return this.#client.send('POST', `/v2/pods${asked}`, text);
  }

  async #textOf(reply: HttpReply, where: string): Promise<string> {
    let text: string;
    try {
      text = await textOf(reply);
    } catch (error) {
      throw new ProfferError('UNREACHABLE', `Marathon at ${this.base} does not answer: ${messageOf(error)}`);
    }
    if (reply.status < 400) return text;
    throw this.#errorOf(reply.status, text, where);
  }

  #read<T>(text: string): T {
    try {
      return JSON.parse(text) as T;
    } catch {
      throw this.#notMarathon(200, text);
    }
  }

  #errorOf(status: number, text: string, where: string): ProfferError {
    const body = bodyOf(text);
    if (body === undefined) return this.#notMarathon(status, text);
    const { message, details, deployments = [] } = body;
    switch (status) {
      case 400:
      case 422:
        return problemsError(violationsIn(where, message, details));
      case 409: {
        const ids = deployments.map(({ id }) => id).join(', ');
        return new ProfferError('APP_LOCKED', `${where}: ${message}${ids === '' ? '' : ` (${ids})`}`, {
          hint: 'wait for what is under way, or take its place with --force',
        });
      }
      case 401:
      case 403:
        return new ProfferError('FORBIDDEN', `${where}: ${message}`);
      case 404:
        return new ProfferError('NOT_FOUND', `${where}: ${message}`);
      default:
        return new ProfferError('UNREACHABLE', `Marathon at ${this.base} answered ${status}: ${message}`);
    }
  }

  #notMarathon(status: number, text: string): ProfferError {
    return new ProfferError('UNREACHABLE', `${this.base} answered ${status}, but is no Marathon: ${shown(text)}`, {
      hint: 'is the address right?',
    });
  }
}

interface ErrorBody {
  readonly message: string;
  readonly details?: unknown;
  readonly deployments?: readonly { readonly id: string }[];
}

function bodyOf(text: string): ErrorBody | undefined {
  try {
    const body = JSON.parse(text) as ErrorBody | null;
    return typeof body?.message === 'string' ? body : undefined;
  } catch {
    return undefined;
  }
}

/** Every violation with its file and path: `web.json /cpus`. */
function violationsIn(where: string, message: string, details: unknown): Problem[] {
  const listed = Array.isArray(details) ? (details as { readonly path?: string; readonly errors?: string[] }[]) : [];
  const problems = listed.flatMap(({ path = '/', errors = [] }) =>
    errors.map(error => problem(path === '/' ? where : `${where} ${path}`, 'INVALID_DEFINITION', error)),
  );
  if (problems.length > 0) return problems;
  const more = typeof details === 'string' ? `: ${details}` : '';
  return [problem(where, 'INVALID_DEFINITION', `${message}${more}`)];
}

/** Server-sent events; what is not JSON is left out. */
async function* eventsIn(body: AsyncIterable<Uint8Array>): AsyncGenerator<EventView, void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > lineMax) return;
    for (const line of lines) {
      const event = line.startsWith('data:') ? eventIn(line.slice('data:'.length)) : undefined;
      if (event !== undefined) yield event;
    }
  }
}

function eventIn(text: string): EventView | undefined {
  try {
    const event = JSON.parse(text) as EventView | null;
    return typeof event?.eventType === 'string' ? event : undefined;
  } catch {
    return undefined;
  }
}
