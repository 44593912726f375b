// What tasks print, as they print it: follows stdout and stderr of each at its agent, and goes on where it was when the agent comes back. In: tasks and
// where they run. Out: bytes per stream, no faster than they are taken; and what could not be read.
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import type { Backoff } from '../base/backoff.js';
import { backoffMs } from '../base/backoff.js';
import { messageOf } from '../base/errors.js';
import { formatDurationMs } from '../base/units.js';
import type { Clock } from '../env/clock.js';

/** Where an agent is. */
export interface AgentPlace {
  readonly hostname: string;
  readonly port: number;
}

/** Where a task runs. */
export interface OutputPlace extends AgentPlace {
  readonly frameworkId: string;
  readonly taskId: string;
}

export type OutputName = 'stdout' | 'stderr';

/** How many files are read at once; further tasks wait their turn, nothing is lost. */
const openMax = 256;

/** Between looks for an agent that is away. The longest is well below the time for which `settled` waits. */
const lookBackoff: Backoff = { baseMs: 250, capMs: 2000, factor: 2 };

/** Takes what a task printed; the next chunk of that file comes when the promise has resolved. */
export type OnChunk = (place: OutputPlace, name: OutputName, chunk: Buffer) => Promise<void> | void;

/** Told once for each task whose output, or the rest of it, could not be read. */
export type OnLost = (place: OutputPlace, why: string) => void;

/** What to do about an agent that has answered and is gone. */
export interface Away {
  readonly clock: Clock;
  /** Where the task's agent is now; undefined when nobody knows. */
  locate(task: OutputPlace): Promise<AgentPlace | undefined>;
  /** Told once each time an agent goes away. */
  onAway(agent: AgentPlace, why: string): void;
}

interface Followed {
  readonly task: OutputPlace;
  readonly name: OutputName;
  agent: AgentPlace;
  offset: number;
  /** Its agent has shown some of it. */
  found: boolean;
  /** Why nothing is read; undefined while something is. */
  silent: string | undefined;
}

/** Follows the output of many tasks. */
export class TaskOutputs {
  readonly #onChunk: OnChunk;
  readonly #onLost: OnLost;
  readonly #away: Away | undefined;
  readonly #followed = new Set<Followed>();
  readonly #lost = new Set<OutputPlace>();
  readonly #waiting: (() => void)[] = [];
  readonly #pending = new Set<Promise<void>>();
  /** Looks for agents that are away, and how many were in vain; by their last address. */
  readonly #looks = new Map<string, Promise<AgentPlace>>();
  readonly #vain = new Map<string, number>();
  /** Ends the pauses between looks. */
  readonly #wake = new Set<() => void>();
  #open = 0;
  /** Nobody waits any more. */
  #over = false;
  #chunks = 0;
  #held = 0;

  /** Without `away`, what an agent that goes away has not shown is lost. */
  constructor(onChunk: OnChunk, onLost: OnLost, away?: Away) {
    this.#onChunk = onChunk;
    this.#onLost = onLost;
    this.#away = away;
  }

