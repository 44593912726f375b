// Where a flag's value comes from: the command line, then PROFFER_ variables, then the configuration file, then the default. In: all of them.
// Out: checked values, or every violation at once, each saying where it was written.
import type { Problem } from '../base/errors.js';
import { problem, ProfferError, shown } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import type { Flag, Flags } from './flags.js';
import { flagName, variableName } from './flags.js';
import { readJsonFile } from './json-file.js';

/** What the user wrote. */
export interface Sources {
  /** Texts by key, as often as given; `true` and `false` for switches. */
  readonly given: { readonly [key: string]: readonly string[] };
  readonly variables: { readonly [name: string]: string | undefined };
  /** Path of the configuration file. */
  readonly file?: string;
}

/** What a configuration file may say: every flag's key, and per command a section. */
export interface KnownKeys {
  readonly command: string;
  readonly flagsOf: { readonly [command: string]: Flags };
}

/**
 * The values of `flags`, by key.
 * @throws ProfferError USAGE (command line and variables) or CONFIG (file), with every violation.
 */
export function settle(flags: Flags, sources: Sources, known: KnownKeys): { readonly [key: string]: unknown } {
  const problems: Problem[] = [];
  const config = sources.file === undefined ? undefined : readConfig(sources.file, known, problems);
  const values: { [key: string]: unknown } = {};
  const origins = new Map<string, { readonly where: string; readonly code: 'USAGE' | 'CONFIG' }>();
  for (const [key, flag] of Object.entries(flags)) {
    const written = sources.given[key];
    const variable = sources.variables[variableName(key)];
    const fromFile = config?.get(key);
    const [texts, where, code] =
      written !== undefined
        ? ([written, flagName(key), 'USAGE'] as const)
        : variable !== undefined && variable !== ''
          ? ([flag.many === true ? variable.split(',') : [variable], variableName(key), 'USAGE'] as const)
          : ([fromFile?.texts ?? [], fromFile?.where ?? '', 'CONFIG'] as const);
    if (texts.length > 0) origins.set(key, { where, code });
    if (texts.length === 0) values[key] = flag.default;
    else if (texts.length > 1 && flag.many !== true && flag.placeholder !== undefined) {
      problems.push(
        problem(where, code, `is given ${texts.length} times: ${texts.map(shown).join(' and ')}`, 'give it once'),
      );
    } else values[key] = readAll(texts, flag, where, code, problems);
  }
  for (const [key, { where, code }] of origins) {
    const needs = flags[key]?.needs;
    if (needs !== undefined && !origins.has(needs))
      problems.push(problem(where, code, `is given without ${flagName(needs)}`, 'give both, or neither'));
  }
  if (problems.length > 0) throw settingsError(problems);
  return values;
}

function readAll(
  texts: readonly string[],
  { read, many, commas, gather }: Flag<unknown>,
  where: string,
  code: 'USAGE' | 'CONFIG',
  problems: Problem[],
): unknown {
  const attempt = (work: () => unknown): unknown => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof ProfferError)) throw error;
      problems.push(problem(where, code, error.message, error.hint));
      return undefined;
    }
  };
  const pieces = commas === true ? texts.flatMap(text => text.split(',').map(piece => piece.trim())) : texts;
  const before = problems.length;
  const values = pieces.map(text => attempt(() => read(text)));
  if (many !== true) return values.at(-1);
  return gather === undefined || problems.length > before ? values : attempt(() => gather(values));
}

/** One error for all: CONFIG only when the file alone is at fault. */
function settingsError(problems: readonly Problem[]): ProfferError {
  const code = problems.every(one => one.code === 'CONFIG') ? 'CONFIG' : 'USAGE';
  const [first] = problems;
  const hint = first?.hint;
  return new ProfferError(code, problems.map(one => `${one.path}: ${one.message}`).join('; '), {
    problems,
    ...(hint === undefined ? {} : { hint }),
  });
}

type Config = Map<string, { readonly texts: readonly string[]; readonly where: string }>;

function readConfig(file: string, known: KnownKeys, problems: Problem[]): Config {
  const json = readJsonFile(file, { code: 'CONFIG', path: '--config' });
  const { value } = json;
  const found: Config = new Map();
  const at = (...path: string[]): string => {
    const { line, column } = json.positionOf(path);
    return `${file}:${line}:${column}`;
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    problems.push(problem(at(), 'CONFIG', `${shown(value)} is not an object`, 'write for example { "port": 5050 }'));
    return found;
  }
  const all = new Set(Object.values(known.flagsOf).flatMap(flags => Object.keys(flags)));
  const sections = Object.keys(known.flagsOf);
  const members = Object.entries(value as Record<string, unknown>);
  for (const [key, inner] of members) {
    if (sections.includes(key) && typeof inner === 'object' && inner !== null && !Array.isArray(inner)) {
      readSection(
        Object.entries(inner as Record<string, unknown>),
        known.flagsOf[key] ?? {},
        key,
        at,
        problems,
        key === known.command ? found : undefined,
      );
    } else if (!all.has(key)) {
      problems.push(
        problem(
          at(key),
          'CONFIG',
          `the key ${shown(key)} is unknown`,
          didYouMean(key, [...all, ...sections]) ?? 'keys are the flags’ names in camelCase, or a command with its own',
        ),
      );
    } else if (!found.has(key)) {
      // A section of the command goes before what stands outside of it.
      const texts = textsOf(inner);
      if (texts === undefined)
        problems.push(
          problem(at(key), 'CONFIG', `${key} is ${shown(inner)}, not a text, a number, true, false or a list of texts`),
        );
      else if (key in (known.flagsOf[known.command] ?? {})) found.set(key, { texts, where: `${at(key)} ${key}` });
    }
  }
  return found;
}

function readSection(
  members: readonly (readonly [string, unknown])[],
  flags: Flags,
  section: string,
  at: (...path: string[]) => string,
  problems: Problem[],
  into: Config | undefined,
): void {
  for (const [key, value] of members) {
    const texts = textsOf(value);
    if (!(key in flags)) {
      problems.push(
        problem(
          at(section, key),
          'CONFIG',
          `the key ${shown(key)} is unknown in ${section}`,
          didYouMean(key, Object.keys(flags)) ?? `known: ${Object.keys(flags).join(', ')}`,
        ),
      );
    } else if (texts === undefined) {
      problems.push(
        problem(
          at(section, key),
          'CONFIG',
          `${key} is ${shown(value)}, not a text, a number, true, false or a list of texts`,
        ),
      );
    } else into?.set(key, { texts, where: `${at(section, key)} ${section}.${key}` });
  }
}

function textsOf(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number' || typeof value === 'boolean') return [String(value)];
  return Array.isArray(value) && value.every(item => typeof item === 'string') ? value : undefined;
}
