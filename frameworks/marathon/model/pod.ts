// A pod, normalised: containers that start, run and end together on one agent. Types only.
import type { Labels } from 'proffer';
import type { HealthTimes } from './app.js';
import type {
  Artifact,
  Env,
  LinuxInfo,
  PersistentVolumeSpec,
  ResourceLimits,
  SpecCommon,
  SpecResources,
} from './spec.js';

/** Several kinds of task launched as one group. */
export interface PodDefinition extends SpecCommon {
  readonly kind: 'pod';
  /** At least one, each with its own name. */
  readonly containers: readonly PodContainer[];
  readonly volumes: readonly PodVolume[];
  /** What the executor that holds the containers together takes. */
  readonly executorResources: SpecResources;
  readonly legacySharedCgroups?: boolean;
  readonly linuxInfo?: LinuxInfo;
}

export interface PodContainer {
  readonly name: string;
  readonly resources: SpecResources;
  readonly resourceLimits?: ResourceLimits;
  /** Absent: the image's own command. */
  readonly exec?: PodExec;
  readonly image?: PodImage;
  readonly endpoints: readonly PodEndpoint[];
  readonly env: Env;
  readonly user?: string;
  readonly healthCheck?: PodHealthCheck;
  readonly check?: PodCheck;
  readonly volumeMounts: readonly PodVolumeMount[];
  readonly artifacts: readonly Artifact[];
  readonly labels: Labels;
  readonly killGracePeriodMs?: number;
  readonly tty?: boolean;
  readonly linuxInfo?: LinuxInfo;
}

export type PodCommand = { readonly shell: string } | { readonly argv: readonly string[] };

export interface PodExec {
  readonly command: PodCommand;
  /** Whether it replaces the image's entry point. */
  readonly overrideEntrypoint?: boolean;
}

export interface PodImage {
  readonly kind: 'DOCKER';
  readonly id: string;
  readonly forcePull: boolean;
  /** The name of an entry of `secrets`. */
  readonly pullConfig?: { readonly secret: string };
  readonly labels: Labels;
}

/** A named port of a container. */
export interface PodEndpoint {
  readonly name: string;
  readonly containerPort?: number;
  /** 0: any. Absent: none on the host. */
  readonly hostPort?: number;
  readonly protocol: readonly string[];
  readonly networkNames: readonly string[];
  readonly labels: Labels;
}

export type PodProbe =
  | { readonly type: 'http'; readonly endpoint: string; readonly path?: string; readonly scheme: 'HTTP' | 'HTTPS' }
  | { readonly type: 'tcp'; readonly endpoint: string }
  | { readonly type: 'exec'; readonly command: PodCommand };

export interface PodHealthCheck extends HealthTimes {
  readonly probe: PodProbe;
}

/** A check that only reports. */
export interface PodCheck {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly delayMs: number;
  readonly probe: PodProbe;
}

export interface PodVolumeMount {
  /** The name of one of the pod's volumes. */
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly: boolean;
}

/** A volume the containers share. */
export type PodVolume =
  | { readonly kind: 'ephemeral'; readonly name: string }
  | { readonly kind: 'host'; readonly name: string; readonly host: string }
  | { readonly kind: 'persistent'; readonly name: string; readonly persistent: PersistentVolumeSpec }
  | { readonly kind: 'secret'; readonly name: string; readonly secret: string };
