// From the boundary form to bags and back. Everything wrong with a peer's or a person's resources is found here, all at once.
import type { Problem } from '../base/errors.js';
import { problem, problemsError, shown } from '../base/errors.js';
import { rangeEntry, scalarEntry } from './entries.js';
import type { ParsedKey } from './key.js';
import { parseKey } from './key.js';
import { coalesceRanges } from './ranges.js';
import type { Bag, RangesResource, Resource, ResourceKind } from './resource.js';
import { compareResources, emptyBag } from './resource.js';
import type { Range, Resources } from './resources.js';

/** What came out of a conversion. Use `bag` only when there are no problems. */
export interface BagResult {
  readonly bag: Bag;
  readonly problems: readonly Problem[];
}

export interface ToBagOptions {
  /** Round amounts finer than 0.001 to the nearest, as Mesos does, instead of refusing them. Default false. */
  readonly round?: boolean;
}

/**
 * The largest amount of one scalar, in its own unit. Far above any machine (9.5 PiB when in MiB), and low enough that the sum over a
 * cluster of 900 such agents is still counted exactly.
 */
export const scalarMax = 10_000_000_000;

/** The kinds of the names that everybody uses. */
const kindByName: ReadonlyMap<string, ResourceKind> = new Map([
  ['cpus', 'scalar'],
  ['mem', 'scalar'],
  ['disk', 'scalar'],
  ['gpus', 'scalar'],
  ['ports', 'ranges'],
]);
const portMax = 65_535;
const itemLengthMax = 255;
const problemsMax = 100;
// What the text form gives a meaning to inside a set, and what cannot be seen.
const forbiddenInItem = /[\s\p{Cc};,{}]/u;

/**
 * Checks `resources`, which may come from anywhere, and converts them. Zero amounts and empty lists mean none. Paths begin with `path`,
 * e.g. `resources.cpus`, `resources.ports[0]`.
 */
export function toBag(resources: unknown, path = 'resources', options: ToBagOptions = {}): BagResult {
  if (typeof resources !== 'object' || resources === null || Array.isArray(resources)) {
    return {
      bag: emptyBag,
      problems: [
        invalid(path, `${shown(resources)} is not an object of resources`, 'write for example { cpus: 0.5, mem: 64 }'),
      ],
    };
  }
  return quickBag(resources) ?? entriesToBag(Object.entries(resources), path, options);
}

/**
 * A bag from resources written in code.
 * @throws ProfferError INVALID_RESOURCES naming every violation.
 */
export function bagOf(resources: Resources, path = 'resources'): Bag {
  const { bag, problems } = toBag(resources, path);
  if (problems.length > 0) throw problemsError(problems);
  return bag;
}

/** The boundary form. Where agents disagreed about the kind of a name and were totalled, the further kinds are keyed `name:kind`. */
export function fromBag(bag: Bag): Resources {
  const out: { [key: string]: number | readonly Range[] | readonly string[] } = {};
  let last: string | undefined;
  for (const r of bag) {
    const key = r.key === last ? `${r.key}:${r.kind}` : r.key;
    last = r.key;
    if (r.kind === 'scalar') out[key] = r.milli / 1000;
    else out[key] = r.kind === 'ranges' ? r.ranges : r.items;
  }
  return out;
}

// Nearly all there are: plain amounts and single ranges under canonical keys, nothing wrong. Undefined for the rest, which `entriesToBag` looks at.
function quickBag(resources: object): BagResult | undefined {
  const found: Resource[] = [];
  let ordered = true;
  let last = '';
  for (const written in resources) {
    const value = (resources as Record<string, unknown>)[written];
    const parsed = parseKey(written);
    // Two spellings may mean one key.
    if (typeof parsed === 'string' || parsed.key !== written) return undefined;
    const { key, name } = parsed;
    if (key < last) ordered = false;
    last = key;
    const due = kindByName.get(name);
    if (typeof value === 'number') {
      const milli = inMilli(value);
      const sound = (due === undefined || due === 'scalar') && value >= 0 && value <= scalarMax;
      if (!sound || milli / 1000 !== value || (name === 'gpus' && milli % 1000 !== 0)) return undefined;
      if (milli > 0) found.push(scalarEntry(parsed, milli));
      continue;
    }
    const entry = due === undefined || due === 'ranges' ? onlyRange(parsed, value) : undefined;
    if (entry === undefined) return undefined;
    found.push(entry);
  }
  if (!ordered) found.sort(compareResources);
  // Bags are kept for long: a copy has no room to spare.
  return { bag: found.length === 0 ? emptyBag : found.slice(), problems: noProblems };
}

