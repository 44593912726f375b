// Labels by which an app says how it is routed: those of marathon-lb that are settings. In: labels. Out: settings, or everything that is wrong. Pure.
import { isIP } from 'node:net';
import type { Labels } from 'proffer';

export const balances = ['roundrobin', 'leastconn', 'first', 'random', 'source', 'uri'] as const;
export type Balance = (typeof balances)[number];

/** What the labels of one port say, defaults filled in. */
export interface PortSettings {
  /** `HAPROXY_GROUP`, or `HAPROXY_0_GROUP` for one port: by which routers it is offered. */
  readonly groups: readonly string[];
  /** `ENABLED`. Default true. */
  readonly enabled: boolean;
  /** `VHOST`: host names under which it is found on the port for all. Default: none. */
  readonly vhosts: readonly string[];
  /** `PATH`: and only below these. Default: everywhere. */
  readonly paths: readonly string[];
  /** Whether `PATH` begins with `-i`. */
  readonly pathsInAnyCase: boolean;
  /** `BACKEND_WEIGHT`: the larger is tried first where hosts or paths overlap. Default 0, with paths 1. */
  readonly weight: number;
  /** `MODE`. Default: what fits the app. */
  readonly mode?: 'tcp' | 'http';
  /** `PORT`, in place of the service port. */
  readonly port?: number;
  /** `STICKY`: a client stays with its instance, by a cookie. Default false. */
  readonly sticky: boolean;
  /** `BALANCE`. Default roundrobin. */
  readonly balance: Balance;
  /** `REDIRECT_TO_HTTPS`. Default false. */
  readonly redirectToHttps: boolean;
  /** `USE_HSTS`. Default false. */
  readonly hsts: boolean;
  /** `BACKEND_NETWORK_ALLOWED_ACL`: addresses and networks that may ask; none: all. */
  readonly allowed: readonly string[];
  /** `BACKEND_HEALTHCHECK_PORT_INDEX`: the port that is asked how it is. Default: itself. */
  readonly healthPortIndex?: number;
  /** `AUTH`: realm, user and encrypted password. */
  readonly auth?: { readonly realm: string; readonly user: string; readonly password: string };
}

/** A label that cannot be followed, and what it could say. */
export interface LabelProblem {
  readonly label: string;
  readonly value: string;
  readonly allowed: string;
}

type Parsed = { -readonly [Key in keyof PortSettings]?: PortSettings[Key] };
/** Takes a value; undefined when it cannot be one. Every reader names the characters it lets through: they end up in a configuration file. */
type Reader = readonly [read: (value: string) => Parsed | undefined, allowed: string];

const yes: ReadonlySet<string> = new Set(['true', 't', 'yes', 'y', '1']);
const no: ReadonlySet<string> = new Set(['false', 'f', 'no', 'n', '0']);
/** One segment after the other; no blank, quote, backslash, hash or dollar sign. */
const pathPattern = /^\/[A-Za-z0-9/._~%+@:=-]{0,1000}$/;
const hostPattern = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*$/;

const readers: Readonly<Record<string, Reader>> = {
  GROUP: [value => listOf(value, ',', /^[A-Za-z0-9._*-]{1,100}$/, groups => ({ groups })), 'names with commas between'],
  ENABLED: booleanReader(enabled => ({ enabled })),
  VHOST: [
    value => listOf(value.toLowerCase(), ',', hostPattern, vhosts => ({ vhosts })),
    'host names with commas between',
  ],
  PATH: [readPaths, 'paths with blanks between, of letters, digits and /._~%+@:=-; -i before them for any case'],
  BACKEND_WEIGHT: [value => numberIn(value, 0, 65_535, weight => ({ weight })), 'a number from 0 to 65535'],
  MODE: [value => (value === 'tcp' || value === 'http' ? { mode: value } : undefined), 'tcp or http'],
  PORT: [value => numberIn(value, 1, 65_535, port => ({ port })), 'a number from 1 to 65535'],
  STICKY: booleanReader(sticky => ({ sticky })),
  BALANCE: [
    value => {
      const balance = balances.find(each => each === value);
      return balance === undefined ? undefined : { balance };
    },
    balances.join(', '),
  ],
  REDIRECT_TO_HTTPS: booleanReader(redirectToHttps => ({ redirectToHttps })),
  USE_HSTS: booleanReader(hsts => ({ hsts })),
  BACKEND_NETWORK_ALLOWED_ACL: [readNetworks, 'addresses and networks such as 10.1.0.0/16, with blanks between'],
  BACKEND_HEALTHCHECK_PORT_INDEX: [
    value => numberIn(value, 0, 1000, healthPortIndex => ({ healthPortIndex })),
    'the index of a port',
  ],
  AUTH: [readAuth, 'REALM:USER:ENCRYPTED, of letters, digits and ._-, the last also with $ and /'],
};

