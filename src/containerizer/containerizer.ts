// The containerizer port: start, signal and look into containers; everything is told back as events, nothing is awaited by the agent.
import type { ContainerId } from '../base/ids.js';
import type { CommandInfo, ContainerInfo, ContainerType } from '../protocol/entities.js';

/** What to start. Everything is resolved: ports are taken, the environment is complete, the sandbox path is chosen. */
export interface ContainerSpec {
  readonly containerId: ContainerId;
  /** A name people recognise, e.g. the task id. */
  readonly name: string;
  /** Absolute path of the sandbox directory; made by `launch`. Holds `stdout` and `stderr`. */
  readonly sandbox: string;
  readonly command?: CommandInfo;
  readonly container?: ContainerInfo;
  /** The complete environment, the task's own included. */
  readonly env: { readonly [name: string]: string };
  readonly user?: string;
  /** Guaranteed share of cpus, in thousandths: cpu weight. */
  readonly cpusMilli: number;
  /** Upper bound of cpus, in thousandths; undefined: none. */
  readonly cpusLimitMilli?: number;
  /** Upper bound of memory; undefined: none. */
  readonly memLimitBytes?: number;
  /** Marks by which a restarted agent finds the container again. */
  readonly labels: { readonly [name: string]: string };
  /** Directories that outlive the container. */
  readonly volumes?: readonly PersistentMount[];
}

/** A persistent volume as a container sees it. */
export interface PersistentMount {
  /** Absolute path of its directory on this machine. */
  readonly source: string;
  /** Where it appears: absolute, or relative to the sandbox. Processes see relative ones only. */
  readonly containerPath: string;
  /** RO is not enforced on processes. */
  readonly mode: 'RW' | 'RO';
}

/** How a container ended. */
export interface ContainerExit {
  readonly exitCode?: number;
  readonly signal?: string;
  /** True when the kernel or the engine killed it for exceeding its memory limit. */
  readonly oomKilled: boolean;
}

/** What a container tells, in this order: progress*, started, exited; or progress*, failed. */
export type ContainerEvent =
  /** Fetching or pulling; at most a few a second. `fraction` in [0, 1] where known. */
  | {
      readonly type: 'PROGRESS';
      readonly phase: 'FETCHING' | 'PULLING' | 'STARTING';
      readonly message: string;
      readonly fraction?: number;
    }
  /** The addresses are its own; absent where it is on the machine's network. */
  | { readonly type: 'STARTED'; readonly pid?: number; readonly ip?: string; readonly ip6?: string }
  | { readonly type: 'EXITED'; readonly exit: ContainerExit }
  /** It never ran. `message` says why, for people. */
  | {
      readonly type: 'FAILED';
      readonly message: string;
      readonly code:
        | 'IMAGE_PULL_FAILED'
        | 'FETCH_FAILED'
        | 'CONTAINER_LAUNCH_FAILED'
        | 'SANDBOX'
        | 'DOCKER_UNAVAILABLE';
    };

/** The result of a command run inside a container. `timedOut` when it was ended for its time. */
export interface ExecResult {
  readonly exitCode?: number;
  readonly timedOut: boolean;
  /** Up to 1 KiB of what it printed, for messages. */
  readonly output: string;
}

/** A container that was asked for. */
export interface Container {
  /** SIGTERM to all its processes, SIGKILL after `graceMs`. Again with a shorter grace: escalates sooner; longer: ignored. Works while it is still being prepared. */
  kill(graceMs: number): void;
  /** Runs `command` inside (same user, environment and namespaces); answers once. `timeoutMs` 0: none. */
  exec(command: CommandInfo, timeoutMs: number, done: (result: ExecResult) => void): void;
}

/** Starts containers of one or more types. */
export interface Containerizer {
  readonly types: readonly ContainerType[];
  /** Starts to start. Events come later, never from within this call; after EXITED or FAILED none. */
  launch(spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): Container;
  /**
   * Takes over a container that an earlier agent process launched with the same spec: STARTED and EXITED follow as from `launch`, EXITED without exit code
   * and signal when its end is not known, FAILED when it never started. Absent where containers do not outlive the agent.
   */
  adopt?(spec: ContainerSpec, onEvent: (event: ContainerEvent) => void): Container;
  /** Kills everything it started; calls back when nothing is left. */
  close(onClosed: () => void): void;
  /** Looks after nothing any more, and tells nothing: what runs is for the next agent process to adopt. Absent where nothing outlives the agent. */
  leave?(): void;
}

/** What a container has used. */
export interface ContainerUse {
  /** Cpu time since its start, of all its processes. */
  readonly cpuMs: number;
  readonly memBytes: number;
}

/** Measures containers by the pid they reported. */
export interface UsageMeter {
  /** Undefined where it cannot be measured. */
  measure(pid: number): ContainerUse | undefined;
}

/** An HTTP or TCP look at a task, from the agent. `statusCode` undefined: no answer. */
export interface NetworkProber {
  http(
    url: string,
    timeoutMs: number,
    done: (result: { readonly statusCode?: number; readonly error?: string }) => void,
  ): void;
  tcp(
    host: string,
    port: number,
    timeoutMs: number,
    done: (result: { readonly connected: boolean; readonly error?: string }) => void,
  ): void;
}
