// From a container spec to what Docker's create call takes. Pure but for the look at bind paths, which is passed in. Out: the body, or everything that is
// wrong with the spec, for people.
import { isAbsolute, join, normalize } from 'node:path';
import type { ContainerCreateOptions, HostConfig, MountSettings } from 'dockerode';
import { shown } from '../base/errors.js';
import { networkProblem } from '../protocol/validate-container.js';
import type { ContainerSpec } from './containerizer.js';
import type { CreateBody } from './docker-create.js';
import { applyParameters } from './docker-parameters.js';
import type { DockerPolicy } from './docker-policy.js';

/** Where the sandbox appears inside a container; `PROFFER_SANDBOX` says so there. */
export const sandboxInside = '/mnt/proffer/sandbox';

/** A label every container carries; its value is the container id. */
export const containerLabel = 'proffer.containerizer.id';

/** The engine's name for a container. */
export function dockerName(containerId: string): string {
  return `proffer-${containerId.replaceAll(/[^\w.-]/g, '_')}`;
}

/** Capabilities of Docker's default set that ordinary images do without: raw sockets, devices, audit, file capabilities. */
const droppedCapabilities = ['AUDIT_WRITE', 'MKNOD', 'NET_RAW', 'SETFCAP'];

/** Mounting one of these, or what lies in it, hands over the machine. */
const refusedHostPaths = ['/boot', '/dev', '/etc', '/proc', '/run', '/sys', '/var/lib/docker', '/var/run'];

const cpuPeriodUs = 100_000;
const memoryMinBytes = 6 * 1024 * 1024;

/**
 * The create call for `spec`, with defaults that run ordinary images (root inside, low ports, several users) and no more: no new privileges, no raw sockets,
 * memory without swap. `realPath` resolves links of a host path (undefined: not there). A string list says all that is wrong.
 */
export function dockerCreateOptions(
  spec: ContainerSpec,
  policy: DockerPolicy,
  realPath: (path: string) => string | undefined,
): CreateBody | readonly string[] {
  const docker = spec.container?.docker;
  if (docker === undefined) return ['container.docker is missing: a DOCKER container needs an image'];
  const problems: string[] = [];
  const network = networkMode(docker.network);
  const notNetwork = networkProblem(network);
  if (notNetwork !== undefined) problems.push(`container.docker.network ${shown(network)} ${notNetwork}`);
  const privileged = docker.privileged === true;
  if (privileged && policy.allowPrivileged !== true)
    problems.push('container.docker.privileged is not allowed on this agent');
  const body: CreateBody = {
    name: dockerName(spec.containerId),
    Image: docker.image,
    Env: Object.entries({ ...spec.env, PROFFER_SANDBOX: sandboxInside }).map(([name, value]) => `${name}=${value}`),
    Labels: { ...spec.labels, [containerLabel]: spec.containerId },
    AttachStdout: false,
    AttachStderr: false,
    ...(spec.container?.tty === true ? { Tty: true } : {}),
    ...entry(spec),
    // The framework's user is one of this machine; the image has its own.
    ...(spec.command?.user === undefined ? {} : { User: spec.command.user }),
    ...(spec.container?.hostname === undefined || network === 'host' ? {} : { Hostname: spec.container.hostname }),
    HostConfig: {
      NetworkMode: network,
      ...limits(spec),
      PidsLimit: policy.pidsMax ?? 4096,
      Mounts: mounts(spec, policy, realPath, problems),
      LogConfig: {
        Type: 'json-file',
        Config: { 'max-size': String(policy.engineLogBytes ?? 10 * 1024 * 1024), 'max-file': '2' },
      },
      ...(privileged
        ? { Privileged: true }
        : { SecurityOpt: ['no-new-privileges'], CapDrop: [...droppedCapabilities] }),
      // Programs expect to write there, also where nothing else can be written.
      ...(docker.readOnly === true ? { ReadonlyRootfs: true, Tmpfs: { '/tmp': 'rw,nosuid,nodev,size=64m' } } : {}),
    },
  };
  addPorts(body, spec, network, problems);
  applyParameters(body, docker.parameters ?? [], policy.allowPrivileged === true, problems);
  return problems.length > 0 ? problems : body;
}

// A shell line replaces the image's entrypoint, as it would with `docker run --entrypoint`; an argv goes to it.
function entry({ command }: ContainerSpec): Pick<ContainerCreateOptions, 'Entrypoint' | 'Cmd'> {
  if (command?.value !== undefined) return { Entrypoint: ['/bin/sh', '-c'], Cmd: [command.value] };
  if (command?.argv !== undefined && command.argv.length > 0) return { Cmd: [...command.argv] };
  return {};
}