  /** Starts to follow a task that has started; each output ends with the task. */
  follow(task: OutputPlace): void {
    for (const name of ['stdout', 'stderr'] as const) {
      const file: Followed = { task, name, agent: task, offset: 0, found: false, silent: '' };
      this.#followed.add(file);
      const pending = this.#follow(file).finally(() => this.#followed.delete(file));
      this.#pending.add(pending);
      void pending.then(() => this.#pending.delete(pending));
    }
  }

  /** Resolves when all that was followed has ended, or nothing more came for `quietMs` though all that came was taken. */
  async settled(clock: Clock, quietMs: number): Promise<void> {
    while (this.#pending.size > 0) {
      const before = this.#chunks;
      const isQuiet = await new Promise<boolean>(resolve => {
        const timer = clock.after(quietMs, () => resolve(this.#chunks === before && this.#held === 0));
        void Promise.all(this.#pending).then(() => {
          timer.cancel();
          resolve(false);
        });
      });
      if (!isQuiet) continue;
      for (const { task, silent } of this.#followed)
        if (silent !== undefined)
          this.#lose(task, silent === '' ? `no answer within ${formatDurationMs(quietMs)}` : silent);
      this.close();
      return;
    }
  }

  /** Waits for nothing more, and says nothing more. */
  close(): void {
    this.#over = true;
    for (const wake of this.#wake) wake();
  }

  async #follow(file: Followed): Promise<void> {
    for (;;) {
      const why = await this.#attempt(file);
      if (why === undefined) return;
      if (this.#away === undefined || !file.found) return this.#lose(file.task, why);
      file.silent = why;
      file.agent = await this.#look(this.#away, file, why);
      if (this.#over) return;
    }
  }

  /** Undefined when all was read. */
  async #attempt(file: Followed): Promise<string | undefined> {
    while (this.#open >= openMax) {
      await new Promise<void>(resolve => {
        this.#waiting.push(resolve);
      });
    }
    this.#open += 1;
    try {
      await this.#read(file);
      return undefined;
    } catch (error) {
      return messageOf(error);
    } finally {
      this.#open -= 1;
      this.#waiting.shift()?.();
    }
  }

  // One look serves all files of an agent.
  #look(away: Away, { agent, task }: Followed, why: string): Promise<AgentPlace> {
    const at = addressOf(agent);
    const known = this.#looks.get(at);
    if (known !== undefined) return known;
    const vain = this.#vain.get(at) ?? 0;
    if (vain === 0 && !this.#over) away.onAway(agent, why);
    this.#vain.set(at, vain + 1);
    const look = this.#pause(away.clock, backoffMs(lookBackoff, vain))
      .then(() => (this.#over ? undefined : away.locate(task)))
      .catch(() => undefined)
      .then(found => {
        this.#looks.delete(at);
        if (found !== undefined && addressOf(found) !== at) this.#vain.delete(at);
        return found ?? agent;
      });
    this.#looks.set(at, look);
    return look;
  }

  #pause(clock: Clock, ms: number): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        this.#wake.delete(done);
        timer.cancel();
        resolve();
      };
      const timer = clock.after(ms, done);
      this.#wake.add(done);
    });
  }

  #lose(task: OutputPlace, why: string): void {
    if (this.#over || this.#lost.has(task)) return;
    this.#lost.add(task);
    this.#onLost(task, why);
  }

  #read(file: Followed): Promise<void> {
    const { agent, task, name, offset } = file;
    const query = new URLSearchParams({ follow: 'true', framework: task.frameworkId });
    if (offset > 0) query.set('offset', String(offset));
    const path = `/tasks/${encodeURIComponent(task.taskId)}/files/${name}?${query.toString()}`;
    return new Promise((resolve, reject) => {
      const sent = request({ host: agent.hostname, port: agent.port, path, agent: false }, response => {
        file.silent = undefined;
        const taken = response.statusCode === 200 ? this.#take(response, file) : refused(response);
        taken.then(resolve, reject);
      });
      sent.on('error', reject);
      sent.end();
    });
  }

  async #take(chunks: AsyncIterable<Buffer>, file: Followed): Promise<void> {
    file.found = true;
    this.#vain.delete(addressOf(file.agent));
    for await (const chunk of chunks) {
      this.#chunks += 1;
      this.#held += 1;
      file.offset += chunk.length;
      try {
        await this.#onChunk(file.task, file.name, chunk);
      } finally {
        this.#held -= 1;
      }
    }
  }
}

function addressOf({ hostname, port }: AgentPlace): string {
  return `${hostname}:${port}`;
}

// A file that is not there has nothing in it: the task ended before it could print. All else is a loss, in the agent's words.
async function refused(response: IncomingMessage): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const { code, message } = problemOf(Buffer.concat(chunks).toString());
  if (code !== 'NOT_FOUND') throw new Error(message ?? `HTTP status ${String(response.statusCode)}`);
}

function problemOf(body: string): { readonly code?: unknown; readonly message?: string } {
  try {
    const { code, message } = JSON.parse(body) as { code?: unknown; message?: unknown };
    return typeof message === 'string' ? { code, message } : { code };
  } catch {
    return {};
  }
}
