// One incarnation of a node: its Env on the world's clock, and the way to pause it or end it at once. In: the world's clock, chance and journal.
// Out: an Env whose timers and links fall silent when the process is gone, as those of a killed process do.
import type { Clock, Timer } from '../env/clock.js';
import type { Env } from '../env/env.js';
import { randomIds } from '../env/ids.js';
import { loggerTo } from '../env/log.js';
import type { LogLevel } from '../env/log.js';
import { silentMetrics } from '../env/metrics.js';
import type { Random } from '../env/random.js';
import type { VirtualClock } from '../env/virtual-clock.js';
import type { AcceptLink, Dialer, LinkHandler } from '../transport/transport.js';
import type { Journal } from './journal.js';

/** Log lines of these levels go into the journal. */
const journalled: ReadonlySet<LogLevel> = new Set(['warn', 'error']);

/** What it takes of a world. */
export interface ProcessWorld {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly journal: Journal;
  /** How fast the clock of a node runs; 1 and absent: as the world's. */
  readonly clockRate?: (node: string) => number;
}

/** A running process. Nothing of it runs after `kill`; nothing runs between `pause` and `resume`. */
export class NodeProcess {
  readonly name: string;
  /** The surroundings of the component that runs here. */
  readonly env: Env;
  /** Added to the wall clock: what a wrong or adjusted system time does. */
  wallSkewMs = 0;
  /** When it was paused last. */
  pausedAtMs = Number.NEGATIVE_INFINITY;
  readonly #clock: VirtualClock;
  /** Of its machine's clock: so many of its milliseconds pass in one of the world's. */
  readonly #rate: number;
  readonly #waiting: (() => void)[] = [];
  #state: 'running' | 'paused' | 'dead' = 'running';

  constructor(name: string, incarnation: number, world: ProcessWorld) {
    this.name = name;
    this.#clock = world.clock;
    this.#rate = world.clockRate?.(name) ?? 1;
    const random = world.random.fork(`${name}#${incarnation}`);
    this.env = {
      clock: this.#clockOn(world.clock),
      random,
      ids: randomIds(random.fork('ids')),
      log: loggerTo((level, message, fields) => {
        if (journalled.has(level))
          world.journal.write(world.clock.now(), name, `${level}: ${message} ${shownFields(fields)}`);
      }),
      metrics: silentMetrics,
    };
  }

  get alive(): boolean {
    return this.#state !== 'dead';
  }

  get paused(): boolean {
    return this.#state === 'paused';
  }

  /** Stops dead, as by SIGKILL: no timer fires, no message is heard. */
  kill(): void {
    this.#state = 'dead';
    this.#waiting.length = 0;
  }

  /** As by SIGSTOP: what comes waits. */
  pause(): void {
    if (this.#state !== 'running') return;
    this.#state = 'paused';
    this.pausedAtMs = this.#clock.now();
  }

  /** As by SIGCONT: what waited runs, in order. */
  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    while (this.#state === 'running') {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      next();
    }
  }

  /** `dialer` for this process: links opened through it die with it. */
  dialer(dialer: Dialer): Dialer {
    return { dial: (url, handler) => dialer.dial(url, this.#guard(handler)) };
  }

  /** `accept` for this process. */
  acceptor(accept: AcceptLink): AcceptLink {
    return (link, path) => {
      const handler = accept(link, path);
      return handler === undefined ? undefined : this.#guard(handler);
    };
  }

  /** Calls `run` now if the process runs, later if it is paused, never if it is dead. For what the host tells it. */
  deliver(run: () => void): void {
    if (this.#state === 'running') run();
    else if (this.#state === 'paused') this.#waiting.push(run);
  }

  #guard(handler: LinkHandler): LinkHandler {
    return {
      onOpen: () => this.deliver(() => handler.onOpen?.()),
      onMessage: message => this.deliver(() => handler.onMessage(message)),
      onEnd: end => this.deliver(() => handler.onEnd(end)),
    };
  }

  #clockOn(clock: VirtualClock): Clock {
    const rate = this.#rate;
    const now = (): number => (rate === 1 ? clock.now() : Math.floor(clock.now() * rate));
    const after = (delayMs: number, run: () => void): Timer => {
      let cancelled = false;
      // Never early by its own clock, and in the order of that.
      const timer = clock.after(rate === 1 ? delayMs : Math.ceil((now() + delayMs) / rate) - clock.now(), () =>
        this.deliver(() => {
          if (!cancelled) run();
        }),
      );
      return {
        cancel: () => {
          cancelled = true;
          timer.cancel();
        },
      };
    };
    return {
      now,
      wallMs: () => clock.wallMs() - clock.now() + now() + this.wallSkewMs,
      after,
      soon: run => {
        after(0, run);
      },
    };
  }
}

function shownFields(fields: object): string {
  const text = JSON.stringify(fields);
  return text === '{}' ? '' : text;
}