function limits({ cpusMilli, cpusLimitMilli, memLimitBytes }: ContainerSpec): HostConfig {
  const memory = memLimitBytes === undefined ? undefined : Math.max(memoryMinBytes, Math.floor(memLimitBytes));
  return {
    CpuShares: Math.min(262_144, Math.max(2, Math.round((cpusMilli * 1024) / 1000))),
    ...(cpusLimitMilli === undefined
      ? {}
      : { CpuPeriod: cpuPeriodUs, CpuQuota: Math.max(1000, cpusLimitMilli * (cpuPeriodUs / 1000)) }),
    ...(memory === undefined ? {} : { Memory: memory, MemorySwap: memory }),
  };
}

function networkMode(network: string | undefined): string {
  const name = network ?? 'BRIDGE';
  return name === 'BRIDGE' || name === 'HOST' || name === 'NONE' ? name.toLowerCase() : name;
}

function addPorts(body: CreateBody, spec: ContainerSpec, network: string, problems: string[]): void {
  const mappings = spec.container?.docker?.portMappings ?? [];
  if (mappings.length === 0) return;
  if (network === 'host' || network === 'none') {
    problems.push(`container.docker.portMappings need a network of the container's own, not ${network.toUpperCase()}`);
    return;
  }
  const exposed: { [port: string]: Record<string, never> } = {};
  const bindings: { [port: string]: { HostPort: string }[] } = {};
  for (const { containerPort, hostPort, protocol } of mappings) {
    const port = `${containerPort}/${protocol ?? 'tcp'}`;
    exposed[port] = {};
    (bindings[port] ??= []).push({ HostPort: String(hostPort) });
  }
  body.ExposedPorts = exposed;
  body.HostConfig.PortBindings = bindings;
}

function mounts(
  spec: ContainerSpec,
  policy: DockerPolicy,
  realPath: (path: string) => string | undefined,
  problems: string[],
): MountSettings[] {
  const out: MountSettings[] = [{ Type: 'bind', Source: spec.sandbox, Target: sandboxInside }];
  for (const [index, volume] of (spec.container?.volumes ?? []).entries()) {
    const path = `container.volumes[${index}]`;
    const target = isAbsolute(volume.containerPath) ? volume.containerPath : join(sandboxInside, volume.containerPath);
    const readOnly = volume.mode === 'RO' ? { ReadOnly: true } : {};
    if (normalize(target) === '/') problems.push(`${path}.containerPath must not be /`);
    if (volume.external !== undefined) {
      const { driver, name, options = {} } = volume.external;
      // Of the engine's own driver options can mount anything of the machine.
      if (driver === 'local' && Object.keys(options).length > 0 && policy.allowPrivileged !== true)
        problems.push(`${path}.external.options of the driver local are not allowed on this agent`);
      const config = { NoCopy: false, Labels: {}, DriverConfig: { Name: driver, Options: { ...options } } };
      out.push({ Type: 'volume', Source: name, Target: target, ...readOnly, VolumeOptions: config });
      continue;
    }
    if (volume.hostPath === undefined) {
      out.push({ Type: 'volume', Source: '', Target: target, ...readOnly });
      continue;
    }
    const source = isAbsolute(volume.hostPath) ? normalize(volume.hostPath) : join(spec.sandbox, volume.hostPath);
    const inSandbox = !isAbsolute(volume.hostPath);
    const real = realPath(source);
    if (
      inSandbox ? !isWithin(real ?? source, realPath(spec.sandbox) ?? spec.sandbox) : isRefused(real ?? source, policy)
    ) {
      problems.push(`${path}.hostPath ${shown(volume.hostPath)} may not be mounted on this agent`);
    } else if (real === undefined) {
      problems.push(`${path}.hostPath ${shown(volume.hostPath)} does not exist on this agent`);
    } else {
      out.push({ Type: 'bind', Source: real, Target: target, ...readOnly });
    }
  }
  for (const [index, { source, containerPath, mode }] of (spec.volumes ?? []).entries()) {
    const target = normalize(isAbsolute(containerPath) ? containerPath : join(sandboxInside, containerPath));
    // The agent's own directory: what may be mounted of this machine is not asked.
    if (target === '/' || target === sandboxInside || containerPath.split('/').includes('..'))
      problems.push(`persistent volume ${index}: containerPath ${shown(containerPath)} cannot be mounted`);
    else out.push({ Type: 'bind', Source: source, Target: target, ...(mode === 'RO' ? { ReadOnly: true } : {}) });
  }
  return out;
}

function isRefused(path: string, policy: DockerPolicy): boolean {
  if ((policy.allowedHostPaths ?? []).some(allowed => isWithin(path, allowed))) return false;
  const refused = [...refusedHostPaths, ...(policy.refusedHostPaths ?? [])];
  // What contains a refused path is refused with it: `/` above all.
  return path.endsWith('docker.sock') || refused.some(dir => isWithin(path, dir) || isWithin(dir, path));
}

function isWithin(path: string, dir: string): boolean {
  return path === dir || path.startsWith(dir.endsWith('/') ? dir : `${dir}/`);
}
