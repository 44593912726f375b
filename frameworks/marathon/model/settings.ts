// What an operator decides about definitions: default role, features, network name, service ports, bounds. In: nothing. Out: the defaults.
import type { Role } from 'proffer';

/** What must be switched on before definitions may use it. */
export const features = ['gpu_resources', 'secrets', 'external_volumes'] as const;
export type Feature = (typeof features)[number];

export interface ModelSettings {
  /** The role of services whose group does not say otherwise. Default `*`. */
  readonly mesosRole: Role;
  readonly features: ReadonlySet<Feature>;
  /** The network of `container` networks without a name. Default: none, so that they must have one. */
  readonly defaultNetworkName?: string;
  /** The name under which `ipAddress.networkName` means the bridge. Default `mesos-bridge`. */
  readonly mesosBridgeName: string;
  /** Where service ports that are not given are taken from, both ends included. Default 10000 to 20000. */
  readonly servicePorts: { readonly min: number; readonly max: number };
  /** Whether new top-level groups enforce their role: `off` (default) or `top`. */
  readonly newGroupEnforceRole: 'off' | 'top';
  /** Most instances of one app or pod. Default 100,000. */
  readonly instancesMax: number;
  /** Whether what no agent here could carry out is refused, too. Default false: what Marathon takes is taken. A Marathon that runs has it on. */
  readonly onlyLaunchable: boolean;
}

export const defaultSettings: ModelSettings = {
  mesosRole: '*',
  features: new Set(),
  mesosBridgeName: 'mesos-bridge',
  servicePorts: { min: 10_000, max: 20_000 },
  newGroupEnforceRole: 'off',
  instancesMax: 100_000,
  onlyLaunchable: false,
};
