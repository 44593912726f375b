// The JSON of an app as users write it, old fields included. Every member is optional here: partial updates have the same shape.
import * as v from 'valibot';
import { healthProtocols } from '../app.js';
import * as f from './fields.js';
import { object, record } from './objects.js';

const labelsOrNone = v.optional(f.labels, {});

const portDefinition = object({
  port: v.optional(f.anyPort, 0),
  labels: labelsOrNone,
  name: v.exactOptional(f.legacyName),
  protocol: f.protocol,
});

const portMapping = object({
  containerPort: v.optional(f.anyPort, 0),
  hostPort: v.exactOptional(f.anyPort),
  labels: labelsOrNone,
  name: v.exactOptional(f.legacyName),
  protocol: f.protocol,
  servicePort: v.optional(f.anyPort, 0),
  networkNames: v.optional(v.array(f.name), []),
});

const docker = object({
  credential: v.exactOptional(object({ principal: f.text, secret: v.exactOptional(f.text) })),
  pullConfig: v.exactOptional(f.pullConfig),
  forcePullImage: v.optional(f.flag, false),
  image: f.someText,
  network: v.exactOptional(v.picklist(['BRIDGE', 'HOST', 'NONE', 'USER'])),
  parameters: v.optional(v.array(object({ key: f.someText, value: f.text })), []),
  portMappings: v.exactOptional(v.array(portMapping)),
  privileged: v.optional(f.flag, false),
});

/** Which of the four kinds it is shows in its members. */
const volume = object({
  containerPath: f.someText,
  mode: v.exactOptional(v.picklist(['RO', 'RW'])),
  hostPath: v.exactOptional(f.someText),
  persistent: v.exactOptional(f.persistent),
  external: v.exactOptional(
    object({
      name: v.exactOptional(f.text),
      provider: v.exactOptional(f.text),
      size: v.exactOptional(f.whole()),
      options: v.optional(record(v.unknown()), {}),
      shared: v.exactOptional(f.flag),
    }),
  ),
  secret: v.exactOptional(f.someText),
});

const container = object({
  type: v.optional(v.picklist(['DOCKER', 'MESOS']), 'DOCKER'),
  docker: v.exactOptional(docker),
  linuxInfo: v.exactOptional(f.linuxInfo),
  volumes: v.optional(v.array(volume), []),
  portMappings: v.exactOptional(v.array(portMapping)),
});

const healthCheck = object({
  command: v.exactOptional(object({ value: f.someText })),
  gracePeriodSeconds: v.optional(f.seconds, 300),
  ignoreHttp1xx: v.optional(f.flag, false),
  intervalSeconds: v.optional(f.seconds, 60),
  maxConsecutiveFailures: v.optional(f.whole(), 3),
  path: v.exactOptional(f.text),
  port: v.exactOptional(f.anyPort),
  portIndex: v.exactOptional(f.anyPort),
  protocol: v.optional(v.picklist(healthProtocols), 'HTTP'),
  ipProtocol: v.optional(v.picklist(['IPv4', 'IPv6']), 'IPv4'),
  timeoutSeconds: v.optional(f.seconds, 20),
  delaySeconds: v.optional(f.seconds, 15),
});

const checkTarget = { port: v.exactOptional(f.anyPort), portIndex: v.exactOptional(f.anyPort) };
const check = object({
  http: v.exactOptional(
    object({ ...checkTarget, path: v.exactOptional(f.shortText), scheme: v.optional(f.httpScheme, 'HTTP') }),
  ),
  tcp: v.exactOptional(object(checkTarget)),
  exec: v.exactOptional(f.execCheck),
  intervalSeconds: v.optional(f.seconds, 60),
  timeoutSeconds: v.optional(f.seconds, 20),
  delaySeconds: v.optional(f.seconds, 15),
});

const readinessCheck = object({
  name: v.optional(f.someText, 'readinessCheck'),
  protocol: v.optional(f.httpScheme, 'HTTP'),
  path: v.optional(f.shortText, '/'),
  portName: v.optional(f.legacyName, 'http-api'),
  intervalSeconds: v.optional(f.seconds, 30),
  timeoutSeconds: v.optional(f.whole(1), 10),
  httpStatusCodesForReady: v.optional(v.pipe(v.array(f.whole(100, 999)), v.minLength(1)), [200]),
  preserveLastResponse: v.optional(f.flag, false),
});

