// How a Marathon behaves. In: what an operator says. Out: all of it, with the defaults.
import type { FaultDomain } from 'proffer';
import type { Instance } from '../machine/instance.js';
import { defaultInstanceTimes } from '../machine/events.js';
import type { InstanceTimes } from '../machine/events.js';
import { defaultSettings } from '../model/settings.js';
import type { ModelSettings } from '../model/settings.js';
import { defaultTokenOptions } from '../queue/tokens.js';
import type { TokenOptions } from '../queue/tokens.js';
import type { SecretProvider } from '../secrets/provider.js';

/** Who sends requests to instances. */
export interface Router {
  /** Resolves when nothing is sent to these any more, or when that takes too long: they are killed then. */
  drain(instances: readonly Instance[]): Promise<void>;
}

/** Times in milliseconds. */
export interface ServiceOptions {
  /** What definitions may say. Default `defaultSettings`. */
  readonly settings?: ModelSettings;
  /** Of instances: how long a start, a kill may take. */
  readonly times?: InstanceTimes;
  /** Against start storms: 100 starts in 30 s, and one more for each that runs. */
  readonly tokens?: TokenOptions;
  /** Most instances started on one offer. Default 100. */
  readonly instancesPerOfferMax?: number;
  /** An offer nobody wants is not made again for so long. Default 120 s. */
  readonly declineMs?: number;
  /** Deployments at a time. Default 100. */
  readonly deploymentsMax?: number;
  /** Tasks killed at a time; the others follow at once, one chunk after the other. Default 100. */
  readonly killChunk?: number;
  /** What the master does not tell within so long after a connection is taken to be as it was. Default 30 s. */
  readonly reconciledWithinMs?: number;
  /** Every run spec is looked at this often, although nothing happened. Default 300 s. */
  readonly scaleCheckMs?: number;
  /** A reservation to be given up that no offer of its agent shows for so long is not there. Default 120 s. */
  readonly missingReservationMs?: number;
  /** An agent is left alone from so long before its announced absence. Default 0. */
  readonly drainingMs?: number;
  /** Whether agents with gpus are kept for who needs them. Default true. */
  readonly gpusAreScarce?: boolean;
  /** Where this framework is. Default: no region is foreign. */
  readonly home?: Pick<FaultDomain, 'region'>;
  /** Who makes reservations; the framework's. */
  readonly principal?: string;
  /** Knows the values of what definitions name as `secrets`. Default: nobody does, and what needs one waits. */
  readonly secrets?: SecretProvider;
  /** Told before instances that serve are ended by a deployment. Default: nobody. */
  readonly router?: Router;
  /** It is over: by `abdicate`, because the framework ended, or because of an error, such as of the store. */
  readonly onEnded?: (error?: Error) => void;
}

type Optional = 'home' | 'principal' | 'secrets' | 'router' | 'onEnded';
export type Settled = Required<Omit<ServiceOptions, Optional>> & Pick<ServiceOptions, Optional>;

export function settled(options: ServiceOptions): Settled {
  return {
    settings: defaultSettings,
    times: defaultInstanceTimes,
    tokens: defaultTokenOptions,
    instancesPerOfferMax: 100,
    declineMs: 120_000,
    deploymentsMax: 100,
    killChunk: 100,
    reconciledWithinMs: 30_000,
    scaleCheckMs: 300_000,
    missingReservationMs: 120_000,
    drainingMs: 0,
    gpusAreScarce: true,
    ...options,
  };
}
