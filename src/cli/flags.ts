// Flags as data: what a flag is called, what it takes, how its text is read. Light: no command is loaded to print help.
import { ProfferError, shown } from '../base/errors.js';
import { formatDurationMs, parseDurationMs } from '../base/units.js';

/** One flag; `T` is what the command gets. */
export interface Flag<T> {
  /** What it takes, for help; absent for a switch. */
  readonly placeholder?: string;
  readonly short?: string;
  readonly help: string;
  readonly default: T;
  /** May be given several times. */
  readonly many?: boolean;
  /** One text may hold several, separated by commas; with `many`. */
  readonly commas?: boolean;
  /** Makes one value of those that were read; with `many`. @throws ProfferError USAGE. */
  readonly gather?: (values: readonly unknown[]) => unknown;
  /** The text that `read` makes this value of. Default: as `String` has it. */
  readonly write?: (value: unknown) => string;
  /** Reads one text. @throws ProfferError USAGE. */
  readonly read: (text: string) => unknown;
  readonly hidden?: boolean;
  /** The key of a flag without which this one means nothing. */
  readonly needs?: string;
}

export type Flags = { readonly [key: string]: Flag<unknown> };

/** The values of flags. */
export type FlagValues<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

interface More {
  readonly short?: string;
  readonly hidden?: boolean;
  readonly placeholder?: string;
  readonly needs?: string;
}

/** A text. `read` may refuse it, or write it in one way. */
export function text(placeholder: string, help: string, more?: More & TextRule): Flag<string | undefined>;
export function text(
  placeholder: string,
  help: string,
  more: More & TextRule & { readonly default: string },
): Flag<string>;
export function text(
  placeholder: string,
  help: string,
  { read = given => given, ...more }: More & TextRule & { readonly default?: string } = {},
): Flag<string | undefined> {
  return { placeholder, help, ...more, default: more.default, read: given => read(notEmpty(given)) };
}

interface TextRule {
  /** @throws ProfferError USAGE. */
  readonly read?: (text: string) => string;
}

/** Texts, one per use. */
export function texts(
  placeholder: string,
  help: string,
  more: More & { readonly pattern?: RegExp; readonly example?: string } = {},
): Flag<readonly string[]> {
  const { pattern, example = '', ...rest } = more;
  return {
    placeholder,
    help,
    ...rest,
    default: [],
    many: true,
    read: given => {
      if (pattern?.test(given) === false)
        throw usage(`${shown(given)} is not ${placeholder}`, `write for example ${example}`);
      return notEmpty(given);
    },
  };
}

/** A whole number within bounds. */
export function count(
  placeholder: string,
  help: string,
  more: More & { readonly min: number; readonly max: number; readonly default: number },
): Flag<number>;
export function count(
  placeholder: string,
  help: string,
  more: More & { readonly min: number; readonly max: number },
): Flag<number | undefined>;
export function count(
  placeholder: string,
  help: string,
  more: More & { readonly min: number; readonly max: number; readonly default?: number },
): Flag<number | undefined> {
  const { min, max, ...rest } = more;
  return {
    placeholder,
    help,
    ...rest,
    default: more.default,
    read: given => {
      const value = Number(given);
      if (/^-?\d+$/.test(given) && value >= min && value <= max) return value;
      throw usage(`${shown(given)} is not a whole number from ${min} to ${max}`);
    },
  };
}

/** An amount with at most three decimals. */
export function amount(placeholder: string, help: string, more: More & { readonly default: number }): Flag<number>;
export function amount(placeholder: string, help: string, more?: More): Flag<number | undefined>;
export function amount(
  placeholder: string,
  help: string,
  more: More & { readonly default?: number } = {},
): Flag<number | undefined> {
  return {
    placeholder,
    help,
    ...more,
    default: more.default,
    read: given => {
      if (/^\d{1,10}(?:\.\d{1,3})?$/.test(given)) return Number(given);
      throw usage(`${shown(given)} is not an amount: a number from 0 with at most three decimals and no unit`);
    },
  };
}

