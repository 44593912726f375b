// Who is still there: pings to agents and heartbeats to frameworks, each kind on one timer however many they are.
import type { AgentId } from '../base/ids.js';
import type { Clock, Timer } from '../env/clock.js';

interface Round<T> {
  readonly item: T;
  readonly dueMs: number;
}

/** Visits each item every `periodMs`. As the period is the same for all, the queue is in order of time without sorting. */
export class PeriodicQueue<T> {
  #queue: (Round<T> | undefined)[] = [];
  #head = 0;
  #timer: Timer | undefined;
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #visit: (item: T) => boolean;

  /** `visit` says whether the item is to be visited again. */
  constructor(clock: Clock, periodMs: number, visit: (item: T) => boolean) {
    this.#clock = clock;
    this.#periodMs = periodMs;
    this.#visit = visit;
  }

  /** The first visit is one period from now. */
  add(item: T): void {
    this.#queue.push({ item, dueMs: this.#clock.now() + this.#periodMs });
    this.#arm();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#queue = [];
    this.#head = 0;
  }

  #arm(): void {
    const next = this.#queue[this.#head];
    if (this.#timer !== undefined || next === undefined) return;
    this.#timer = this.#clock.after(next.dueMs - this.#clock.now(), () => this.#run());
  }

  #run(): void {
    this.#timer = undefined;
    // A real timer may fire a fraction of a millisecond early.
    const now = this.#clock.now() + 1;
    for (
      let round = this.#queue[this.#head];
      round !== undefined && round.dueMs <= now;
      round = this.#queue[this.#head]
    ) {
      this.#queue[this.#head] = undefined;
      this.#head += 1;
      if (this.#visit(round.item))
        this.#queue.push({ item: round.item, dueMs: Math.max(this.#clock.now(), round.dueMs) + this.#periodMs });
    }
    if (this.#head > 1_024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    this.#arm();
  }
}

interface Watched {
  readonly id: AgentId;
  answered: boolean;
  misses: number;
}

/** Pings agents and tells of those that left `missesMax` pings in a row unanswered. */
export class AgentLiveness {
  readonly #watched = new Map<AgentId, Watched>();
  readonly #queue: PeriodicQueue<Watched>;
  readonly #ping: (id: AgentId) => void;

  constructor(
    clock: Clock,
    options: { readonly periodMs: number; readonly missesMax: number },
    ping: (id: AgentId) => void,
    silent: (id: AgentId) => void,
  ) {
    this.#ping = ping;
    this.#queue = new PeriodicQueue(clock, options.periodMs, entry => {
      if (this.#watched.get(entry.id) !== entry) return false;
      entry.misses = entry.answered ? 0 : entry.misses + 1;
      if (entry.misses >= options.missesMax) {
        this.#watched.delete(entry.id);
        silent(entry.id);
        return false;
      }
      entry.answered = false;
      ping(entry.id);
      return true;
    });
  }

  /** Pings at once and from then on; what was missed before is forgotten. */
  watch(id: AgentId): void {
    const entry: Watched = { id, answered: false, misses: 0 };
    this.#watched.set(id, entry);
    this.#ping(id);
    this.#queue.add(entry);
  }

  unwatch(id: AgentId): void {
    this.#watched.delete(id);
  }

  /** The agent answered. */
  pong(id: AgentId): void {
    const entry = this.#watched.get(id);
    if (entry !== undefined) entry.answered = true;
  }

  close(): void {
    this.#watched.clear();
    this.#queue.close();
  }
}
