// Addresses of agents that are known by name. In: names. Out: the addresses known now; who asked is told when they change.
import { lookup as lookupName } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock, Logger, Timer } from 'proffer';

/** Finds all addresses of a name; rejects when there are none. */
export type Lookup = (host: string) => Promise<readonly string[]>;

interface Entry {
  addresses: readonly string[];
  /** When it is looked up again. */
  dueMs: number;
  /** Whether that is happening. */
  asked: boolean;
  /** Whether it ever was, with whatever result. */
  looked: boolean;
  wanted: boolean;
}

/** Names in use are looked up again after this. */
const refreshMs = 60_000;
/** Names that were not found are. */
const retryMs = 5000;
/** Lookups of the system keep threads busy that files need, too. */
const lookupsMax = 2;
/** Nobody waits longer for names to be found at a start. */
const settledMs = 5000;

/** Addresses by name. */
export class AddressBook {
  readonly #entries = new Map<string, Entry>();
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #lookup: Lookup;
  readonly #onChange: () => void;
  #running = 0;
  #version = 0;
  #timer: Timer | undefined;
  #stopped = false;
  #waiting: (() => void) | undefined;

  constructor(
    { clock, log }: { readonly clock: Clock; readonly log: Logger },
    onChange: () => void,
    lookup: Lookup = systemLookup,
  ) {
    this.#clock = clock;
    this.#log = log;
    this.#lookup = lookup;
    this.#onChange = onChange;
  }

  /** Says which names are in use: new ones are looked up, others forgotten. */
  use(hosts: Iterable<string>): void {
    for (const entry of this.#entries.values()) entry.wanted = false;
    for (const host of hosts) {
      if (isIP(host) !== 0) continue;
      const entry = this.#entries.get(host);
      if (entry === undefined)
        this.#entries.set(host, { addresses: [], dueMs: this.#clock.now(), asked: false, looked: false, wanted: true });
      else entry.wanted = true;
    }
    for (const [host, { wanted }] of this.#entries) if (!wanted) this.#entries.delete(host);
    this.#work();
  }

  /** Counts the times that {@link of} came to say something else. */
  get version(): number {
    return this.#version;
  }

  /** The addresses of a host in a fixed order; none as long as they are not known. */
  readonly of = (host: string): readonly string[] =>
    isIP(host) === 0 ? (this.#entries.get(host)?.addresses ?? []) : [host];

  /** Resolves when every name in use has been looked for once, or that takes too long. */
  async settled(): Promise<void> {
    const open = (): boolean => [...this.#entries.values()].some(({ looked }) => !looked);
    if (!open()) return;
    await new Promise<void>(resolve => {
      const timer = this.#clock.after(settledMs, resolve);
      this.#waiting = () => {
        if (open()) return;
        timer.cancel();
        resolve();
      };
    });
    this.#waiting = undefined;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #work(): void {
    if (this.#stopped) return;
    const now = this.#clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const [host, entry] of this.#entries) {
      if (entry.asked) continue;
      if (entry.dueMs > now) next = Math.min(next, entry.dueMs);
      else if (this.#running < lookupsMax) void this.#ask(host, entry);
    }
    this.#timer?.cancel();
    // With all lookups taken the next one starts when one ends.
    this.#timer = next === Number.POSITIVE_INFINITY ? undefined : this.#clock.after(next - now, () => this.#work());
  }

  async #ask(host: string, entry: Entry): Promise<void> {
    entry.asked = true;
    this.#running += 1;
    let waitMs = refreshMs;
    let found: readonly string[] | undefined;
    try {
      found = [...new Set(await this.#lookup(host))].sort();
    } catch (error) {
      waitMs = retryMs;
      // What was true a minute ago is better than nothing.
      this.#log.warn('the name of an agent has no address', { host, why: String(error) });
    }
    this.#running -= 1;
    entry.asked = false;
    entry.looked = true;
    entry.dueMs = this.#clock.now() + waitMs;
    const changed = found !== undefined && found.join() !== entry.addresses.join();
    if (found !== undefined) entry.addresses = found;
    if (changed && !this.#stopped && this.#entries.get(host) === entry) {
      this.#version += 1;
      this.#onChange();
    }
    this.#waiting?.();
    this.#work();
  }
}

async function systemLookup(host: string): Promise<string[]> {
  return (await lookupName(host, { all: true })).map(({ address }) => address);
}