const ipAddress = object({
  discovery: v.exactOptional(
    object({
      ports: v.optional(
        v.array(
          object({
            number: v.optional(f.anyPort, 0),
            name: f.legacyName,
            protocol: f.protocol,
            labels: labelsOrNone,
          }),
        ),
        [],
      ),
    }),
  ),
  groups: v.exactOptional(f.texts),
  labels: labelsOrNone,
  networkName: v.exactOptional(f.someText),
});

const scalingOrDisabled = 'must be an object, or "disabled"';
const autoscaling = f.textOr(
  v.picklist(['disabled'], scalingOrDisabled),
  object(
    {
      minInstances: v.optional(f.whole(1), 1),
      maxInstances: f.whole(1),
      target: object({
        metric: v.picklist(['cpus', 'mem', 'requests']),
        value: v.pipe(v.number(), v.minValue(0.001), v.maxValue(1_000_000_000)),
        portIndex: v.exactOptional(f.whole()),
        path: v.exactOptional(f.someText),
        counter: v.exactOptional(f.someText),
      }),
      scaleUpCooldownSeconds: v.optional(f.seconds, 60),
      scaleDownCooldownSeconds: v.optional(f.seconds, 300),
    },
    scalingOrDisabled,
  ),
);

/** An app, or as much of one as an update says. Unknown members are dropped. */
export const appSchema = object({
  id: v.exactOptional(f.text),
  acceptedResourceRoles: v.exactOptional(f.texts),
  args: v.exactOptional(f.texts),
  autoscaling: v.exactOptional(autoscaling),
  backoffFactor: v.exactOptional(v.pipe(v.number(), v.minValue(1), v.maxValue(1_000_000))),
  backoffSeconds: v.exactOptional(f.seconds),
  check: v.exactOptional(check),
  cmd: v.exactOptional(f.someText),
  constraints: v.exactOptional(v.array(f.texts)),
  container: v.exactOptional(container),
  cpus: v.exactOptional(f.amount(0.001)),
  dependencies: v.exactOptional(f.texts),
  disk: v.exactOptional(f.amount()),
  env: v.exactOptional(f.env),
  executor: v.exactOptional(f.text),
  executorResources: v.exactOptional(f.executorResources),
  fetch: v.exactOptional(v.array(f.artifact)),
  gpus: v.exactOptional(f.whole()),
  healthChecks: v.exactOptional(v.array(healthCheck)),
  instances: v.exactOptional(f.instances),
  ipAddress: v.exactOptional(ipAddress),
  killSelection: v.exactOptional(f.killSelection),
  labels: v.exactOptional(f.labels),
  maxLaunchDelaySeconds: v.exactOptional(f.seconds),
  mem: v.exactOptional(f.amount()),
  networks: v.exactOptional(v.array(f.network)),
  portDefinitions: v.exactOptional(v.array(portDefinition)),
  ports: v.exactOptional(v.array(f.anyPort)),
  readinessChecks: v.exactOptional(v.array(readinessCheck)),
  requirePorts: v.exactOptional(f.flag),
  residency: v.exactOptional(
    object({
      relaunchEscalationTimeoutSeconds: v.exactOptional(f.longSeconds),
      taskLostBehavior: v.exactOptional(v.picklist(['WAIT_FOREVER', 'RELAUNCH_AFTER_TIMEOUT'])),
    }),
  ),
  resourceLimits: v.exactOptional(f.resourceLimits),
  role: v.exactOptional(f.someText),
  secrets: v.exactOptional(f.secrets),
  taskKillGracePeriodSeconds: v.exactOptional(f.seconds),
  tty: v.exactOptional(f.flag),
  unreachableStrategy: v.exactOptional(f.unreachableStrategy),
  upgradeStrategy: v.exactOptional(f.upgrade),
  uris: v.exactOptional(v.array(f.shortText)),
  user: v.exactOptional(f.text),
  version: v.exactOptional(f.moment),
});

export const appListSchema = v.array(appSchema);

export type RawApp = v.InferOutput<typeof appSchema>;
export type RawContainer = v.InferOutput<typeof container>;
export type RawPortMapping = v.InferOutput<typeof portMapping>;
export type RawPortDefinition = v.InferOutput<typeof portDefinition>;
export type RawVolume = v.InferOutput<typeof volume>;
export type RawHealthCheck = v.InferOutput<typeof healthCheck>;
export type RawAutoscaling = v.InferOutput<typeof autoscaling>;
export type RawCheck = v.InferOutput<typeof check>;
export type RawNetwork = v.InferOutput<typeof f.network>;
