// Where the HTTP of agents is. In: the leading master's list of agents, asked for when one is not known, or what is known is old. Out: addresses. Ring 2.
import type { AgentId, Clock } from 'proffer';
import * as v from 'valibot';
import type { MarathonView } from '../service/marathon.js';

/** A master is asked at most so often, in milliseconds: an agent it does not know it may not know for long. */
const askMs = 10_000;
/** What was told longer ago may be wrong: an agent that is started again may listen elsewhere. */
const freshMs = 30_000;
const timeoutMs = 5000;

const agents = v.array(v.looseObject({ id: v.string(), hostname: v.string(), port: v.number() }));

/** Finds agents by their ids. */
export class AgentUrls {
  readonly #view: Pick<MarathonView, 'master'>;
  readonly #clock: Clock;
  #known: ReadonlyMap<AgentId, string> = new Map();
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(view: Pick<MarathonView, 'master'>, clock: Clock) {
    this.#view = view;
    this.#clock = clock;
  }

  /**
   * `http://host:port` of an agent; undefined when the master does not know it, or is not there.
   * @throws (rejects) Error when the master does not answer as a master does.
   */
  async of(id: AgentId): Promise<string | undefined> {
    if (!this.#known.has(id) || this.#clock.now() - this.#askedAt >= freshMs) await this.#ask();
    return this.#known.get(id);
  }

  #ask(): Promise<void> {
    const { master } = this.#view;
    if (this.#asking !== undefined) return this.#asking;
    if (master === undefined || this.#clock.now() - this.#askedAt < askMs) return Promise.resolve();
    this.#askedAt = this.#clock.now();
    this.#asking = this.#load(master).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #load(master: string): Promise<void> {
    const response = await fetch(`http://${master}/agents`, {
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'error',
    });
    if (!response.ok) throw new Error(`the master answers ${response.status} ${response.statusText}`);
    const list = v.parse(agents, await response.json());
    this.#known = new Map(
      list.map(({ id, hostname, port }) => [
        id,
        `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`,
      ]),
    );
  }
}