const noProblems: readonly Problem[] = [];

function onlyRange(parsed: ParsedKey, value: unknown): RangesResource | undefined {
  const item: unknown = Array.isArray(value) && value.length === 1 ? value[0] : undefined;
  if (!Array.isArray(item) || item.length !== 2) return undefined;
  const [begin, end] = item as readonly unknown[];
  const { least, most } = boundsOf(parsed.name);
  if (!Number.isInteger(begin) || !Number.isInteger(end)) return undefined;
  const [from, to] = [begin as number, end as number];
  return from >= least && to <= most && from <= to ? rangeEntry(parsed, from, to) : undefined;
}

function boundsOf(name: string): { readonly least: number; readonly most: number } {
  return name === 'ports' ? portBounds : anyBounds;
}

const portBounds = { least: 1, most: portMax };
const anyBounds = { least: 0, most: Number.MAX_SAFE_INTEGER };

/** Converts keys and values; for `toBag` and the text form. */
export function entriesToBag(
  entries: readonly (readonly [string, unknown])[],
  path: string,
  options: ToBagOptions = {},
): BagResult {
  const found: Resource[] = [];
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const [key, value] of entries) {
    const at = resourcePath(path, key);
    const parsed = parseKey(key);
    if (typeof parsed === 'string') {
      problems.push(invalid(at, parsed));
      continue;
    }
    if (seen.has(parsed.key)) {
      problems.push(invalid(at, `${parsed.key} is given twice`, 'give the sum once'));
      continue;
    }
    seen.add(parsed.key);
    const resource = toResource(parsed, value, at, options, problems);
    if (resource !== undefined) found.push(resource);
  }
  if (found.length > 1) found.sort(compareResources);
  return { bag: found.length === 0 ? emptyBag : found, problems: atMost(problemsMax, problems, path) };
}

function toResource(
  parsed: ParsedKey,
  value: unknown,
  at: string,
  options: ToBagOptions,
  problems: Problem[],
): Resource | undefined {
  const kind = kindOf(value);
  const due = kindByName.get(parsed.name);
  if (kind === undefined || (due !== undefined && kind !== 'none' && kind !== due)) {
    const allowed = due === undefined ? 'a number, a list of [begin, end] pairs or a list of strings' : article[due];
    problems.push(
      invalid(
        at,
        `${shown(value)} is not ${allowed}`,
        due === 'ranges' ? 'write for example [[31000, 31005]]' : undefined,
      ),
    );
    return undefined;
  }
  const { key, name, label } = parsed;
  if (kind === 'none') {
    if (due === 'scalar') problems.push(invalid(at, `${shown(value)} is not ${article.scalar}`));
    return undefined;
  }
  if (kind === 'scalar') {
    const milli = toMilli(name, value as number, at, options, problems);
    return milli === undefined || milli === 0 ? undefined : { kind, key, name, label, milli };
  }
  if (kind === 'ranges') {
    const ranges = toRanges(name, value as readonly unknown[], at, problems);
    return ranges === undefined ? undefined : { kind, key, name, label, ranges };
  }
  const items = toItems(value as readonly unknown[], at, problems);
  return items === undefined ? undefined : { kind, key, name, label, items };
}

const article = { scalar: 'a number', ranges: 'a list of [begin, end] pairs', set: 'a list of strings' } as const;

function kindOf(value: unknown): ResourceKind | 'none' | undefined {
  if (typeof value === 'number') return 'scalar';
  if (!Array.isArray(value)) return undefined;
  if (value.length === 0) return 'none';
  // Not `every`, which skips the holes of a sparse array.
  const odd = (is: (item: unknown) => boolean): boolean => value.findIndex(item => !is(item)) >= 0;
  if (!odd(item => typeof item === 'string')) return 'set';
  return odd(Array.isArray) ? undefined : 'ranges';
}

function inMilli(value: number): number {
  return Math.round(value * 1000);
}

function toMilli(
  name: string,
  value: number,
  at: string,
  options: ToBagOptions,
  problems: Problem[],
): number | undefined {
  const wrong = amountProblem(name, value, options);
  if (wrong === undefined) return inMilli(value);
  problems.push(invalid(at, `${shown(value)} ${wrong.why}`, wrong.hint));
  return undefined;
}

