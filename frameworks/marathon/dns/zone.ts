// The zone: every name with its records. In: Marathon's view, addresses of agents. Out: names as Mesos-DNS gives them, for tasks that run and are healthy. Pure.
import { isIPv4, isIPv6 } from 'node:net';
import { declaredPortsOf, portAt, servingTasksOf } from '../discovery/ports.js';
import type { ServingTask } from '../discovery/ports.js';
import type { DiscoveryView } from '../discovery/view.js';
import { runSpecsOf } from '../model/group.js';
import type { RunSpec } from '../model/run-spec.js';
import { labelOf, nameMax, namesOf, taskNameOf } from './names.js';

/** A service at a name: `target` has the address. */
export interface ServiceRecord {
  readonly target: string;
  readonly port: number;
}

/** What is at one name. Nothing at all is a name that exists, but has only others below it or no task now. */
export interface Node {
  readonly a: readonly string[];
  readonly aaaa: readonly string[];
  readonly srv: readonly ServiceRecord[];
}

/** All names, in lower case and without a dot at the end. */
export interface Zone {
  readonly domain: string;
  /** The name of the server itself. */
  readonly server: string;
  readonly nodes: ReadonlyMap<string, Node>;
}

/** Where something is, in numbers. */
export interface Spot {
  readonly addresses: readonly string[];
  readonly port: number;
}

export interface ZoneOptions {
  /** As labels, in lower case, such as `mesos`. */
  readonly domain: string;
  /** The name of the framework below it. */
  readonly framework: string;
  /** Where the DNS server can be asked. */
  readonly serverAddresses: readonly string[];
  /** Where the framework's API is. */
  readonly frameworkAt?: Spot;
  /** The addresses of an agent or master that is known by name; none: it has no records yet. */
  readonly addressesOf: (host: string) => readonly string[];
}

/** What can be asked now. */
export function zoneOf(view: Omit<DiscoveryView, 'changes$'>, options: ZoneOptions): Zone {
  const { domain, framework, frameworkAt, serverAddresses, addressesOf } = options;
  const builder = new Builder(domain);
  const server = `ns1.${domain}`;
  builder.addresses(server, serverAddresses);
  addMaster(builder, domain, view.master, addressesOf);
  const top = `${framework}.${domain}`;
  builder.touch(top);
  if (frameworkAt !== undefined) {
    builder.addresses(top, frameworkAt.addresses);
    builder.service(`_framework._tcp.${top}`, top, frameworkAt.port);
  }
  const specs = [...runSpecsOf(view.root)];
  const names = namesOf(specs.map(({ id }) => id));
  for (const spec of specs) {
    const own = names.get(spec.id) ?? [];
    for (const name of own) builder.touch(`${name}.${top}`);
    for (const serving of servingTasksOf(view, spec)) addTask(builder, options, own, spec, serving);
  }
  return { domain, server, nodes: builder.done() };
}

function addTask(
  builder: Builder,
  { domain, framework, addressesOf }: ZoneOptions,
  names: readonly string[],
  { id }: RunSpec,
  serving: ServingTask,
): void {
  const { instance, task, spec, host, ip } = serving;
  const onHost = addressesOf(host);
  const at = ip === undefined ? onHost : [ip];
  const name = taskNameOf(id, task.id, instance.place?.agentId ?? '');
  const top = `${framework}.${domain}`;
  const below = `${framework}.slave.${domain}`;
  for (const each of [name, ...names]) {
    builder.addresses(`${each}.${top}`, at);
    builder.addresses(`${each}.${below}`, onHost);
  }
  for (const port of declaredPortsOf(spec)) {
    if (port.container !== task.container) continue;
    const number = portAt(serving, port);
    const hostPort = port.hostIndex === undefined ? undefined : task.hostPorts[port.hostIndex];
    const portLabel = labelOf(port.name ?? '');
    for (const protocol of [...(port.tcp ? ['_tcp'] : []), ...(port.udp ? ['_udp'] : [])]) {
      for (const each of names) {
        if (number !== undefined && at.length > 0) {
          builder.service(`_${each}.${protocol}.${top}`, `${name}.${top}`, number);
          if (portLabel !== '') builder.service(`_${portLabel}._${each}.${protocol}.${top}`, `${name}.${top}`, number);
        }
        if (hostPort !== undefined && onHost.length > 0)
          builder.service(`_${each}.${protocol}.${below}`, `${name}.${below}`, hostPort);
      }
    }
  }
}

/** The host and port in `host:port` or a URL; undefined when there is none. */
export function hostPortOf(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:[a-z]+:\/\/)?(?:\[([0-9a-f:.]+)\]|([^:/[\]]+)):(\d{1,5})(?:\/.*)?$/i.exec(text);
  if (match === null) return undefined;
  return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) };
}

// Of all masters only the one that leads is known here.
function addMaster(
  builder: Builder,
  domain: string,
  master: string | undefined,
  addressesOf: ZoneOptions['addressesOf'],
): void {
  const parts = master === undefined ? undefined : hostPortOf(master);
  for (const name of ['leader', 'master', 'master0']) {
    builder.touch(`${name}.${domain}`);
    if (parts !== undefined) builder.addresses(`${name}.${domain}`, addressesOf(parts.host));
  }
  if (parts === undefined || addressesOf(parts.host).length === 0) return;
  for (const name of ['leader', 'master']) {
    for (const protocol of ['_tcp', '_udp'])
      builder.service(`_${name}.${protocol}.${domain}`, `${name}.${domain}`, parts.port);
  }
}

interface Draft {
  readonly a: Set<string>;
  readonly aaaa: Set<string>;
  readonly srv: Map<string, ServiceRecord>;
}

class Builder {
  readonly #nodes = new Map<string, Draft>();
  readonly #domain: string;

  constructor(domain: string) {
    this.#domain = domain;
    this.#nodes.set(domain, { a: new Set(), aaaa: new Set(), srv: new Map() });
  }

  /** Makes a name exist, with those above it. */
  touch(name: string): Draft {
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    const draft: Draft = { a: new Set(), aaaa: new Set(), srv: new Map() };
    // What is too long cannot be asked for.
    if (name.length > nameMax) return draft;
    this.#nodes.set(name, draft);
    const dot = name.indexOf('.');
    if (name !== this.#domain && dot !== -1) this.touch(name.slice(dot + 1));
    return draft;
  }

  addresses(name: string, addresses: readonly string[]): void {
    const draft = this.touch(name);
    for (const address of addresses) {
      if (isIPv4(address)) draft.a.add(address);
      // With a zone it means something on one machine alone.
      else if (isIPv6(address) && !address.includes('%')) draft.aaaa.add(address);
    }
  }

  service(name: string, target: string, port: number): void {
    if (target.length <= nameMax) this.touch(name).srv.set(`${target}:${port}`, { target, port });
  }

  done(): Map<string, Node> {
    const nodes = new Map<string, Node>();
    for (const [name, { a, aaaa, srv }] of this.#nodes)
      nodes.set(name, { a: [...a], aaaa: [...aaaa], srv: [...srv.values()] });
    return nodes;
  }
}