/** What scripts for blue and green deployments write down for themselves. */
const remarks = /^HAPROXY_DEPLOYMENT_(?:GROUP|ALT_PORT|COLOUR|STARTED_AT|TARGET_INSTANCES)$/;

/** Whether a path of a request can stand in a configuration. */
export function isPlainPath(path: string): boolean {
  return pathPattern.test(path);
}

/** The settings of the `index`th port, and all labels of it that cannot be followed. */
export function settingsOf(
  labels: Labels,
  index: number,
): { readonly settings: PortSettings; readonly problems: readonly LabelProblem[] } {
  const parsed: Parsed = {};
  const problems: LabelProblem[] = [];
  const own = `HAPROXY_${index}_`;
  // The group of all ports first, so that a port's own is taken after it.
  for (const label of Object.keys(labels).sort(byLength)) {
    if (!label.startsWith('HAPROXY_') || remarks.test(label)) continue;
    const name = label === 'HAPROXY_GROUP' ? 'GROUP' : label.startsWith(own) ? label.slice(own.length) : undefined;
    if (name === undefined && /^HAPROXY_\d+_/.test(label)) continue;
    const value = labels[label] ?? '';
    const [read, allowed] = (Object.hasOwn(readers, name ?? '') ? readers[name ?? ''] : undefined) ?? unknown;
    const taken = read(value.trim());
    if (taken === undefined) problems.push({ label, value, allowed });
    else Object.assign(parsed, taken);
  }
  const defaults = { groups: [], enabled: true, vhosts: [], paths: [], pathsInAnyCase: false, sticky: false } as const;
  const settings: PortSettings = {
    ...defaults,
    balance: 'roundrobin',
    redirectToHttps: false,
    hsts: false,
    allowed: [],
    weight: parsed.paths === undefined ? 0 : 1,
    ...parsed,
  };
  return { settings, problems };
}

// A setting that is not followed may be one that protects something: it is never just left out.
const unknown: Reader = [
  () => undefined,
  `no such label; there are HAPROXY_GROUP and, for each port, ${Object.keys(readers).join(', ')}`,
];

function byLength(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}

function booleanReader(take: (value: boolean) => Parsed): Reader {
  return [
    value => {
      const word = value.toLowerCase();
      return yes.has(word) || no.has(word) ? take(yes.has(word)) : undefined;
    },
    'true or false',
  ];
}

function listOf(
  value: string,
  separator: string,
  pattern: RegExp,
  take: (items: readonly string[]) => Parsed,
): Parsed | undefined {
  const items = value
    .split(separator)
    .map(item => item.trim())
    .filter(item => item !== '');
  return items.length > 0 && items.length <= 100 && items.every(item => pattern.test(item)) ? take(items) : undefined;
}

function numberIn(value: string, min: number, max: number, take: (value: number) => Parsed): Parsed | undefined {
  const number = /^\d{1,6}$/.test(value) ? Number(value) : -1;
  return number >= min && number <= max ? take(number) : undefined;
}

function readPaths(value: string): Parsed | undefined {
  const inAnyCase = value.startsWith('-i ');
  return listOf(inAnyCase ? value.slice(3) : value, ' ', pathPattern, paths => ({ paths, pathsInAnyCase: inAnyCase }));
}

function readNetworks(value: string): Parsed | undefined {
  const isNetwork = (item: string): boolean => {
    const [address = '', bits, ...rest] = item.split('/');
    const version = isIP(address);
    if (version === 0 || rest.length > 0 || address.includes('%')) return false;
    return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
  };
  const networks = listOf(value, ' ', /^[0-9A-Fa-f.:/]+$/, allowed => ({ allowed }));
  return networks?.allowed?.every(isNetwork) === true ? networks : undefined;
}

function readAuth(value: string): Parsed | undefined {
  const match = /^([\w.-]{1,100}):([\w.-]{1,100}):([\w./$-]{1,200})$/.exec(value);
  const [, realm, user, password] = match ?? [];
  if (realm === undefined || user === undefined || password === undefined) return undefined;
  return { auth: { realm, user, password } };
}
