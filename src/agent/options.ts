// What can be set about an agent, with its defaults, and the ports it is given.
import type { Problem, ProfferError } from '../base/errors.js';
import type { AgentId, Role, VolumeId } from '../base/ids.js';
import type { Containerizer, NetworkProber } from '../containerizer/containerizer.js';
import type { AgentCall, AgentEvent } from '../protocol/agent-api.js';
import type { AgentInfo, MasterInfo } from '../protocol/entities.js';
import type { DiskSource } from '../resources/index.js';
import type { Store } from '../store/store.js';
import type { Peer } from '../transport/peer.js';
import type { LinkEnd } from '../transport/transport.js';
import type { ReconfigurationPolicy } from './recovery.js';
import type { QosController, ResourceEstimator, UsageMeter } from './usage.js';

/** Settings of an agent; all have defaults. */
export interface AgentOptions {
  /** From SIGTERM to SIGKILL where neither the kill nor the task says. Default 3 s. */
  readonly killGraceMs: number;
  /** Whether a task without a limit of its own may not use more cpu than it asked for. Default false: what it asked for is its weight. */
  readonly cpuHardLimit: boolean;
  /** How long the sandbox of an ended task is kept. Default one week. */
  readonly gcDelayMs: number;
  /** Unanswered pings of the master after which the connection counts as broken. Default 5. */
  readonly pingMissesMax: number;
  /** How long to wait for the master's first word after connecting, until it says its own ping timeout. Default 15 s (times `pingMissesMax`). */
  readonly pingTimeoutMs: number;
  /** About how large one part of a registration may be. Default 256 KiB. */
  readonly registerPartBytes: number;
  /** Ended tasks kept for the views. Default 1000. */
  readonly completedTasksMax: number;
  /** PATH of process tasks that set none. */
  readonly path: string;
  /** Where executors of frameworks connect to: `ws://host:port/v1/executor`. Without it, tasks with an executor fail. */
  readonly executorEndpoint: string | undefined;
  /** How long a framework's executor may take to register. Default 1 min. */
  readonly executorRegistrationMs: number;
  /** From SHUTDOWN of an executor to its kill. Default 5 s. */
  readonly executorShutdownGraceMs: number;
  /** How long an executor of an earlier agent process may take to register again. Default 15 s (Mesos: 2 s, for which all else waits there). */
  readonly executorReregistrationMs: number;
  /** How long the agent may have been away for its tasks to go on; to a minute or so. Default 15 min. */
  readonly recoveryTimeoutMs: number;
  /** Whether a record that cannot be understood keeps the agent from starting. Default true; else its task is reported as lost. */
  readonly strictRecovery: boolean;
  /** What may differ from the process before, while the master knows the agent: nothing, or only more resources and attributes. Default `equal`. */
  readonly reconfigurationPolicy: ReconfigurationPolicy;
  /** `cleanup`: it is started only to end its tasks, and may differ. Default `reconnect`. */
  readonly recover: 'reconnect' | 'cleanup';
  /** How long an agent that goes away waits for the master to confirm it. Default 5 s. */
  readonly unregisterTimeoutMs: number;
  /** How often the estimator is asked what may be lent to revocable tasks. Default 15 s. */
  readonly oversubscribedResourcesIntervalMs: number;
  /** How often the QoS controller is asked which revocable tasks have to go. Default 15 s. */
  readonly qosCorrectionIntervalMs: number;
}

export const defaultAgentOptions: AgentOptions = {
  killGraceMs: 3000,
  cpuHardLimit: false,
  gcDelayMs: 7 * 86_400_000,
  pingMissesMax: 5,
  pingTimeoutMs: 15_000,
  registerPartBytes: 256 * 1024,
  completedTasksMax: 1000,
  path: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  executorEndpoint: undefined,
  executorRegistrationMs: 60_000,
  executorShutdownGraceMs: 5000,
  executorReregistrationMs: 15_000,
  recoveryTimeoutMs: 15 * 60_000,
  strictRecovery: true,
  reconfigurationPolicy: 'equal',
  recover: 'reconnect',
  unregisterTimeoutMs: 5000,
  oversubscribedResourcesIntervalMs: 15_000,
  qosCorrectionIntervalMs: 15_000,
};

