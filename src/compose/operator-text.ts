// What operators write on the command line, as data: times, amounts, resources, volumes. In: text, and views where keys are looked up. Out: values,
// or one clear USAGE error.
import { ProfferError, problemsError, shown } from '../base/errors.js';
import { dateMaxMs, formatDurationMs, parseDurationMs } from '../base/units.js';
import type { Amounts } from '../protocol/operator-api.js';
import type { Bag, DiskSource, Resources } from '../resources/index.js';
import { bagOf, bare, formatResources, fromBag, parseResources, volumesOf } from '../resources/index.js';

/** `now`, `+2h`, or ISO 8601, in wall milliseconds; without a zone it is local time. @throws ProfferError USAGE. */
export function parseTimeMs(text: string, nowMs: number): number {
  if (text === 'now') return nowMs;
  if (text.startsWith('+')) {
    const atMs = nowMs + parseDurationMs(text.slice(1));
    if (atMs <= dateMaxMs) return atMs;
    throw usage(`${shown(text)} is later than any date`, 'write for example +2h');
  }
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/.test(text);
  const ms = isTime ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(ms) && ms >= 0) return ms;
  throw usage(`${shown(text)} is not a time`, 'write for example 2026-05-01T22:00Z, +2h or now');
}

/** The time, and how far away it is (`in 2h`, `since 5m`, `now`), for people. Also of a time that no date can tell. */
export function describeTime(atMs: number, nowMs: number): string {
  if (!(Math.abs(atMs) <= dateMaxMs)) return `${atMs} (no date)`;
  const time = new Date(atMs).toISOString().replace(/:\d\d\.\d+Z$/, 'Z');
  const distanceMs = Math.abs(atMs - nowMs);
  if (distanceMs < 1000) return `${time} (now)`;
  return `${time} (${atMs > nowMs ? 'in' : 'since'} ${formatDurationMs(distanceMs)})`;
}

/** `cpus=4`. @throws ProfferError USAGE. */
export function parseAmount(text: string): readonly [name: string, amount: number] {
  const at = text.indexOf('=');
  const name = text.slice(0, at);
  const number = text.slice(at + 1);
  const hint = 'write for example cpus=4,mem=1024';
  if (at > 0 && /^\d+(\.\d+)?$/.test(number)) return [name, Number(number)];
  if (at > 0 && number !== '' && Number.isFinite(Number(number)))
    throw usage(
      `${shown(text)}: ${number} is not an amount: digits, with at most three decimals, and no sign or exponent`,
      hint,
    );
  throw usage(`${shown(text)} is not NAME=AMOUNT`, hint);
}

/** All amounts together. @throws ProfferError USAGE for a name given twice. */
export function gatherAmounts(pairs: readonly (readonly [string, number])[]): Amounts {
  const amounts = new Map<string, number>();
  for (const [name, amount] of pairs) {
    if (amounts.has(name)) throw usage(`${shown(name)} is given twice`, 'give each name once');
    amounts.set(name, amount);
  }
  return Object.fromEntries(amounts);
}

/** What `gatherAmounts` reads: `cpus=4,mem=1024`. */
export function formatAmounts(amounts: Amounts): string {
  return Object.entries(amounts)
    .map(([name, amount]) => `${name}=${amount}`)
    .join(',');
}

/** As `readResources` reads them. */
export function writeResources(resources: Resources): string {
  return formatResources(bagOf(resources));
}

/** `cpus:2;mem:1024`. @throws ProfferError USAGE, every violation. */
export function readResources(text: string): Resources {
  return fromBag(wholeBag(text));
}

/**
 * The reserved entries that `text` means on an agent with `total`: keys with a role as they are; plain ones (`cpus:2`) are what is dynamically
 * reserved to `role`, where only one reservation of it has any. @throws ProfferError USAGE.
 */
export function reservedResources(text: string, role: string | undefined, total: Resources): Resources {
  const wanted = wholeBag(text);
  const keyed = Object.entries(fromBag(wanted)).map(([key, value]) => {
    if (wanted.some(entry => entry.key === key && entry.label.role !== undefined)) return [key, value] as const;
    if (role === undefined)
      throw usage(`${shown(key)} is not reserved`, `name the reservation, as ${key}(ads,dynamic), or say --role`);
    return [reservedKey(key, role, bagOf(total)), value] as const;
  });
  return Object.fromEntries(keyed);
}

function reservedKey(name: string, role: string, total: Bag): string {
  const keys = total
    .filter(r => bare(r).key === name && r.label.role === role && r.label.volume === undefined)
    .filter(({ label }) => label.reservations.at(-1)?.type === 'DYNAMIC')
    .map(({ key }) => key);
  const [key] = keys;
  if (key === undefined)
    throw usage(`no ${name} is reserved to ${shown(role)} there`, 'proffer agents --json shows what is');
  if (keys.length > 1)
    throw usage(`${keys.length} reservations to ${role} have ${name}: ${keys.join(', ')}`, 'write which');
  return key;
}

/** A persistent volume on an agent, as the command line shows it. */
export interface VolumeLine {
  readonly id: string;
  readonly role: string;
  /** MiB */
  readonly disk: number;
  readonly containerPath: string;
  readonly mode: 'RW' | 'RO';
  readonly shared: boolean;
  /** Where its disk is; absent when it is that of the sandboxes. */
  readonly source?: DiskSource;
}

/** The volumes of an agent with `total`. */
export function volumeLines(total: Resources): VolumeLine[] {
  return volumesOf(bagOf(total)).map(({ volume, resource }) => ({
    id: volume.id,
    role: resource.label.role ?? '*',
    disk: (resource.kind === 'scalar' ? resource.milli : 0) / 1000,
    containerPath: volume.containerPath,
    mode: volume.mode,
    shared: resource.label.shared,
    ...(resource.label.source === undefined ? {} : { source: resource.label.source }),
  }));
}

function wholeBag(text: string): Bag {
  const { bag, problems } = parseResources(text, 'RESOURCES');
  if (problems.length > 0) throw problemsError(problems.map(each => ({ ...each, code: 'USAGE' })));
  if (bag.length === 0) throw usage('RESOURCES is empty', 'write for example "cpus:2;mem:1024"');
  return bag;
}

function usage(message: string, hint: string): ProfferError {
  return new ProfferError('USAGE', message, { hint });
}
