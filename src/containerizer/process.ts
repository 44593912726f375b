// Process tasks: each in a session of its own, under a wrapper that outlives the agent, with cgroup limits where they can be had.
// In: specs, kills, commands to run beside. Out: container events. What is decided about one task is in process-container.ts.
import type { Env } from '../env/env.js';
import { Cgroups } from './cgroups.js';
import type { Container, Containerizer, ContainerEvent, ContainerSpec } from './containerizer.js';
import { ProcessContainer, roundMs } from './process-container.js';
import type { ProcessHost } from './process-container.js';
import { ProcessTable, readBootId, signal } from './process-table.js';
import type { Spawner } from './spawner.js';
import { LazySpawner } from './spawner.js';

export interface ProcessContainerizerOptions {
  /** Names the agent in cgroup paths; two agents of a machine must differ. Default: the pid. */
  readonly instance?: string;
  /** Hears, once each, what people should know: for example that limits are not enforced and why. Default: a warning in the log. */
  readonly onNotice?: (notice: string) => void;
  /** Replaceable for tests; null: without limits, and without a notice. */
  readonly cgroups?: Cgroups | null;
  /** The POSIX shell of wrappers and of `command.value`. Default `/bin/sh`. */
  readonly shell?: string;
  /** Replaceable for tests. */
  readonly spawner?: Spawner;
}

/** Runs commands as processes of this machine. The agent's user must be root for tasks to run as other users. */
export class ProcessContainerizer implements Containerizer {
  readonly types = ['PROCESS'] as const;
  readonly #host: ProcessHost;
  readonly #containers = new Set<ProcessContainer>();
  readonly #queue: (() => void)[] = [];
  #pumping = false;
  #onClosed: (() => void) | undefined;

  constructor(env: Env, options: ProcessContainerizerOptions = {}) {
    const onNotice = options.onNotice ?? (notice => env.log.warn(notice));
    const { cgroups = new Cgroups(options.instance ?? String(process.pid), onNotice) } = options;
    this.#host = {
      clock: env.clock,
      cgroups: cgroups ?? undefined,
      table: new ProcessTable(env.clock),
      spawner: options.spawner ?? new LazySpawner(env.clock, onNotice),
      bootId: readBootId(),
      shell: options.shell ?? '/bin/sh',
      uid: process.getuid?.() ?? 0,
      inTurn: start => {
        this.#queue.push(start);
        if (!this.#pumping) this.#pump();
      },
    };
  }

  launch(spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): Container {
    const container = this.#add(spec, onEvent);
    if (this.#onClosed !== undefined) container.kill(0);
    this.#host.inTurn(() => container.start());
    return container;
  }

  /**
   * Takes over what an earlier agent process launched with the same sandbox. It is adopted if the wrapper lives (same boot, and the recorded pid holds this
   * very run file open) or has left the exit status; otherwise it is EXITED with no status.
   */
  adopt(spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): Container {
    const container = this.#add(spec, onEvent);
    this.#host.clock.soon(() => container.adopt());
    return container;
  }

  /**
   * Kills what an earlier agent process left in its cgroups: tasks that no run file leads to any more, as they can remove theirs. Those in the cgroups of
   * containers that are known here, adopted ones among them, stay. Calls back when nothing is left or, after some ten seconds, cannot be killed.
   */
  endStrays(onEnded: () => void): void {
    // What is being adopted has its cgroup in a turn or two.
    const { clock } = this.#host;
    clock.soon(() => clock.soon(() => clock.soon(() => this.#endStrays(onEnded, 0))));
  }

  #endStrays(onEnded: () => void, round: number): void {
    const left = this.#host.cgroups?.strays() ?? [];
    for (const pid of left) signal(pid, 'SIGKILL');
    if (left.length === 0 || round >= strayRoundsMax) {
      this.#host.cgroups?.removeEmpty();
      this.#host.clock.soon(onEnded);
    } else this.#host.clock.after(roundMs(round), () => this.#endStrays(onEnded, round + 1));
  }

  close(onClosed: () => void): void {
    const before = this.#onClosed;
    this.#onClosed = () => {
      before?.();
      onClosed();
    };
    for (const container of this.#containers) container.kill(0);
    if (this.#containers.size === 0) this.#host.clock.soon(() => this.#closed());
  }

  leave(): void {
    for (const container of this.#containers) container.leave();
    this.#containers.clear();
    this.#queue.length = 0;
    this.#host.spawner.close(() => {});
  }

  #add(spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): ProcessContainer {
    const container: ProcessContainer = new ProcessContainer(this.#host, spec, onEvent, () => {
      this.#containers.delete(container);
      if (this.#containers.size === 0 && this.#onClosed !== undefined) this.#closed();
    });
    this.#containers.add(container);
    return container;
  }

  // A spawn holds the loop for a millisecond or two: one per turn, so that messages and exits come through during a large batch.
  #pump(): void {
    this.#pumping = true;
    this.#host.clock.soon(() => {
      this.#queue.shift()?.();
      if (this.#queue.length > 0) this.#pump();
      else this.#pumping = false;
    });
  }

  #closed(): void {
    const onClosed = this.#onClosed;
    if (onClosed === undefined || this.#containers.size > 0) return;
    this.#onClosed = () => {};
    this.#host.cgroups?.close();
    this.#host.spawner.close(onClosed);
  }
}

const strayRoundsMax = 50;
