// The master and agents over HTTP, as the commands ask them. In: where and what. Out: bodies, or one clear error.
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import type { ErrorCode } from '../base/errors.js';
import { errorCodes, messageOf, ProfferError, shown } from '../base/errors.js';
import type { TaskView } from '../protocol/operator-api.js';

/** An answer whose body is still to be read. */
export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: AsyncIterable<Uint8Array>;
}

/** How long an answer may take to begin. */
const answerTimeoutMs = 30_000;

/** One server, by its address. */
export class Client {
  readonly base: string;
  readonly #what: string;
  readonly #hint: string | undefined;

  /** `what` says who is asked, for errors. */
  constructor(base: string, what: string, hint?: string) {
    this.base = base;
    this.#what = what;
    this.#hint = hint;
  }

  /** A JSON answer and its text. @throws (rejects) ProfferError as the server said it, or UNREACHABLE. */
  async get<T>(path: string): Promise<{ readonly text: string; readonly value: T }> {
    const text = await textOf(await this.open('GET', path));
    return { text, value: JSON.parse(text) as T };
  }

  /** The text of the answer. @throws (rejects) as `get` does. */
  async post(path: string, body: object): Promise<string> {
    return textOf(await this.open('POST', path, JSON.stringify(body)));
  }

  /** An answer with a status below 400. */
  async open(method: 'GET' | 'POST', path: string, body?: string): Promise<HttpReply> {
    const reply = await this.send(method, path, body);
    if (reply.status < 400) return reply;
    throw serverError(await textOf(reply), reply.status, this.#what);
  }

  /** An answer of any status; `signal` ends it, also while its body is read. @throws (rejects) ProfferError UNREACHABLE. */
  send(method: string, path: string, body?: string, signal?: AbortSignal): Promise<HttpReply> {
    return new Promise((resolve, reject) => {
      const headers =
        body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const sent = request(
        `${this.base}${path}`,
        { method, headers, agent: false, timeout: answerTimeoutMs, signal },
        response => {
          sent.setTimeout(0);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response });
        },
      );
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${answerTimeoutMs / 1000} s`)));
      sent.on('error', error => {
        const hint = this.#hint;
        reject(
          new ProfferError(
            'UNREACHABLE',
            `${this.#what} at ${this.base} does not answer: ${messageOf(error)}`,
            hint === undefined ? { cause: error } : { hint, cause: error },
          ),
        );
      });
      sent.end(body);
    });
  }
}

/** The master at `url`, `http://host:port`. */
export function masterClient(url: string): Client {
  return new Client(url, 'the master', 'start a cluster with proffer up, or say where it is with --master');
}

/** The agent that runs, or ran, `task`. */
export function agentClient(task: TaskView): Client {
  if (task.hostname === '')
    throw new ProfferError('UNKNOWN_AGENT', `agent ${task.agentId} is gone, and what ${task.id} printed with it`);
  if (task.agentPort === 0)
    throw new ProfferError('UNREACHABLE', `agent ${task.agentId} has no HTTP server; its files cannot be read`);
  const host = task.hostname.includes(':') ? `[${task.hostname}]` : task.hostname;
  return new Client(
    `http://${host}:${task.agentPort}`,
    `agent ${task.agentId}`,
    'it may have ended; its files are on its machine only',
  );
}

/** The task whose id is, or starts with, `start`. @throws (rejects) ProfferError UNKNOWN_TASK, AMBIGUOUS_TASK listing them. */
export async function findTask(
  master: Client,
  start: string,
  framework: string | undefined,
): Promise<{ readonly text: string; readonly task: TaskView }> {
  const query = new URLSearchParams(framework === undefined ? {} : { framework });
  const only = query.size === 0 ? '' : `?${query.toString()}`;
  const pathOf = (id: string): string => `/tasks/${encodeURIComponent(id)}${only}`;
  try {
    const { text, value } = await master.get<TaskView>(pathOf(start));
    return { text, task: value };
  } catch (error) {
    if (!(error instanceof ProfferError) || error.code !== 'UNKNOWN_TASK') throw error;
  }
  query.set('prefix', start);
  const { value: found } = await master.get<TaskView[]>(`/tasks?${query.toString()}`);
  const [task, second] = found;
  if (task === undefined) {
    throw new ProfferError('UNKNOWN_TASK', `no task has the id ${shown(start)}, nor one that starts so`, {
      hint: 'proffer tasks --all lists them',
    });
  }
  if (second !== undefined) {
    const listed = found.slice(0, 10).map(one => `  ${one.id}  (${one.frameworkName}, ${one.state})`);
    if (found.length > 10) listed.push(`  and ${found.length - 10} more`);
    throw new ProfferError(
      'AMBIGUOUS_TASK',
      `${found.length} tasks start with ${shown(start)}:\n${listed.join('\n')}`,
      { hint: 'write more of the id, or --framework ID' },
    );
  }
  const { text } = await master.get<TaskView>(pathOf(task.id));
  return { text, task };
}

export async function textOf(reply: HttpReply): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of reply.body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function serverError(text: string, status: number, what: string): ProfferError {
  try {
    const body = JSON.parse(text) as { code: ErrorCode; message: string; path?: string; hint?: string };
    if (Object.hasOwn(errorCodes, body.code)) {
      return new ProfferError(body.code, body.message, {
        path: body.path ?? '',
        ...(body.hint === undefined ? {} : { hint: body.hint }),
      });
    }
  } catch {
    // Not one of ours: told below.
  }
  return new ProfferError('UNREACHABLE', `${what} answered ${status}, but is no Proffer: ${shown(text)}`, {
    hint: 'is the address right?',
  });
}
