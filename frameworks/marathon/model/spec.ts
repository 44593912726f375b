// What apps and pods have in common, as normalised values: versions, counts, strategies, networks, ports. Types only, besides their word lists.
import type { Labels, PlacementConstraint, Role } from 'proffer';
import type { PathId } from './path.js';

/** When a definition was made, in wall milliseconds; `version` also names it among its versions, and no two of one id are equal. */
export interface VersionInfo {
  readonly version: number;
  /** The last version that changed the number of instances. */
  readonly lastScalingAt: number;
  /** The last version that changed what an instance is; instances of earlier ones are outdated. */
  readonly lastConfigChangeAt: number;
}

/** How many instances; `*` is one on every agent that can take it. */
export type InstanceCount = number | '*';

/** What one instance is promised: cpus and gpus in units, mem and disk in MiB. */
export interface SpecResources {
  readonly cpus: number;
  readonly mem: number;
  readonly disk: number;
  readonly gpus: number;
}

/** Upper bounds above the promise; absent ones equal it. */
export interface ResourceLimits {
  readonly cpus?: number | 'unlimited';
  readonly mem?: number | 'unlimited';
}

/** The wait after failed starts: `backoffMs`, then each time `factor` longer, up to `maxLaunchDelayMs`. */
export interface BackoffStrategy {
  readonly backoffMs: number;
  readonly factor: number;
  readonly maxLaunchDelayMs: number;
}

/** Shares of the instance count, 0 to 1: how many stay healthy during an upgrade, and how many may run beyond it. */
export interface UpgradeStrategy {
  readonly minimumHealthCapacity: number;
  readonly maximumOverCapacity: number;
  readonly trial?: Trial;
  readonly rollback?: RollbackPolicy;
}

/**
 * Ours. New instances that run beside the old ones before any of those goes, and how long they must have served by then: some of them (`canary`), or all
 * (`blueGreen`).
 */
export type Trial =
  | { readonly kind: 'canary'; readonly instances: number; readonly observeMs: number }
  | { readonly kind: 'blueGreen'; readonly observeMs: number };

/** Ours. When a deployment takes itself back. */
export interface RollbackPolicy {
  /** So many instances of the new configuration have failed. */
  readonly failures: number;
  /** So long nothing came closer to the end. */
  readonly deadlineMs: number;
}

export const killSelections = ['YOUNGEST_FIRST', 'OLDEST_FIRST'] as const;
export type KillSelection = (typeof killSelections)[number];

/** When an unreachable instance is replaced, and when it is forgotten, counted from its becoming unreachable; `disabled` is never. */
export type UnreachableStrategy = 'disabled' | { readonly inactiveAfterMs: number; readonly expungeAfterMs: number };

/** A value, or the name of an entry of `secrets`. */
export type EnvValue = string | { readonly secret: string };
export type Env = { readonly [name: string]: EnvValue };
export type Secrets = { readonly [name: string]: { readonly source: string } };

export const networkModes = ['host', 'container', 'container/bridge'] as const;
export type NetworkMode = (typeof networkModes)[number];

export interface Network {
  readonly mode: NetworkMode;
  /** The container network's name; mode `container` alone has one. */
  readonly name?: string;
  readonly labels: Labels;
}

export const portProtocols = ['tcp', 'udp', 'udp,tcp'] as const;
export type PortProtocol = (typeof portProtocols)[number];

/** One host port an instance needs. `port` 0 is any; `containerPort` is where it leads in a container of its own network. */
export interface PortNeed {
  readonly port: number;
  readonly protocol: PortProtocol;
  readonly name?: string;
  readonly containerPort?: number;
  /** The container of a pod that listens there. */
  readonly container?: string;
  readonly labels: Labels;
}

/** A file brought into the sandbox before the start. */
export interface Artifact {
  readonly uri: string;
  /** Unpack archives. Default true. */
  readonly extract: boolean;
  readonly executable: boolean;
  readonly cache: boolean;
  readonly destPath?: string;
}

/** `root` is the agent's own disk, `path` a directory of another, `mount` a whole one. */
export const persistentTypes = ['root', 'path', 'mount'] as const;
export type PersistentType = (typeof persistentTypes)[number];

/** A volume that outlives its instance's tasks; sizes in MiB. */
export interface PersistentVolumeSpec {
  readonly type: PersistentType;
  readonly size: number;
  /** Disks larger than this are left to others; `mount` alone. */
  readonly maxSize?: number;
  readonly profileName?: string;
  /** Which disks will do, by `path`. */
  readonly constraints: readonly PlacementConstraint[];
}

/** One persistent volume of an instance, with where its tasks see it. */
export interface PersistentMount extends PersistentVolumeSpec {
  readonly containerPath: string;
  readonly readOnly: boolean;
  /** The volume's name in a pod. */
  readonly name?: string;
}

export interface LinuxInfo {
  readonly seccomp?: { readonly profileName?: string; readonly unconfined?: boolean };
  readonly ipcInfo?: { readonly mode: 'PRIVATE' | 'SHARE_PARENT'; readonly shmSize?: number };
}

/** What every run spec carries, app or pod. */
export interface SpecCommon {
  readonly id: PathId;
  readonly versionInfo: VersionInfo;
  readonly instances: InstanceCount;
  readonly role: Role;
  /** Roles of resources it may use; `*` is unreserved ones. Empty: what the framework accepts by default. */
  readonly acceptedResourceRoles: readonly Role[];
  /** As written: `hostname` and `@hostname` mean the same; `placementOf` has them in the SDK's words. */
  readonly constraints: readonly PlacementConstraint[];
  readonly backoff: BackoffStrategy;
  readonly upgradeStrategy: UpgradeStrategy;
  readonly killSelection: KillSelection;
  readonly unreachableStrategy: UnreachableStrategy;
  /** Apps and groups that must stand before this does; absolute. Pods have none. */
  readonly dependencies: readonly PathId[];
  readonly networks: readonly Network[];
  readonly env: Env;
  readonly labels: Labels;
  readonly secrets: Secrets;
  readonly user?: string;
}
