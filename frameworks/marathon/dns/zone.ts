// The zone: every name with its records, as Mesos-DNS names them. In: Marathon's view, addresses of agents. Out: what is at a name, for tasks that run and are
// healthy. Only what changed is made anew. No I/O.
import { Parts } from '../discovery/parts.js';
import type { DiscoveryView } from '../discovery/view.js';
import type { Group } from '../model/group.js';
import { runSpecsOf } from '../model/group.js';
import type { PathId } from '../model/path.js';
import type { RunSpec } from '../model/run-spec.js';
import { namesOf } from './names.js';
import { addressNode, recordsOf } from './records.js';
import type { Node, ServiceRecord } from './records.js';

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

interface Names {
  readonly root: Group;
  readonly byId: ReadonlyMap<PathId, readonly string[]>;
}

type Nodes = ReadonlyMap<string, Node>;
type Source = Omit<DiscoveryView, 'changes$'>;

const nothing: Node = { a: [], aaaa: [], srv: [] };

/** All names, in lower case and without a dot at the end. */
export class Zone {
  readonly domain: string;
  /** The name of the server itself. */
  readonly server: string;
  readonly #options: ZoneOptions;
  readonly #nodes = new Map<string, Node>();
  /** Names with others below them, and how many. */
  readonly #above = new Map<string, number>();
  readonly #parts = new Parts<Nodes>();
  #taken: ReadonlyMap<PathId, Nodes> = new Map();
  #own: Nodes = new Map();
  #names: Names | undefined;

  constructor(options: ZoneOptions) {
    this.domain = options.domain;
    this.server = `ns1.${options.domain}`;
    this.#options = options;
  }

  /** How many names have something of their own. */
  get size(): number {
    return this.#nodes.size;
  }

  /** Those names, in no order. */
  names(): Iterable<string> {
    return this.#nodes.keys();
  }

  /** What is at a name; undefined when there is no such name. */
  at(name: string): Node | undefined {
    return this.#nodes.get(name) ?? (this.#above.has(name) ? nothing : undefined);
  }

  /** Takes in what has changed. `addresses` is another whenever {@link ZoneOptions.addressesOf} says something else. */
  bring(view: Source, addresses?: unknown): this {
    const { domain, framework, addressesOf } = this.#options;
    const { byId } = this.#namesIn(view.root);
    const namesOfSpec = ({ id }: RunSpec): readonly string[] => byId.get(id) ?? [];
    const options = { top: `${framework}.${domain}`, below: `${framework}.slave.${domain}`, addressesOf };
    const make = (spec: RunSpec): Nodes => recordsOf(view, spec, namesOfSpec(spec), options);
    const parts = this.#parts.bring(view, addresses, make, spec => namesOfSpec(spec).join());
    for (const [id, nodes] of this.#taken) if (parts.get(id) !== nodes) this.#remove(nodes);
    for (const [id, nodes] of parts) if (this.#taken.get(id) !== nodes) this.#add(nodes);
    this.#taken = parts;
    this.#remove(this.#own);
    this.#own = ownNodes(this.server, this.#options, view.master);
    this.#add(this.#own);
    return this;
  }

  // Who has which name depends on all ids: others may take one away.
  #namesIn(root: Group): Names {
    if (this.#names?.root !== root) this.#names = { root, byId: namesOf([...runSpecsOf(root)].map(({ id }) => id)) };
    return this.#names;
  }

  #add(nodes: Nodes): void {
    for (const [name, node] of nodes) {
      if (this.#nodes.has(name)) continue;
      this.#nodes.set(name, node);
      for (const above of this.#ancestorsOf(name)) this.#above.set(above, (this.#above.get(above) ?? 0) + 1);
    }
  }

  #remove(nodes: Nodes): void {
    for (const [name, node] of nodes) {
      if (this.#nodes.get(name) !== node) continue;
      this.#nodes.delete(name);
      for (const above of this.#ancestorsOf(name)) {
        const left = (this.#above.get(above) ?? 0) - 1;
        if (left > 0) this.#above.set(above, left);
        else this.#above.delete(above);
      }
    }
  }

  *#ancestorsOf(name: string): Generator<string, void> {
    const end = name.length - this.domain.length;
    for (let dot = name.indexOf('.'); dot !== -1 && dot < end; dot = name.indexOf('.', dot + 1))
      yield name.slice(dot + 1);
  }
}

/** The zone of a view. */
export function zoneOf(view: Source, options: ZoneOptions): Zone {
  return new Zone(options).bring(view);
}

/** The host and port in `host:port` or a URL; undefined when there is none. */
export function hostPortOf(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:[a-z]+:\/\/)?(?:\[([0-9a-f:.]+)\]|([^:/[\]]+)):(\d{1,5})(?:\/.*)?$/i.exec(text);
  if (match === null) return undefined;
  return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) };
}

// The server itself, the framework, and of all masters the one that leads: of others nothing is known here.
function ownNodes(
  server: string,
  { domain, framework, frameworkAt, serverAddresses, addressesOf }: ZoneOptions,
  master: string | undefined,
): Nodes {
  const top = `${framework}.${domain}`;
  const nodes = new Map<string, Node>([
    [domain, nothing],
    [server, addressNode(serverAddresses)],
    [top, frameworkAt === undefined ? nothing : addressNode(frameworkAt.addresses)],
  ]);
  const service = (name: string, record: ServiceRecord): unknown => nodes.set(name, { ...nothing, srv: [record] });
  if (frameworkAt !== undefined) service(`_framework._tcp.${top}`, { target: top, port: frameworkAt.port });
  const spot = master === undefined ? undefined : hostPortOf(master);
  const at = addressNode(spot === undefined ? [] : addressesOf(spot.host));
  for (const name of ['leader', 'master', 'master0']) nodes.set(`${name}.${domain}`, at);
  if (spot === undefined || at.a.length + at.aaaa.length === 0) return nodes;
  for (const name of ['leader', 'master']) {
    for (const protocol of ['_tcp', '_udp'])
      service(`_${name}.${protocol}.${domain}`, { target: `${name}.${domain}`, port: spot.port });
  }
  return nodes;
}
