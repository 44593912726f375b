// HAProxy for what Marathon runs. In: Marathon's view and its changes. Out: requests get to instances that are healthy, and to none that is about to be killed.
import type { Timer } from 'proffer';
import { Subject } from 'rxjs';
import type { Observable } from 'rxjs';
import { AddressBook } from '../discovery/addresses.js';
import { hostsOf } from '../discovery/ports.js';
import type { DiscoveryView } from '../discovery/view.js';
import type { InstanceId } from '../machine/ids.js';
import type { Instance } from '../machine/instance.js';
import type { Router } from '../service/options.js';
import { configOf } from './config.js';
import type { Config, ConfigOptions, KnownBackends } from './config.js';
import { Fleet } from './fleet.js';
import type { Applied } from './fleet.js';
import { settled } from './options.js';
import type { HaproxyOptions, SettledHaproxy } from './options.js';
import { pause, portProblem, prepare } from './process.js';
import { Services } from './services.js';
import type { Refused, Routing } from './services.js';

export interface RunningHaproxy extends Router {
  /** Service ports that are not routed, and why. */
  readonly refused: readonly Refused[];
  /** Why HAProxy goes on with an earlier configuration; undefined while it does not. */
  readonly problem: string | undefined;
  /** Each change that HAProxy has taken or refused. */
  readonly applied$: Observable<Applied>;
  /** Ends HAProxy. With `leave` it goes on as it is, and the next one to be run in its directory takes it over. */
  stop(options?: { readonly leave?: boolean }): Promise<void>;
}

/** HAProxy is looked after this often. */
const watchMs = 2000;
/** Ports that another program had are tried again after this. */
const retryMs = 10_000;
/** An instance that was to be killed, and was not, gets requests again after this. */
const backMs = 60_000;
const pollMs = 50;

/**
 * Runs HAProxy in `dir` with all service ports of all apps, from when it resolves.
 *
 * @throws {ProfferError} `USAGE` for options that cannot be, or when there is no HAProxy; `CONFIG` when it refuses the first configuration
 */
export async function runHaproxy(view: DiscoveryView, options: HaproxyOptions): Promise<RunningHaproxy> {
  const all = settled(options);
  await prepare(all.dir);
  const router = new HaproxyRouter(view, all);
  await router.start();
  return router;
}