/** A duration, in milliseconds, within bounds. */
export function duration(
  placeholder: string,
  help: string,
  more: More & { readonly minMs?: number; readonly maxMs?: number } = {},
): Flag<number | undefined> {
  const { minMs = 0, maxMs = Number.POSITIVE_INFINITY, ...rest } = more;
  return {
    placeholder,
    help,
    ...rest,
    default: undefined,
    read: given => {
      const ms = parseDurationMs(given);
      if (ms >= minMs && ms <= maxMs) return ms;
      throw usage(
        `${shown(given)} is too ${ms < minMs ? 'short' : 'long'}`,
        `from ${formatDurationMs(minMs)} to ${formatDurationMs(maxMs)} is allowed`,
      );
    },
    write: ms => `${String(ms)}ms`,
  };
}

/** A text that means something: `read` makes a value of it. */
export function parsed<T>(
  placeholder: string,
  help: string,
  read: (text: string) => T,
  more: More & { readonly write?: (value: T) => string; readonly needs?: string } = {},
): Flag<T | undefined> {
  const { write, ...rest } = more;
  return {
    placeholder,
    help,
    ...rest,
    default: undefined,
    read: given => read(notEmpty(given)),
    ...(write === undefined ? {} : { write: value => write(value as T) }),
  };
}

/** Several, separated by commas or each in a use of its own; `gather` makes one value of them. */
export function list<Item, T>(
  placeholder: string,
  help: string,
  how: {
    readonly read: (text: string) => Item;
    readonly gather: (items: readonly Item[]) => T;
    readonly write: (value: T) => string;
  },
): Flag<T | undefined> {
  return {
    placeholder,
    help,
    default: undefined,
    many: true,
    commas: true,
    read: given => how.read(notEmpty(given)),
    gather: items => how.gather(items as readonly Item[]),
    write: value => how.write(value as T),
  };
}

/** One of some words. */
export function choice<const T extends string>(
  words: readonly T[],
  help: string,
  more: More & { readonly default: T },
): Flag<T>;
export function choice<const T extends string>(words: readonly T[], help: string, more?: More): Flag<T | undefined>;
export function choice<const T extends string>(
  words: readonly T[],
  help: string,
  more: More & { readonly default?: T } = {},
): Flag<T | undefined> {
  return {
    placeholder: words.join('|'),
    help,
    ...more,
    default: more.default,
    read: given => {
      if ((words as readonly string[]).includes(given)) return given;
      throw usage(`${shown(given)} is not one of ${words.join(', ')}`);
    },
  };
}

/** On or off. */
export function flag(help: string, more: More = {}): Flag<boolean> {
  return {
    help,
    ...more,
    default: false,
    read: given => {
      if (['true', '1', 'yes', 'on'].includes(given.toLowerCase())) return true;
      if (['false', '0', 'no', 'off', ''].includes(given.toLowerCase())) return false;
      throw usage(`${shown(given)} is neither true nor false`);
    },
  };
}

/** On, off, or unsaid: then something else decides. */
export function toggle(help: string, more: More = {}): Flag<boolean | undefined> {
  return { ...flag(help, more), default: undefined };
}

/** The command line on which `flags` have these values; flags that were not given, and have no default, are left out. */
export function writeFlags<F extends Flags>(flags: F, values: FlagValues<NoInfer<F>>): string[] {
  return Object.entries(flags).flatMap(([key, { placeholder, write = String }]) => {
    const value = values[key];
    if (value === undefined) return [];
    if (placeholder === undefined) return [value === true ? flagName(key) : `--no-${flagName(key).slice(2)}`];
    return [flagName(key), write(value)];
  });
}

/** `workDir` is `--work-dir`. */
export function flagName(key: string): string {
  return `--${key.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`;
}

/** `workDir` is `PROFFER_WORK_DIR`. */
export function variableName(key: string): string {
  return `PROFFER_${key.replaceAll(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`;
}

export function usage(message: string, hint?: string): ProfferError {
  return new ProfferError('USAGE', message, hint === undefined ? {} : { hint });
}

function notEmpty(given: string): string {
  if (given === '') throw usage('is empty');
  return given;
}