/** What the agent hears of its connection to the leading master. One session at a time; after `onDisconnected` a new `onConnected`. */
export interface MasterHandler {
  /** `epoch`: in which the master leads; default 0. */
  onConnected(peer: Peer<AgentCall>, welcome?: { readonly epoch: number }): void;
  onMessage(event: AgentEvent): void;
  onInvalid(problems: readonly Problem[]): void;
  onDisconnected(end: LinkEnd): void;
}

/** A connection that is kept up, with backoff, until closed. What `connectPersistently` gives is one. */
export interface MasterConnection {
  /** Ends the session and makes a new one. */
  reconnect(reason: string): void;
  /** Ends the session after what is queued, for good; nothing is told any more. */
  close(): void;
}

/** Removes sandboxes. Failure is its own to log: nothing waits for it. */
export interface SandboxJanitor {
  remove(path: string): void;
}

/** A persistent volume among those of one agent. */
export interface VolumeName {
  readonly role: Role;
  readonly id: VolumeId;
  /** The disk it is on. Default: that of the sandboxes. */
  readonly source?: DiskSource;
}

/** Directories of persistent volumes. Each call is finished when it returns, or throws what the file system says. */
export interface VolumeKeeper {
  /** Absolute path of the volume's directory, whether it is there or not. */
  path(volume: VolumeName): string;
  /**
   * At the start: exactly these are there, on `disks` beside that of the sandboxes. What is missing is taken back, if it was put aside, or made; what
   * is no volume is deleted, but on `disks` only what was put aside.
   */
  open(volumes: readonly VolumeName[], disks: readonly DiskSource[]): void;
  /** Makes it, empty. Fails on a disk of its own where something else is. */
  make(volume: VolumeName): void;
  /** Puts it aside; the data is still there. */
  retire(volume: VolumeName): void;
  /** Takes back what was put aside. */
  restore(volume: VolumeName): void;
  /** Deletes what was put aside, with its data, in a while. Never fails: what cannot be deleted now is when the agent starts again. */
  purge(volume: VolumeName): void;
}

/** What happens to the agent that its owner may have to act on. */
export interface AgentOutcomes {
  onRegistered?(agentId: AgentId, master: MasterInfo): void;
  /** The master does not take this agent; it has stopped trying. Its tasks run on. */
  onRefused?(problems: readonly Problem[]): void;
  /** The master told it to end, and all its tasks have ended. */
  onShutdown?(message: string): void;
  /** It cannot go on: its store failed. */
  onFatal?(error: ProfferError): void;
}

/** What an agent is made of. */
export interface AgentDeps {
  readonly info: AgentInfo;
  readonly containerizer: Containerizer;
  readonly prober: NetworkProber;
  /** Absolute path below which sandboxes are made. */
  readonly sandboxRoot: string;
  /** Connects to the leading master, for ever: `(handler, epochSeen) => connectPersistently(env, {..., epochSeen}, handler)`. */
  readonly connect: (handler: MasterHandler, epochSeen: number) => MasterConnection;
  /** Where all outlives the agent's process that has to. Default: nowhere. */
  readonly store?: Store;
  /** Of the boot of the machine: another one than before means that nothing of before runs. Default: it is never rebooted. */
  readonly bootId?: string;
  /** How long the machine had been up when the agent was made, in milliseconds; tells how long the agent was away. Default: wall time tells. */
  readonly uptimeMs?: number;
  /** Sandboxes of ended tasks of earlier agent processes, and for how long they have been there. */
  readonly formerSandboxes?: readonly { readonly path: string; readonly ageMs: number }[];
  /** Default: sandboxes stay. */
  readonly janitor?: SandboxJanitor;
  /** Default: volumes are kept in the books alone, and tasks do not see them. */
  readonly volumes?: VolumeKeeper;
  /** What may be lent to revocable tasks. Default: nothing. */
  readonly estimator?: ResourceEstimator;
  /** Which revocable tasks have to go. Default: none. */
  readonly qosController?: QosController;
  /** What containers use. Default: not known. */
  readonly meter?: UsageMeter;
  readonly options?: Partial<AgentOptions>;
  /** Settings besides `options` that the view shows. */
  readonly flags?: { readonly [name: string]: unknown };
  readonly outcomes?: AgentOutcomes;
}