class HaproxyRouter implements RunningHaproxy {
  readonly #view: DiscoveryView;
  readonly #options: SettledHaproxy;
  readonly #book: AddressBook;
  readonly #fleet: Fleet;
  readonly #applied = new Subject<Applied>();
  readonly #config: ConfigOptions;
  readonly #services = new Services();
  readonly #backends: KnownBackends = new WeakMap();
  /** Instances that get nothing new, until when if they stay. */
  readonly #draining = new Map<InstanceId, number>();
  /** Ports that others have. */
  readonly #taken = new Map<number, string>();
  readonly #timers = new Set<Timer>();
  #refused: readonly Refused[] = [];
  #changes: { unsubscribe(): void } | undefined;
  #pass: Timer | undefined;
  #earliestMs = 0;
  #last: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(view: DiscoveryView, options: SettledHaproxy) {
    const { clock, log, lookup, dir, bind, hardStopMs, httpPort, https } = options;
    this.#view = view;
    this.#options = options;
    this.#book = new AddressBook({ clock, log }, () => this.#poke(), lookup);
    this.#fleet = new Fleet(
      options,
      applied => this.#applied.next(applied),
      delayMs => this.#pokeIn(delayMs),
    );
    this.#config = {
      bind,
      hardStopMs,
      statsSocket: `${dir}/haproxy.sock`,
      ...(httpPort === undefined ? {} : { httpPort }),
      ...(https === undefined ? {} : { https }),
    };
    for (const port of [httpPort, https?.port]) {
      if (port !== undefined) this.#taken.set(port, 'is the one for host names');
    }
  }

  get refused(): readonly Refused[] {
    return this.#refused;
  }

  get problem(): string | undefined {
    return this.#fleet.problem;
  }

  get applied$(): Observable<Applied> {
    return this.#applied;
  }

  async start(): Promise<void> {
    try {
      this.#book.use(hostsOf(this.#view));
      // One that is taken over must not lose servers just because their addresses are not known yet.
      await this.#book.settled();
      await this.#apply();
    } catch (error) {
      await this.stop({ leave: true });
      throw error;
    }
    this.#changes = this.#view.changes$.subscribe(() => this.#poke());
    // What changed while it started.
    this.#poke();
    this.#watch();
  }

  async drain(instances: readonly Instance[]): Promise<void> {
    const { clock, drainMs } = this.#options;
    let timer: Timer | undefined;
    const late = new Promise<void>(resolve => {
      timer = clock.after(drainMs + pollMs, resolve);
    });
    // Whatever HAProxy is at.
    await Promise.race([late, this.#drained(instances)]);
    timer?.cancel();
  }

  async #drained(instances: readonly Instance[]): Promise<void> {
    const { clock, log, drainMs } = this.#options;
    const ids = new Set(instances.map(({ id }) => id));
    const deadline = clock.now() + drainMs;
    for (const id of ids) this.#draining.set(id, deadline + backMs);
    this.#pokeIn(drainMs + backMs + 1);
    try {
      await this.#apply();
      for (;;) {
        const left = await this.#fleet.requestsOf(ids);
        if (left === 0 || this.#stopped) return;
        if (clock.now() > deadline) {
          log.warn('instances are killed with requests in hand', { instances: [...ids], requests: left });
          return;
        }
        await pause(clock, pollMs);
      }
    } catch (error) {
      log.warn('instances are killed, and requests may be in hand', { why: String(error) });
    }
  }

  async stop({ leave = false }: { readonly leave?: boolean } = {}): Promise<void> {
    this.#stopped = true;
    this.#changes?.unsubscribe();
    this.#book.stop();
    this.#pass?.cancel();
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    // What is under way is not cut off in the middle.
    await this.#last;
    if (!leave) await this.#fleet.stop();
    this.#applied.complete();
  }

  #poke(): void {
    if (this.#pass !== undefined || this.#stopped) return;
    const { clock, log, intervalMs } = this.#options;
    this.#pass = clock.after(Math.max(0, this.#earliestMs - clock.now()), () => {
      this.#apply()
        .catch((error: unknown) => {
          log.error('HAProxy does not follow', { why: String(error) });
          this.#pokeIn(watchMs);
        })
        .finally(() => {
          this.#earliestMs = clock.now() + intervalMs;
        });
      // From here on a change is one for the next pass.
      this.#pass = undefined;
      this.#earliestMs = clock.now() + intervalMs;
    });
  }

  #pokeIn(delayMs: number): void {
    if (this.#stopped) return;
    const timer = this.#options.clock.after(delayMs, () => {
      this.#timers.delete(timer);
      this.#poke();
    });
    this.#timers.add(timer);
  }

  #watch(): void {
    const { clock } = this.#options;
    const timer = clock.after(watchMs, () => {
      this.#timers.delete(timer);
      void this.#look();
    });
    this.#timers.add(timer);
  }

  async #look(): Promise<void> {
    // One that does not answer is as good as none, and whoever pokes finds out which.
    const running = await this.#fleet.isRunning().catch(() => false);
    if (this.#stopped) return;
    if (!running) this.#poke();
    this.#watch();
  }

  /** Brings HAProxy to what is wanted now; one pass after the other. */
  #apply(): Promise<void> {
    const pass = this.#last.then(async () => {
      if (this.#stopped) return;
      this.#book.use(hostsOf(this.#view));
      this.#forget();
      await this.#fleet.bring(await this.#wanted());
    });
    this.#last = pass.catch(() => {});
    return pass;
  }

  async #wanted(): Promise<Config> {
    const { groups, bind, log } = this.#options;
    const routing = (): Routing =>
      this.#services.bring(
        this.#view,
        { groups, taken: this.#taken, addressesOf: this.#book.of, leaving: this.#draining },
        this.#book.version,
      );
    let now = routing();
    const own = await this.#fleet.ports();
    let tried = 0;
    for (const { port } of now.services) {
      if (own.has(port)) continue;
      const problem = await portProblem(bind, port);
      if (problem === undefined) continue;
      tried += 1;
      this.#taken.set(port, problem);
      const timer = this.#options.clock.after(retryMs, () => {
        this.#timers.delete(timer);
        this.#taken.delete(port);
        this.#poke();
      });
      this.#timers.add(timer);
    }
    if (tried > 0) now = routing();
    const known = new Set(this.#refused.map(each => JSON.stringify(each)));
    for (const each of now.refused)
      if (!known.has(JSON.stringify(each))) log.warn('a service port is not routed', { ...each });
    this.#refused = now.refused;
    return configOf(now.services, this.#config, this.#backends);
  }

  #forget(): void {
    const now = this.#options.clock.now();
    for (const [id, untilMs] of this.#draining) if (untilMs < now) this.#draining.delete(id);
  }
}
