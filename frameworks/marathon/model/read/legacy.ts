// The older ways of writing an app, translated: `uris`, `ports`, `ipAddress`, `container.docker.network` and `.portMappings`. In: a parsed app
// or update. Out: the same without them. Adds no defaults, so that an update still says only what it said.
import { present } from '../present.js';
import type { Report } from '../refusal.js';
import type { RawApp, RawContainer, RawNetwork, RawPortMapping } from '../schema/app.js';
import type { ModelSettings } from '../settings.js';

/** A parsed app in the newer form alone. */
export type CanonicalApp = Omit<RawApp, 'uris' | 'ports' | 'ipAddress'>;

export function withoutLegacy(raw: RawApp, settings: ModelSettings): CanonicalApp {
  const { uris: _uris, ports, ipAddress: _ipAddress, ...rest } = raw;
  return present({
    ...rest,
    fetch: fetchOf(raw),
    networks: networksOf(raw, settings),
    container: containerOf(raw),
    portDefinitions: raw.portDefinitions ?? ports?.map(port => ({ port, protocol: 'tcp' as const, labels: {} })),
  });
}

/** Reports old and new ways mixed, and old ways that say nothing any more. */
export function legacyProblems(raw: RawApp, report: Report): void {
  const { container, ipAddress, ports, portDefinitions } = raw;
  const docker = container?.docker;
  if (docker?.credential !== undefined)
    report('/container/docker/credential', 'is not supported any more; name a secret in pullConfig');
  if (docker?.network === 'NONE') report('/container/docker/network', 'NONE is not supported; leave it away');
  if (container?.type === 'MESOS' && docker !== undefined) {
    for (const field of ['network', 'parameters', 'portMappings'] as const) {
      if ((docker[field]?.length ?? 0) > 0)
        report(`/container/docker/${field}`, 'is for containers of type DOCKER only');
    }
  }
  if (some(docker?.portMappings) && some(container?.portMappings))
    report('/container/docker/portMappings', 'must not be given beside container.portMappings');
  if (some(raw.uris) && some(raw.fetch)) report('/uris', 'must not be given beside fetch');
  if (some(raw.networks)) {
    if (docker?.network !== undefined) report('/', 'must not have both container.docker.network and networks');
    if (ipAddress !== undefined) report('/', 'must not have both networks and ipAddress');
  }
  if (ipAddress !== undefined) {
    if (some(ports) || some(portDefinitions)) report('/', 'must not have both ipAddress and ports');
    if (ipAddress.discovery !== undefined && container?.type === 'DOCKER')
      report('/ipAddress', 'discovery is for containers of type MESOS only');
    if (some(ipAddress.discovery?.ports) && some(container?.portMappings))
      report('/ipAddress', 'discovery.ports must not be given beside container.portMappings');
  }
  if (ports !== undefined && portDefinitions !== undefined && ports.join() !== portDefinitions.map(d => d.port).join())
    report('/', 'must not have both ports and portDefinitions, unless they say the same');
}

function fetchOf({ uris, fetch }: RawApp): RawApp['fetch'] {
  if (!some(uris) || some(fetch)) return fetch;
  return uris.map(uri => ({ uri, extract: isArchive(uri), executable: false, cache: false }));
}

function isArchive(uri: string): boolean {
  return /\.(tgz|tar\.gz|tbz2|tar\.bz2|txz|tar\.xz|zip)$/i.test(uri);
}

function networksOf({ ipAddress, container, networks }: RawApp, settings: ModelSettings): RawApp['networks'] {
  if (networks !== undefined && networks.length > 0) return networks;
  const mode = container?.docker?.network;
  const labels = ipAddress?.labels ?? {};
  const user = (): RawNetwork => present({ mode: 'container' as const, name: ipAddress?.networkName, labels });
  switch (mode) {
    case 'HOST':
      return [{ mode: 'host', labels: {} }];
    case 'BRIDGE':
      return [{ mode: 'container/bridge', labels }];
    case 'USER':
      return [user()];
    default:
      if (ipAddress === undefined) return networks;
      return [ipAddress.networkName === settings.mesosBridgeName ? { mode: 'container/bridge', labels } : user()];
  }
}

function containerOf({ container, ipAddress }: RawApp): RawContainer | undefined {
  // An address of its own without a container means an empty one.
  const given = container ?? (ipAddress === undefined ? undefined : { type: 'MESOS' as const, volumes: [] });
  if (given === undefined) return undefined;
  const discovered = ipAddress?.discovery?.ports.map(
    ({ number, name, protocol, labels }): RawPortMapping => ({
      containerPort: number,
      name,
      protocol,
      labels,
      servicePort: 0,
      networkNames: [],
    }),
  );
  const portMappings = [given.portMappings, given.docker?.portMappings, discovered].find(some);
  return present({
    ...given,
    docker: given.docker && newerDocker(given.docker),
    portMappings: portMappings ?? given.portMappings ?? given.docker?.portMappings,
  });
}

function newerDocker(docker: NonNullable<RawContainer['docker']>): NonNullable<RawContainer['docker']> {
  const { credential: _credential, network: _network, portMappings: _portMappings, ...rest } = docker;
  return rest;
}

function some<T>(items: readonly T[] | undefined): items is readonly T[] {
  return items !== undefined && items.length > 0;
}
