// An app, normalised: every default is filled in, legacy fields are converted, so that a reply can be printed from it. Types only.
import type { Labels } from 'proffer';
import type {
  Artifact,
  LinuxInfo,
  PersistentVolumeSpec,
  PortProtocol,
  ResourceLimits,
  SpecCommon,
  SpecResources,
} from './spec.js';

/** One kind of task, many instances. */
export interface AppDefinition extends SpecCommon {
  readonly kind: 'app';
  /** A shell line. At most one of `cmd` and `args`; neither leaves it to the image. */
  readonly cmd?: string;
  readonly args?: readonly string[];
  /** Empty or `//cmd`: the command executor; else the path of a custom one. */
  readonly executor: string;
  readonly executorResources?: SpecResources;
  readonly resources: SpecResources;
  readonly resourceLimits?: ResourceLimits;
  readonly fetch: readonly Artifact[];
  readonly healthChecks: readonly AppHealthCheck[];
  readonly readinessChecks: readonly ReadinessCheck[];
  readonly check?: AppCheck;
  readonly container?: AppContainer;
  /** Ports in the host's network; empty when a container has its own. */
  readonly portDefinitions: readonly PortDefinition[];
  /** Whether `portDefinitions[].port` is wanted as the host port too. */
  readonly requirePorts: boolean;
  /** Unset: the agent's default. */
  readonly taskKillGracePeriodMs?: number;
  readonly tty?: boolean;
  readonly autoscaling?: Autoscaling;
}

/** Ours. The number of instances follows what they have to do. */
export interface Autoscaling {
  readonly minInstances: number;
  readonly maxInstances: number;
  readonly target: ScalingTarget;
  /** Between a change of the number and the next one up, and down; before a change down, less must have been enough for as long. */
  readonly scaleUpCooldownMs: number;
  readonly scaleDownCooldownMs: number;
}

/**
 * What one instance should have to do on average: `cpus` and `mem` as a share of what it is promised, `requests` in requests a second. How many it has
 * had it says itself, by a counter in the text format of Prometheus.
 */
export type ScalingTarget =
  | { readonly metric: 'cpus' | 'mem'; readonly value: number }
  | {
      readonly metric: 'requests';
      readonly value: number;
      readonly portIndex: number;
      readonly path: string;
      /** Its name; samples with different labels are added up. */
      readonly counter: string;
    };

/** A port in the host's network. `port` is the service port, and with `requirePorts` also the host port; 0 until one is assigned. */
export interface PortDefinition {
  readonly port: number;
  readonly protocol: PortProtocol;
  readonly name?: string;
  readonly labels: Labels;
}

/** A port of a container that has its own network. */
export interface AppPortMapping {
  /** 0: the same as the host port. */
  readonly containerPort: number;
  /** 0: any. Absent: reachable only inside the container network. */
  readonly hostPort?: number;
  /** 0 until one is assigned. */
  readonly servicePort: number;
  readonly protocol: PortProtocol;
  readonly name?: string;
  readonly labels: Labels;
  /** The networks it is for; empty: all. */
  readonly networkNames: readonly string[];
}

export interface AppContainer {
  readonly type: 'DOCKER' | 'MESOS';
  readonly docker?: AppDocker;
  readonly volumes: readonly AppVolume[];
  /** Empty unless the container has its own network. */
  readonly portMappings: readonly AppPortMapping[];
  readonly linuxInfo?: LinuxInfo;
}

export interface AppDocker {
  readonly image: string;
  readonly forcePullImage: boolean;
  readonly privileged: boolean;
  readonly parameters: readonly { readonly key: string; readonly value: string }[];
  /** The name of an entry of `secrets`. */
  readonly pullConfig?: { readonly secret: string };
}

/** A directory of the container and where it comes from. */
export type AppVolume =
  | {
      readonly kind: 'host';
      readonly containerPath: string;
      readonly hostPath: string;
      readonly mode: VolumeMode;
    }
  | {
      readonly kind: 'persistent';
      readonly containerPath: string;
      readonly persistent: PersistentVolumeSpec;
      readonly mode: VolumeMode;
    }
  | {
      readonly kind: 'external';
      readonly containerPath: string;
      readonly external: ExternalVolume;
      readonly mode: VolumeMode;
    }
  | { readonly kind: 'secret'; readonly containerPath: string; readonly secret: string };

export type VolumeMode = 'RO' | 'RW';

/** A volume of a driver outside the cluster; `size` in GiB. */
export interface ExternalVolume {
  readonly provider: string;
  readonly name?: string;
  readonly size?: number;
  readonly options: { readonly [name: string]: unknown };
  readonly shared?: boolean;
}

export const healthProtocols = ['HTTP', 'HTTPS', 'TCP', 'COMMAND', 'MESOS_HTTP', 'MESOS_HTTPS', 'MESOS_TCP'] as const;
export type HealthProtocol = (typeof healthProtocols)[number];

/** How often, how long, how patiently. */
export interface HealthTimes {
  readonly gracePeriodMs: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly delayMs: number;
  /** 0: never kill; of a check that runs on the agent: kill at once. */
  readonly maxConsecutiveFailures: number;
}

/** Where a network check looks: the index of one of the app's ports, or a port number. Neither: index 0. */
export interface CheckTarget {
  readonly portIndex?: number;
  readonly port?: number;
}

export type AppHealthCheck = HealthTimes &
  (
    | (CheckTarget & {
        readonly protocol: 'HTTP' | 'HTTPS' | 'MESOS_HTTP' | 'MESOS_HTTPS';
        readonly path: string;
        /** Informational answers count as none; HTTP and HTTPS alone. */
        readonly ignoreHttp1xx: boolean;
        readonly ipProtocol: IpProtocol;
      })
    | (CheckTarget & { readonly protocol: 'TCP' | 'MESOS_TCP'; readonly ipProtocol: IpProtocol })
    | {
        readonly protocol: 'COMMAND';
        readonly command: { readonly value: string } | { readonly argv: readonly string[] };
      }
  );

export type IpProtocol = 'IPv4' | 'IPv6';

/** A check that only reports. */
export interface AppCheck {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly delayMs: number;
  readonly probe:
    | (CheckTarget & { readonly type: 'http'; readonly path?: string; readonly scheme: 'HTTP' | 'HTTPS' })
    | (CheckTarget & { readonly type: 'tcp' })
    | { readonly type: 'exec'; readonly command: { readonly shell: string } | { readonly argv: readonly string[] } };
}

/** Holds a deployment back until an instance says it is ready. */
export interface ReadinessCheck {
  readonly name: string;
  readonly protocol: 'HTTP' | 'HTTPS';
  readonly path: string;
  readonly portName: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly httpStatusCodesForReady: readonly number[];
  readonly preserveLastResponse: boolean;
}
