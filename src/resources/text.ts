// Resources as one line of text, the form of `--resources`: "cpus:2;mem:1024;ports:[31000-32000];zones:{a,b};cpus(ads):1;disk<mount=/mnt/a>:64".
import { assertNever } from '../base/assert.js';
import type { Problem } from '../base/errors.js';
import { problem, shown } from '../base/errors.js';
import type { BagResult, ToBagOptions } from './convert.js';
import { entriesToBag } from './convert.js';
import { showRanges } from './ranges.js';
import type { Bag, Resource } from './resource.js';

const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const rangeText = /^(\d+)(?:\s*-\s*(\d+))?$/;

/** Reads the text form; every violation at once, each naming its piece. White space around pieces is ignored, and so are empty pieces. */
export function parseResources(text: string, path = 'resources', options: ToBagOptions = {}): BagResult {
  const entries: (readonly [string, unknown])[] = [];
  const problems: Problem[] = [];
  for (const piece of text.split(';')) {
    const trimmed = piece.trim();
    if (trimmed === '') continue;
    const colon = endOfKey(trimmed);
    if (colon < 0) {
      problems.push(bad(path, `${shown(trimmed)} has no colon`, 'write name:value, for example cpus:2'));
      continue;
    }
    const key = trimmed.slice(0, colon).trim();
    const value = parseValue(trimmed.slice(colon + 1).trim());
    if (value === undefined) {
      problems.push(
        bad(path, `${shown(trimmed)} has no value that can be read`, 'write a number, [31000-32000] or {a,b}'),
      );
    } else {
      entries.push([key, value]);
    }
  }
  const result = entriesToBag(entries, path, options);
  return problems.length === 0 ? result : { bag: result.bag, problems: [...problems, ...result.problems] };
}

/** The text form; `parseResources` reads it back. */
export function formatResources(bag: Bag): string {
  return bag.map(r => `${r.key}:${formatValue(r)}`).join(';');
}

/** For people and tables: "0.5 cpus, 64 MiB mem, ports 31000-31001"; "nothing" for the empty bag. */
export function describeResources(bag: Bag): string {
  if (bag.length === 0) return 'nothing';
  const rank = (r: Resource): number => {
    const at = usualOrder.indexOf(r.name);
    return at < 0 ? usualOrder.length : at;
  };
  return [...bag]
    .sort((a, b) => rank(a) - rank(b))
    .map(describe)
    .join(', ');
}

const usualOrder = ['cpus', 'mem', 'disk', 'gpus', 'ports'];
// A fragmented agent may have thousands of ranges; a table cell has room for a few.
const rangesMax = 4;

function describe(r: Resource): string {
  switch (r.kind) {
    case 'scalar':
      return r.name === 'mem' || r.name === 'disk' ? `${describeMiB(r.milli)} ${r.key}` : `${r.milli / 1000} ${r.key}`;
    case 'ranges':
      return `${r.key} ${showRanges(r.ranges, rangesMax)}`;
    case 'set':
      return `${r.key} {${r.items.join(',')}}`;
    default:
      return assertNever(r, 'resource');
  }
}

// GiB only where it says exactly the same in one decimal.
function describeMiB(milli: number): string {
  const tenthsOfGiB = milli / 102_400;
  return tenthsOfGiB >= 10 && Number.isInteger(tenthsOfGiB) ? `${tenthsOfGiB / 10} GiB` : `${milli / 1000} MiB`;
}

function formatValue(r: Resource): string {
  switch (r.kind) {
    case 'scalar':
      return String(r.milli / 1000);
    case 'ranges':
      return `[${r.ranges.map(([begin, end]) => `${begin}-${end}`).join(',')}]`;
    case 'set':
      return `{${r.items.join(',')}}`;
    default:
      return assertNever(r, 'resource');
  }
}

// The colon after the key: one inside the brackets of a volume or a disk is part of it.
function endOfKey(piece: string): number {
  let close: string | undefined;
  for (let i = 0; i < piece.length; i += 1) {
    const char = piece[i];
    if (close !== undefined) close = char === close ? undefined : close;
    else if (char === ':') return i;
    else if (char === '[' || char === '<') close = char === '[' ? ']' : '>';
  }
  return -1;
}

function parseValue(text: string): unknown {
  if (number.test(text)) return Number(text);
  const inside = text.slice(1, -1).trim();
  const parts = inside === '' ? [] : inside.split(',').map(part => part.trim());
  if (text.startsWith('{') && text.endsWith('}') && text.length > 1) return parts;
  if (!text.startsWith('[') || !text.endsWith(']') || text.length < 2) return undefined;
  const ranges: [number, number][] = [];
  for (const part of parts) {
    const match = rangeText.exec(part);
    if (match === null) return undefined;
    ranges.push([Number(match[1]), Number(match[2] ?? match[1])]);
  }
  return ranges;
}

function bad(path: string, message: string, hint: string): Problem {
  return problem(path, 'INVALID_RESOURCES', message, hint);
}
