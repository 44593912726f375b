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
  readonly #visit: (item: T, lateMs: number) => boolean;

  /** `visit` says whether the item is to be visited again; `lateMs`: by how much we missed its time ourselves. */
  constructor(clock: Clock, periodMs: number, visit: (item: T, lateMs: number) => boolean) {
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
      if (this.#visit(round.item, now - round.dueMs))
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

/** How agents are watched, and who is told. */
export interface Watching {
  readonly periodMs: number;
  readonly missesMax: number;
  readonly ping: (id: AgentId) => void;
  /** `missesMax` pings in a row were not answered; said again after each further one. */
  readonly silent: (id: AgentId) => void;
  /** One that was silent answered. */
  readonly back: (id: AgentId) => void;
}

/** Pings agents, and tells of those that leave too many pings in a row unanswered. */
export class AgentLiveness {
  readonly #watched = new Map<AgentId, Watched>();
  readonly #queue: PeriodicQueue<Watched>;
  readonly #watching: Watching;
  #quiet = 0;

  constructor(clock: Clock, watching: Watching) {
    this.#watching = watching;
    const { periodMs, missesMax } = watching;
    // A visit that comes late may come before answers that arrived in time were read: a master that was blocked blames nobody for it.
    const lateMaxMs = Math.max(pauseMinMs, periodMs / 10);
    this.#queue = new PeriodicQueue(clock, periodMs, (entry, lateMs) => {
      if (this.#watched.get(entry.id) !== entry) return false;
      if (!entry.answered && lateMs <= lateMaxMs) this.#missed(entry);
      if (entry.misses >= missesMax) watching.silent(entry.id);
      if (this.#watched.get(entry.id) !== entry) return false;
      entry.answered = false;
      watching.ping(entry.id);
      return true;
    });
  }

  get watched(): number {
    return this.#watched.size;
  }

  /** Those whose last ping was not answered in its time. */
  get quiet(): number {
    return this.#quiet;
  }

  /** Pings at once and from then on; what was missed before is forgotten. */
  watch(id: AgentId): void {
    this.unwatch(id);
    const entry: Watched = { id, answered: false, misses: 0 };
    this.#watched.set(id, entry);
    this.#watching.ping(id);
    this.#queue.add(entry);
  }

  unwatch(id: AgentId): void {
    const entry = this.#watched.get(id);
    if (entry === undefined) return;
    if (entry.misses > 0) this.#quiet -= 1;
    this.#watched.delete(id);
  }

  /** The agent answered. */
  pong(id: AgentId): void {
    const entry = this.#watched.get(id);
    if (entry === undefined) return;
    entry.answered = true;
    if (entry.misses === 0) return;
    const wasSilent = entry.misses >= this.#watching.missesMax;
    entry.misses = 0;
    this.#quiet -= 1;
    if (wasSilent) this.#watching.back(id);
  }

  close(): void {
    this.#watched.clear();
    this.#quiet = 0;
    this.#queue.close();
  }

  #missed(entry: Watched): void {
    if (entry.misses === 0) this.#quiet += 1;
    entry.misses += 1;
  }
}

const pauseMinMs = 100;
