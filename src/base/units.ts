// Durations and sizes as people write them ("30s", "1h30m", "512MiB"), to and from plain numbers.
import { ProfferError, shown } from './errors.js';

/** The last moment that a `Date` can tell, in wall milliseconds. */
export const dateMaxMs = 8.64e15;

const msPerUnit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const durationPart = /(\d+(?:\.\d+)?)(ms|s|m|h|d|w)\s*/gy;
const bytesPerUnit = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
  kB: 1000,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
} as const;

/**
 * Milliseconds of "500ms", "30s", "1h30m", "1h 30m", "2d" or a plain number of seconds ("30").
 * @throws ProfferError USAGE naming the text and what is allowed.
 */
export function parseDurationMs(text: string, path = ''): number {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return counted(Number(trimmed) * 1000, text, path);
  let at = 0;
  let total = 0;
  durationPart.lastIndex = 0;
  for (;;) {
    const match = durationPart.exec(trimmed);
    if (match === null) break;
    total += Number(match[1]) * msPerUnit[match[2] as keyof typeof msPerUnit];
    at = durationPart.lastIndex;
  }
  if (trimmed === '' || at !== trimmed.length) {
    throw new ProfferError('USAGE', `${shown(text)} is not a duration`, {
      path,
      hint: 'write for example 500ms, 30s, 5m, 1h30m or 2d',
    });
  }
  return counted(total, text, path);
}

/** "1h 30m", "2.5s", "12ms": at most two units, for people; "forever" for infinity. */
export function formatDurationMs(ms: number): string {
  if (ms < 0) return `-${formatDurationMs(-ms)}`;
  if (ms === Number.POSITIVE_INFINITY) return 'forever';
  // Each bound is where rounding would reach the next unit: 999.6 is 1s, not 1000ms.
  if (ms < 999.5) return `${Math.round(ms)}ms`;
  if (ms < 59_950) return `${trimZeros((ms / 1000).toFixed(1))}s`;
  const wholeMs = Math.round(ms / 1000) * 1000;
  const first = units.findIndex(([, size]) => wholeMs >= size);
  const [name, size] = units[first] ?? ['s', 1000];
  const whole = Math.floor(wholeMs / size);
  const next = units[first + 1];
  const rest = next === undefined ? 0 : Math.floor((wholeMs - whole * size) / next[1]);
  return rest === 0 || next === undefined ? `${whole}${name}` : `${whole}${name} ${rest}${next[0]}`;
}

const units: readonly (readonly [string, number])[] = [
  ['d', msPerUnit.d],
  ['h', msPerUnit.h],
  ['m', msPerUnit.m],
  ['s', msPerUnit.s],
];

/**
 * Bytes of "10MiB", "1GB" or a plain number of bytes.
 * @throws ProfferError USAGE naming the text and what is allowed.
 */
export function parseBytes(text: string, path = ''): number {
  const match = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)?$/.exec(text.trim());
  if (match === null) {
    throw new ProfferError('USAGE', `${shown(text)} is not a size`, {
      path,
      hint: 'write for example 512MiB, 1GiB or 10MB',
    });
  }
  return counted(Number(match[1]) * bytesPerUnit[(match[2] ?? 'B') as keyof typeof bytesPerUnit], text, path);
}

/** "1.5 GiB", for people. */
export function formatBytes(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  // 1023.95 would be shown as 1024.0.
  while (value >= 1023.95 && unit < names.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${trimZeros(value.toFixed(1))} ${names[unit]}`;
}

function counted(value: number, text: string, path: string): number {
  const rounded = Math.round(value);
  if (Number.isSafeInteger(rounded)) return rounded;
  throw new ProfferError('USAGE', `${shown(text)} is too large to count`, { path });
}

function trimZeros(text: string): string {
  return text.replace(/\.0$/, '');
}
