// HAProxy and its workers, brought from one configuration to the next. In: the configuration that is wanted. Out: servers that come and go while it runs, a
// reload where more has changed, a start where nothing runs; what is refused leaves the last one in force.
import { ProfferError } from 'proffer';
import type { InstanceId } from '../machine/ids.js';
import { shapeOf, textOf } from './config.js';
import type { Backend, Config } from './config.js';
import type { Processes } from './control.js';
import { differenceOf } from './difference.js';
import type { Difference, ServerChange } from './difference.js';
import type { SettledHaproxy } from './options.js';
import { HaproxyProcess } from './process.js';
import { namedFor } from './services.js';
import { add, busy, busyIn, drain, keyOf, remove } from './workers.js';
import type { Leaving } from './workers.js';

/** What became of a change. */
export type Applied =
  | { readonly type: 'STARTED' | 'RELOADED' }
  /** Without a reload. */
  | { readonly type: 'SERVERS'; readonly added: number; readonly removed: number }
  /** The last configuration stays. */
  | { readonly type: 'KEPT'; readonly why: string };

/** Servers that are done are taken away by then. */
const sweepMs = 1000;
/** The file is written at most so often. */
const keepMs = 1000;
const drainAgainMs = 100;
/** A configuration that was refused is tried again after this; a file it needs may be there by then. */
const againMs = 30_000;

export class Fleet {
  readonly #options: SettledHaproxy;
  readonly #tell: (applied: Applied) => void;
  readonly #again: (delayMs: number) => void;
  readonly #process: HaproxyProcess;
  readonly #leaving = new Map<string, Leaving>();
  /** What runs; undefined before the first. */
  #now: Config | undefined;
  #ports: Set<number> | undefined;
  /** Workers of the one that was taken over. They finish what they have begun with servers that may be unknown here. */
  #inherited: readonly number[] = [];
  #earliestReloadMs = 0;
  /** Whether the file says less than what runs. */
  #isStale = false;
  #earliestKeepMs = 0;
  #refused: { readonly shape: string; readonly untilMs: number } | undefined;
  #problem: string | undefined;

