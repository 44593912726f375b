// Flags as data: what a flag is called, what it takes, how its text is read. Light: no command is loaded to print help.
import { ProfferError, shown } from '../base/errors.js';
import { parseDurationMs } from '../base/units.js';

/** One flag; `T` is what the command gets. */
export interface Flag<T> {
  /** What it takes, for help; absent for a switch. */
  readonly placeholder?: string;
  readonly short?: string;
  readonly help: string;
  readonly default: T;
  /** May be given several times. */
  readonly many?: boolean;
  /** Reads one text. @throws ProfferError USAGE. */
  readonly read: (text: string) => unknown;
  readonly hidden?: boolean;
}

export type Flags = { readonly [key: string]: Flag<unknown> };

/** The values of flags. */
export type FlagValues<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

interface More {
  readonly short?: string;
  readonly hidden?: boolean;
  readonly placeholder?: string;
}

/** A text. */
export function text(placeholder: string, help: string, more?: More): Flag<string | undefined>;
export function text(placeholder: string, help: string, more: More & { readonly default: string }): Flag<string>;
export function text(
  placeholder: string,
  help: string,
  more: More & { readonly default?: string } = {},
): Flag<string | undefined> {
  return { placeholder, help, ...more, default: more.default, read: given => notEmpty(given) };
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

/** A duration, in milliseconds. */
export function duration(placeholder: string, help: string, more: More = {}): Flag<number | undefined> {
  return { placeholder, help, ...more, default: undefined, read: given => parseDurationMs(given) };
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
