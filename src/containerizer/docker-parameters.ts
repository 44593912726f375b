// `container.docker.parameters`: flags of `docker run` that have no field of their own. In: key and value as on the command line. Out: changes to the create
// call; what is unknown, malformed or not allowed is said, all at once.
import { messageOf, shown } from '../base/errors.js';
import { parseBytes } from '../base/units.js';
import type { CreateBody } from './docker-create.js';

type Apply = (body: CreateBody, value: string) => void;

/** Flags that give no more power than any container has. */
const plain: { readonly [key: string]: Apply } = {
  'add-host': (body, value) => {
    body.HostConfig.ExtraHosts = [...list(body.HostConfig.ExtraHosts), value];
  },
  'cap-drop': (body, value) => {
    body.HostConfig.CapDrop = [...list(body.HostConfig.CapDrop), capability(value)];
  },
  'cpuset-cpus': (body, value) => {
    body.HostConfig.CpusetCpus = value;
  },
  dns: (body, value) => {
    body.HostConfig.Dns = [...list(body.HostConfig.Dns), value];
  },
  'dns-search': (body, value) => {
    body.HostConfig.DnsSearch = [...list(body.HostConfig.DnsSearch), value];
  },
  entrypoint: (body, value) => {
    body.Entrypoint = [value];
  },
  env: (body, value) => {
    body.Env = [...(body.Env ?? []), value];
  },
  'group-add': (body, value) => {
    body.HostConfig.GroupAdd = [...(body.HostConfig.GroupAdd ?? []), value];
  },
  hostname: (body, value) => {
    body.Hostname = value;
  },
  init: (body, value) => {
    body.HostConfig.Init = value !== 'false';
  },
  label: (body, value) => {
    const [name, text] = pair(value);
    body.Labels = { ...body.Labels, [name]: text };
  },
  'read-only': (body, value) => {
    body.HostConfig.ReadonlyRootfs = value !== 'false';
  },
  'shm-size': (body, value) => {
    body.HostConfig.ShmSize = parseBytes(unit(value));
  },
  'stop-signal': (body, value) => {
    body.StopSignal = value;
  },
  tmpfs: (body, value) => {
    const [path, options] = [value.split(':', 1)[0] ?? '', value.split(':').slice(1).join(':')];
    body.HostConfig.Tmpfs = { ...body.HostConfig.Tmpfs, [path]: options };
  },
  ulimit: (body, value) => {
    const [name, range] = pair(value);
    const [soft, hard = soft] = range.split(':').map(Number);
    if (soft === undefined || !Number.isInteger(soft) || !Number.isInteger(hard))
      throw new Error('name=soft:hard is expected');
    body.HostConfig.Ulimits = [...(body.HostConfig.Ulimits ?? []), { Name: name, Soft: soft, Hard: hard ?? soft }];
  },
  user: (body, value) => {
    body.User = value;
  },
  workdir: (body, value) => {
    body.WorkingDir = value;
  },
};

/** Flags that can hand over the machine, for agents that allow privileged containers. */
const privileged: { readonly [key: string]: Apply } = {
  'cap-add': (body, value) => {
    body.HostConfig.CapAdd = [...list(body.HostConfig.CapAdd), capability(value)];
    body.HostConfig.CapDrop = list(body.HostConfig.CapDrop).filter(name => name !== capability(value));
  },
  device: (body, value) => {
    const [onHost = '', inside = onHost, rights = 'rwm'] = value.split(':');
    const device = { PathOnHost: onHost, PathInContainer: inside, CgroupPermissions: rights };
    body.HostConfig.Devices = [...((body.HostConfig.Devices ?? []) as object[]), device];
  },
  ipc: (body, value) => {
    body.HostConfig.IpcMode = value;
  },
  pid: (body, value) => {
    body.HostConfig.PidMode = value;
  },
  'security-opt': (body, value) => {
    body.HostConfig.SecurityOpt = [...list(body.HostConfig.SecurityOpt), value];
  },
  sysctl: (body, value) => {
    const [name, text] = pair(value);
    body.HostConfig.Sysctls = { ...body.HostConfig.Sysctls, [name]: text };
  },
};

/** Applies `parameters` to `body` and adds what is wrong to `problems`. */
export function applyParameters(
  body: CreateBody,
  parameters: readonly { readonly key: string; readonly value: string }[],
  allowPrivileged: boolean,
  problems: string[],
): void {
  for (const [index, { key, value }] of parameters.entries()) {
    const path = `container.docker.parameters[${index}]`;
    const name = key.replace(/^--/, '');
    const apply = Object.hasOwn(plain, name)
      ? plain[name]
      : Object.hasOwn(privileged, name)
        ? privileged[name]
        : undefined;
    if (apply === undefined) {
      problems.push(
        `${path}: ${shown(key)} is not one of ${[...Object.keys(plain), ...Object.keys(privileged)].toSorted().join(', ')}`,
      );
    } else if (!allowPrivileged && Object.hasOwn(privileged, name)) {
      problems.push(`${path}: ${shown(key)} is not allowed on this agent (it allows no privileged containers)`);
    } else {
      try {
        apply(body, value);
      } catch (error) {
        problems.push(`${path}: ${shown(key)} with the value ${shown(value)}: ${messageOf(error)}`);
      }
    }
  }
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? (value as string[]) : [];
}

function pair(value: string): [name: string, text: string] {
  const at = value.indexOf('=');
  return at < 0 ? [value, ''] : [value.slice(0, at), value.slice(at + 1)];
}

function capability(value: string): string {
  return value.toUpperCase().replace(/^CAP_/, '');
}

/** Docker's `64m` in our notation. */
function unit(value: string): string {
  const suffix: { readonly [letter: string]: string } = { b: 'B', k: 'KiB', m: 'MiB', g: 'GiB' };
  return value.replace(/([bkmg])b?$/i, (_, letter: string) => suffix[letter.toLowerCase()] ?? '');
}