  /** `again` asks to be brought on in a while. */
  constructor(options: SettledHaproxy, tell: (applied: Applied) => void, again: (delayMs: number) => void) {
    this.#options = options;
    this.#tell = tell;
    this.#again = again;
    this.#process = new HaproxyProcess(options.clock, options.dir, options.command, () => again(0));
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  /** Ports that HAProxy has. */
  async ports(): Promise<ReadonlySet<number>> {
    this.#ports ??= (await this.#process.processes()) === undefined ? new Set() : await this.#process.ownPorts();
    return this.#ports;
  }

  async isRunning(): Promise<boolean> {
    return (await this.#process.processes()) !== undefined;
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }

  /** Requests and connections that instances still have which get nothing new. */
  async requestsOf(ids: ReadonlySet<InstanceId>): Promise<number> {
    const theirs = [...this.#leaving.values()].filter(({ server }) => ids.has(server.instanceId));
    if (theirs.length === 0 && this.#inherited.length === 0) return 0;
    const processes = await this.#process.processes();
    if (processes === undefined) return 0;
    this.#inherited = this.#inherited.filter(pid => processes.oldWorkers.includes(pid));
    let sum = await busyIn(this.#process.control, this.#inherited, namedFor(ids));
    for (const count of (await busy(this.#process.control, processes, theirs)).values()) sum += count;
    return sum;
  }

  async bring(wanted: Config): Promise<void> {
    const processes = await this.#process.processes();
    if (processes === undefined) return this.#start(wanted);
    // One that was taken over: what it has is not known in such detail.
    if (this.#now === undefined) return this.#reload(processes, wanted, true);
    const { added, removed, reload } = await this.#change(processes, this.#now, wanted);
    if (reload) await this.#reload(processes, wanted, false);
    else if (added.length + removed.length > 0) {
      this.#problem = undefined;
      this.#tell({ type: 'SERVERS', added: added.length, removed: removed.length });
    }
    await this.#sweep(processes);
    await this.#keep();
  }

  /** The file follows what was done without it, though not at every turn. */
  async #keep(): Promise<void> {
    if (!this.#isStale || this.#now === undefined) return;
    const waitMs = this.#earliestKeepMs - this.#options.clock.now();
    if (waitMs > 0) return this.#again(waitMs);
    this.#isStale = false;
    await this.#process.write(textOf(this.#now));
    this.#earliestKeepMs = this.#options.clock.now() + keepMs;
  }

  /** What can be done to workers that run. New servers come before old ones go. */
  async #change(processes: Processes, from: Config, wanted: Config): Promise<Difference> {
    const difference = differenceOf(from, wanted);
    const { added, removed } = difference;
    const { control } = this.#process;
    if (added.length + removed.length === 0) return difference;
    const taken: ServerChange[] = [];
    if (added.length <= this.#options.addedMax) {
      for (const change of added) if (await add(control, processes, change, this.#stays(change))) taken.push(change);
    }
    for (const change of taken) this.#leaving.delete(keyOf(change));
    const heard = await drain(control, processes, removed);
    const sinceMs = this.#options.clock.now();
    for (const change of removed) this.#leaving.set(keyOf(change), { ...change, key: keyOf(change), sinceMs });
    // What was not heard is said again.
    this.#now = withServers(from, taken, heard ? removed : []);
    if (!heard) this.#again(drainAgainMs);
    this.#isStale = true;
    return { ...difference, reload: difference.reload || taken.length < added.length };
  }

  /** Whether it is one that was to go, and may have stayed. */
  #stays(change: ServerChange): boolean {
    const before = this.#leaving.get(keyOf(change))?.server;
    return before !== undefined && before.address === change.server.address && before.port === change.server.port;
  }

  async #reload(processes: Processes, wanted: Config, first: boolean): Promise<void> {
    const { clock, log, reloadMs } = this.#options;
    const shape = shapeOf(wanted);
    if (this.#refused?.shape === shape && clock.now() < this.#refused.untilMs) return;
    const waitMs = this.#earliestReloadMs - clock.now();
    if (waitMs > 0) return this.#again(waitMs);
    const text = textOf(wanted);
    let why = await this.#process.problemOf(text);
    if (why === undefined) {
      await this.#process.write(text);
      why = await this.#process.reload(processes);
      this.#earliestReloadMs = clock.now() + reloadMs;
      if (why !== undefined && this.#now !== undefined) await this.#process.write(textOf(this.#now));
    }
    if (why === undefined) {
      if (first) this.#inherited = [...processes.workers, ...processes.oldWorkers];
      this.#isNow(wanted);
      log.info('HAProxy has loaded a new configuration', { services: wanted.backends.size });
      return this.#tell({ type: 'RELOADED' });
    }
    if (first) throw new ProfferError('CONFIG', `HAProxy refuses its configuration: ${why}`);
    this.#refused = { shape, untilMs: clock.now() + againMs };
    this.#again(againMs + 1);
    this.#problem = why;
    log.error('HAProxy refuses a new configuration and keeps the last', { why });
    this.#tell({ type: 'KEPT', why });
  }

  async #start(wanted: Config): Promise<void> {
    const again = this.#now !== undefined;
    const why = await this.#process.problemOf(textOf(wanted));
    if (why !== undefined && this.#now === undefined)
      throw new ProfferError('CONFIG', `HAProxy refuses its configuration: ${why}`);
    const config = why === undefined ? wanted : (this.#now ?? wanted);
    if (again) this.#options.log.warn('HAProxy has ended and is started again');
    await this.#process.write(textOf(config));
    await this.#process.start();
    // Nothing is left of what it had.
    this.#leaving.clear();
    this.#isNow(config);
    this.#problem = why;
    this.#tell({ type: 'STARTED' });
  }

  #isNow(config: Config): void {
    this.#isStale = false;
    // What was to go, and is wanted again, stays.
    for (const [key, { backend, server }] of this.#leaving)
      if (config.backends.get(backend.name)?.servers.has(server.name) === true) this.#leaving.delete(key);
    this.#now = config;
    this.#ports = new Set([...config.backends.values()].map(({ port }) => port));
    this.#refused = undefined;
    this.#problem = undefined;
  }

  /** Takes away servers that have nothing left to do, or had time enough for it. */
  async #sweep(processes: Processes): Promise<void> {
    if (this.#leaving.size === 0) return;
    const { clock, drainMs } = this.#options;
    const { control } = this.#process;
    const counts = await busy(control, processes, this.#leaving.values());
    const late = clock.now() - drainMs;
    const done = [...this.#leaving.values()].filter(({ key, sinceMs }) => !counts.has(key) || sinceMs <= late);
    const removed = await remove(control, processes, done);
    // An idle connection keeps one a while; after that it is left to the next reload.
    for (const { key, sinceMs } of done) if (removed.has(key) || sinceMs <= late) this.#leaving.delete(key);
    if (this.#leaving.size > 0) this.#again(sweepMs);
  }
}

function withServers(from: Config, added: readonly ServerChange[], removed: readonly ServerChange[]): Config {
  const backends = new Map<string, Backend>(from.backends);
  const edit = (name: string, change: (servers: Map<string, ServerChange['server']>) => void): void => {
    const backend = backends.get(name);
    if (backend === undefined) return;
    const servers = new Map(backend.servers);
    change(servers);
    backends.set(name, { ...backend, servers });
  };
  for (const { backend, server } of added) edit(backend.name, servers => servers.set(server.name, server));
  for (const { backend, server } of removed) edit(backend.name, servers => servers.delete(server.name));
  return { ...from, backends };
}
