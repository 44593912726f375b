// The JSON of a pod as users write it.
import * as v from 'valibot';
import * as f from './fields.js';
import { object } from './objects.js';

const labelsOrNone = v.optional(f.labels, {});
const envOrNone = v.optional(f.env, {});

const endpoint = object({
  name: f.name,
  containerPort: v.exactOptional(f.anyPort),
  hostPort: v.exactOptional(f.anyPort),
  protocol: v.optional(v.array(f.name), []),
  labels: labelsOrNone,
  networkNames: v.optional(v.array(f.name), []),
});

const probes = {
  http: v.exactOptional(
    object({ endpoint: f.name, path: v.exactOptional(f.shortText), scheme: v.optional(f.httpScheme, 'HTTP') }),
  ),
  tcp: v.exactOptional(object({ endpoint: f.name })),
  exec: v.exactOptional(f.execCheck),
  intervalSeconds: v.optional(f.seconds, 60),
  timeoutSeconds: v.optional(f.seconds, 20),
  delaySeconds: v.optional(f.seconds, 15),
};
const check = object(probes);
const healthCheck = object({
  ...probes,
  gracePeriodSeconds: v.optional(f.seconds, 300),
  maxConsecutiveFailures: v.optional(f.whole(), 3),
});

const image = object({
  kind: v.picklist(['DOCKER']),
  id: f.shortText,
  pullConfig: v.exactOptional(f.pullConfig),
  forcePull: v.optional(f.flag, false),
  labels: labelsOrNone,
});

const container = object({
  name: f.name,
  exec: v.exactOptional(object({ command: f.podCommand, overrideEntrypoint: v.exactOptional(f.flag) })),
  resources: object({
    cpus: f.amount(0.001),
    mem: f.amount(0.001),
    disk: v.optional(f.amount(), 0),
    gpus: v.optional(f.whole(), 0),
  }),
  resourceLimits: v.exactOptional(f.resourceLimits),
  endpoints: v.optional(v.array(endpoint), []),
  linuxInfo: v.exactOptional(f.linuxInfo),
  image: v.exactOptional(image),
  environment: envOrNone,
  user: v.exactOptional(f.text),
  healthCheck: v.exactOptional(healthCheck),
  check: v.exactOptional(check),
  volumeMounts: v.optional(
    v.array(object({ name: f.name, mountPath: f.shortText, readOnly: v.optional(f.flag, false) })),
    [],
  ),
  artifacts: v.optional(v.array(f.artifact), []),
  labels: labelsOrNone,
  lifecycle: v.exactOptional(object({ killGracePeriodSeconds: v.exactOptional(f.amount()) })),
  tty: v.exactOptional(f.flag),
});

/** Which of the four kinds it is shows in its members; a name alone is an ephemeral one. */
const volume = object({
  name: f.name,
  host: v.exactOptional(f.someText),
  persistent: v.exactOptional(f.persistent),
  secret: v.exactOptional(f.someText),
});

const scheduling = object({
  backoff: v.exactOptional(
    object({
      backoff: v.optional(f.amount(), 1),
      backoffFactor: v.optional(f.amount(), 1.15),
      maxLaunchDelay: v.optional(f.amount(), 300),
    }),
  ),
  upgrade: v.exactOptional(f.upgrade),
  placement: v.exactOptional(
    object({
      constraints: v.optional(
        v.array(object({ fieldName: f.text, operator: f.text, value: v.exactOptional(f.text) })),
        [],
      ),
      acceptedResourceRoles: v.optional(f.texts, []),
    }),
  ),
  killSelection: v.exactOptional(f.killSelection),
  unreachableStrategy: v.exactOptional(f.unreachableStrategy),
});

/** A pod. Unknown members are dropped. */
export const podSchema = object({
  id: f.text,
  labels: labelsOrNone,
  version: v.exactOptional(f.moment),
  user: v.exactOptional(f.someText),
  environment: envOrNone,
  containers: v.pipe(v.array(container), v.minLength(1)),
  secrets: v.optional(f.secrets, {}),
  volumes: v.optional(v.array(volume), []),
  networks: v.optional(v.array(f.network), []),
  scaling: v.exactOptional(object({ kind: v.picklist(['fixed']), instances: v.optional(f.instances, 1) })),
  scheduling: v.exactOptional(scheduling),
  executorResources: v.exactOptional(f.executorResources),
  role: v.exactOptional(f.someText),
  linuxInfo: v.exactOptional(f.linuxInfo),
  legacySharedCgroups: v.exactOptional(f.flag),
});

export type RawPod = v.InferOutput<typeof podSchema>;
export type RawPodContainer = RawPod['containers'][number];
export type RawPodVolume = RawPod['volumes'][number];
export type RawPodHealthCheck = v.InferOutput<typeof healthCheck>;
export type RawPodCheck = v.InferOutput<typeof check>;
