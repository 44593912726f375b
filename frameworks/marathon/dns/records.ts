// The records of one app or pod. In: its names, its tasks, addresses of agents. Out: nodes by their whole names. Pure.
import { isIPv4, isIPv6 } from 'node:net';
import { declaredPortsOf, portAt, servingTasksOf } from '../discovery/ports.js';
import type { DeclaredPort } from '../discovery/ports.js';
import type { DiscoveryView } from '../discovery/view.js';
import { hostnameOf } from '../model/path.js';
import type { RunSpec } from '../model/run-spec.js';
import { labelOf, nameMax, taskNameOf } from './names.js';

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

/** Addresses by their kind. Those of one link alone are left out. */
export function addressNode(addresses: readonly string[]): Node {
  return {
    a: addresses.filter(address => isIPv4(address)),
    aaaa: addresses.filter(address => isIPv6(address) && !address.includes('%')),
    srv: [],
  };
}

/** Where the names of an app or pod end, and how agents are found. */
export interface RecordOptions {
  /** `marathon.mesos`. */
  readonly top: string;
  /** `marathon.slave.mesos`. */
  readonly below: string;
  readonly addressesOf: (host: string) => readonly string[];
}

/** All names of an app or pod with their records; its own exist also while nothing serves. */
export function recordsOf(
  view: Pick<DiscoveryView, 'instancesOf' | 'specOf'>,
  spec: RunSpec,
  names: readonly string[],
  { top, below, addressesOf }: RecordOptions,
): Map<string, Node> {
  const drafts = new Drafts();
  for (const name of names) drafts.at(`${name}.${top}`);
  const own = labelOf(hostnameOf(spec.id));
  const byHost = memo((host: string) => addressNode(addressesOf(host)));
  const servicesOf = memo((startedWith: RunSpec) =>
    declaredPortsOf(startedWith).map(port => ({ port, ...serviceNamesOf(names, port, top, below) })),
  );
  for (const serving of servingTasksOf(view, spec)) {
    const { instance, task, host, ip } = serving;
    const onHost = byHost(host);
    const at = ip === undefined ? onHost : addressNode([ip]);
    const name = taskNameOf(own, task.id, instance.place?.agentId ?? '');
    drafts.put(`${name}.${top}`, at);
    drafts.put(`${name}.${below}`, onHost);
    for (const each of names) {
      drafts.addAddresses(`${each}.${top}`, at);
      drafts.addAddresses(`${each}.${below}`, onHost);
    }
    for (const { port, services, hostServices } of servicesOf(serving.spec)) {
      if (port.container !== task.container) continue;
      const number = portAt(serving, port);
      const hostPort = port.hostIndex === undefined ? undefined : task.hostPorts[port.hostIndex];
      if (number !== undefined && isKnown(at)) drafts.addService(services, `${name}.${top}`, number);
      if (hostPort !== undefined && isKnown(onHost)) drafts.addService(hostServices, `${name}.${below}`, hostPort);
    }
  }
  return drafts.nodes;
}

function serviceNamesOf(
  names: readonly string[],
  port: DeclaredPort,
  top: string,
  below: string,
): { readonly services: readonly string[]; readonly hostServices: readonly string[] } {
  const label = labelOf(port.name ?? '');
  const protocols = [...(port.tcp ? ['_tcp'] : []), ...(port.udp ? ['_udp'] : [])];
  const services = protocols.flatMap(protocol => names.map(name => `_${name}.${protocol}`));
  return {
    services: services.flatMap(name => [`${name}.${top}`, ...(label === '' ? [] : [`_${label}.${name}.${top}`])]),
    hostServices: services.map(name => `${name}.${below}`),
  };
}

function isKnown({ a, aaaa }: Node): boolean {
  return a.length + aaaa.length > 0;
}

interface Draft {
  readonly a: string[];
  readonly aaaa: string[];
  readonly srv: ServiceRecord[];
  readonly seen: Set<string>;
}

class Drafts {
  readonly nodes = new Map<string, Node>();
  readonly #drafts = new Map<string, Draft>();

  /** A name that several tasks share. */
  at(name: string): Draft {
    const known = this.#drafts.get(name);
    if (known !== undefined) return known;
    const draft: Draft = { a: [], aaaa: [], srv: [], seen: new Set() };
    this.#drafts.set(name, draft);
    this.put(name, draft);
    return draft;
  }

  /** A name that is done. What is too long cannot be asked for. */
  put(name: string, node: Node): void {
    if (name.length <= nameMax) this.nodes.set(name, node);
  }

  addAddresses(name: string, { a, aaaa }: Node): void {
    const draft = this.at(name);
    for (const address of a) if (isNew(draft, address)) draft.a.push(address);
    for (const address of aaaa) if (isNew(draft, address)) draft.aaaa.push(address);
  }

  addService(names: readonly string[], target: string, port: number): void {
    if (target.length > nameMax) return;
    for (const name of names) {
      const draft = this.at(name);
      if (isNew(draft, `${target}:${port}`)) draft.srv.push({ target, port });
    }
  }
}

function isNew({ seen }: Draft, text: string): boolean {
  if (seen.has(text)) return false;
  seen.add(text);
  return true;
}

function memo<Key, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>();
  return key => {
    const before = known.get(key);
    if (before !== undefined) return before;
    const value = make(key);
    known.set(key, value);
    return value;
  };
}