/** Why `value` is not an amount of scalar `name`, to follow the value in a message, and what to do about it. */
export function amountProblem(
  name: string,
  value: number,
  options: ToBagOptions = {},
): { readonly why: string; readonly hint?: string } | undefined {
  if (!Number.isFinite(value)) return { why: 'is not a finite number' };
  if (value < 0) return { why: 'is negative; an amount is 0 or more' };
  const unit = name === 'mem' || name === 'disk' ? `; ${name} is in MiB` : '';
  if (value > scalarMax) return { why: `is too large; at most ${scalarMax} is allowed${unit}` };
  const milli = Math.round(value * 1000);
  // 0.1 + 0.2 is not 0.3 but means it: the noise of binary fractions is far below a millionth of a thousandth.
  const exact = milli / 1000 === value || Math.abs(value * 1000 - milli) <= 1e-6;
  if (!exact && options.round !== true) {
    return { why: 'is finer than 0.001; amounts have at most three decimals', hint: `round it to ${milli / 1000}` };
  }
  if (name === 'gpus' && milli % 1000 !== 0) return { why: 'is not a whole number of gpus' };
  return undefined;
}

function toRanges(
  name: string,
  value: readonly unknown[],
  at: string,
  problems: Problem[],
): readonly Range[] | undefined {
  const before = problems.length;
  const { least, most } = boundsOf(name);
  const whole = (n: unknown): n is number => Number.isInteger(n) && (n as number) >= least && (n as number) <= most;
  const ranges: { range: Range; index: number }[] = [];
  for (const [index, item] of value.entries()) {
    const [begin, end, ...rest] = item as readonly unknown[];
    const here = `${at}[${index}]`;
    if (!whole(begin) || !whole(end) || rest.length > 0) {
      problems.push(
        invalid(here, `${shown(item)} is not a pair [begin, end] of whole numbers from ${least} to ${most}`),
      );
    } else if (begin > end) {
      problems.push(invalid(here, `${shown(item)} begins after its end`, `write [${end}, ${begin}]`));
    } else {
      ranges.push({ range: [begin, end], index });
    }
  }
  ranges.sort((a, b) => a.range[0] - b.range[0]);
  // The one reaching furthest so far is what a later one may run into.
  let furthest = ranges[0];
  for (const next of ranges.slice(1)) {
    if (furthest !== undefined && next.range[0] <= furthest.range[1]) {
      const other = `${at}[${furthest.index}]`;
      problems.push(
        invalid(`${at}[${next.index}]`, `${shown(next.range)} overlaps ${shown(furthest.range)} of ${other}`),
      );
    }
    if (furthest === undefined || next.range[1] > furthest.range[1]) furthest = next;
  }
  return problems.length > before ? undefined : coalesceRanges(ranges.map(r => r.range));
}

function toItems(value: readonly unknown[], at: string, problems: Problem[]): readonly string[] | undefined {
  const before = problems.length;
  const seen = new Set<string>();
  for (const [index, item] of (value as readonly string[]).entries()) {
    const here = `${at}[${index}]`;
    if (item === '') problems.push(invalid(here, 'an item must not be empty'));
    else if (item.length > itemLengthMax)
      problems.push(invalid(here, `the item has ${item.length} characters, at most ${itemLengthMax} are allowed`));
    else if (forbiddenInItem.test(item))
      problems.push(invalid(here, `${shown(item)} must not contain white space, control characters or any of ;,{}`));
    else if (seen.has(item)) problems.push(invalid(here, `${shown(item)} is given twice`));
    seen.add(item);
  }
  return problems.length > before ? undefined : [...seen].sort();
}

// Keeps an answer to a large and thoroughly wrong input small.
function atMost(max: number, problems: readonly Problem[], path: string): readonly Problem[] {
  if (problems.length <= max) return problems;
  return [...problems.slice(0, max), invalid(path, `and ${problems.length - max} more violations`)];
}

/** The path of the resource of this key. */
export function resourcePath(path: string, key: string): string {
  if (!/^[\w()/*.,@=%{}-]{1,64}$/.test(key)) return `${path}[${shown(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}

function invalid(path: string, message: string, hint?: string): Problem {
  return problem(path, 'INVALID_RESOURCES', message, hint);
}
