// Shapes of what runs: commands, containers, checks, executors. In: leaf shapes and the cross-field rules of validate-container. Out: shapes.
import type {
  CheckInfo,
  CommandInfo,
  ContainerInfo,
  DiscoveryInfo,
  DockerInfo,
  ExecutorInfo,
  ExternalVolume,
  FetchUri,
  HealthCheckInfo,
  KillPolicy,
  PortMapping,
  Probe,
  TaskFile,
  VolumeMount,
} from '../entities.js';
import { containerTypes, ipProtocols } from '../entities.js';
import {
  base64Problem,
  commandRule,
  containerRule,
  dockerRule,
  executorRule,
  externalNameProblem,
  httpPathProblem,
  imageProblem,
  networkProblem,
  probeRule,
  uriProblem,
} from '../validate-container.js';
import { envNameProblem, mountPathProblem, nameProblem, nulProblem, relativePathProblem } from '../validate-ids.js';
import * as leaves from './leaves.js';
import { boolean, list, object, oneOf, optional, record, refine, secretText, text, union, whole } from './shape.js';

const fetchUri = object<FetchUri>('a URI to fetch', {
  value: secretText(uriProblem, 'write http://…, https://… or file:///…'),
  executable: optional(boolean),
  extract: optional(boolean),
  outputFile: optional(text('a path', relativePathProblem)),
  cache: optional(boolean),
});

const taskFile = object<TaskFile>('a file', {
  path: text('a path', relativePathProblem),
  base64: secretText(base64Problem),
});

export const commandInfo = refine(
  object<CommandInfo>('a command', {
    value: optional(leaves.programText),
    argv: optional(list(leaves.programText, 'a list of strings, the program first', 1)),
    env: optional(record(secretText(nulProblem), 'an object of environment variables, each a string', envNameProblem)),
    uris: optional(list(fetchUri, 'a list of URIs to fetch')),
    files: optional(list(taskFile, 'a list of { path, base64 }')),
    user: optional(leaves.user),
  }),
  commandRule,
);

const portMapping = object<PortMapping>('a port mapping', {
  hostPort: leaves.port,
  containerPort: leaves.port,
  protocol: optional(oneOf(['tcp', 'udp'], 'a protocol')),
});

const dockerInfo = refine(
  object<DockerInfo>('a description of a Docker container', {
    image: text(
      'an image',
      imageProblem,
      'write for example nginx:1.27 or registry.example.com:5000/team/web@sha256:…',
    ),
    network: optional(text('a network', networkProblem, 'write BRIDGE, HOST, NONE or the name of a user network')),
    portMappings: optional(list(portMapping, 'a list of port mappings')),
    forcePullImage: optional(boolean),
    readOnly: optional(boolean),
    privileged: optional(boolean),
    parameters: optional(
      list(
        object<{ readonly key: string; readonly value: string }>('a parameter', {
          key: leaves.name,
          value: secretText(),
        }),
        'a list of { key, value }',
      ),
    ),
  }),
  dockerRule,
);

const volumeMount = object<VolumeMount>('a volume', {
  containerPath: text('a path', mountPathProblem),
  hostPath: optional(text('a path', mountPathProblem)),
  external: optional(
    object<ExternalVolume>('an external volume', {
      driver: text('a volume driver', externalNameProblem),
      name: text('a volume', externalNameProblem),
      options: optional(record(secretText(nulProblem), 'an object of options, each a string')),
    }),
  ),
  mode: oneOf(['RW', 'RO'], 'a mode'),
});

export const containerInfo = refine(
  object<ContainerInfo>('a container', {
    type: oneOf(containerTypes, 'a container type'),
    docker: optional(dockerInfo),
    volumes: optional(list(volumeMount, 'a list of volumes')),
    hostname: optional(leaves.hostname),
    tty: optional(boolean),
  }),
  containerRule,
);

const ipProtocol = optional(oneOf(ipProtocols, 'an IP protocol'));

const probe = refine(
  union<Probe>('a probe', {
    COMMAND: { command: commandInfo },
    HTTP: {
      port: leaves.port,
      path: optional(text('a path', httpPathProblem, 'write for example /health')),
      scheme: optional(oneOf(['http', 'https'], 'a scheme')),
      ipProtocol,
    },
    TCP: { port: leaves.port, ipProtocol },
  }),
  probeRule,
);

const checkFields = {
  probe,
  delayMs: optional(leaves.durationMs),
  intervalMs: optional(leaves.positiveMs),
  timeoutMs: optional(leaves.durationMs),
};

export const checkInfo = object<CheckInfo>('a check', checkFields);

export const healthCheckInfo = object<HealthCheckInfo>('a health check', {
  ...checkFields,
  gracePeriodMs: optional(leaves.durationMs),
  consecutiveFailures: optional(whole('a whole number, 0 or more', 0)),
});

export const killPolicy = object<KillPolicy>('a kill policy', { gracePeriodMs: optional(leaves.durationMs) });

type DiscoveryPort = NonNullable<DiscoveryInfo['ports']>[number];

export const discoveryInfo = object<DiscoveryInfo>('discovery info', {
  name: optional(text('a string', nameProblem)),
  ports: optional(
    list(
      object<DiscoveryPort>('a discovery port', {
        number: leaves.portOrNone,
        name: optional(leaves.printable),
        protocol: optional(leaves.printable),
        labels: optional(leaves.labels),
      }),
      'a list of ports',
    ),
  ),
});

export const executorInfo = refine(
  object<ExecutorInfo>('an executor', {
    executorId: leaves.id(),
    name: optional(leaves.printable),
    command: commandInfo,
    container: optional(containerInfo),
    resources: leaves.resources,
    data: optional(leaves.data),
    labels: optional(leaves.labels),
  }),
  executorRule,
);
