// Axes given as objects, not as names: someone wrote them, maybe without types. In: any object. Out: what is wrong with it.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';

type Fields = { readonly [key: string]: unknown };
type Checks = { readonly [key: string]: Check };
type Check = (value: unknown) => string | undefined;

const isText: Check = value => (typeof value === 'string' && value !== '' ? undefined : 'must be a text');
const isFunction: Check = value => (typeof value === 'function' ? undefined : 'must be a function');
const isNumber =
  (min: number, max: number, whole: boolean): Check =>
  value =>
    typeof value === 'number' && value >= min && value <= max && (!whole || Number.isInteger(value))
      ? undefined
      : `must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}`;
const isOneOf =
  (...words: readonly unknown[]): Check =>
  value =>
    words.includes(value) ? undefined : `must be ${words.map(String).join(' or ')}`;
const isOptional =
  (check: Check): Check =>
  value =>
    value === undefined ? undefined : check(value);

/** An order of frameworks of one's own. */
export function frameworkOrderProblems(given: object, path: string): Problem[] {
  const problems = wrongFields(given, path, {
    name: isText,
    rule: isText,
    start: isFunction,
    factor: isOptional(isFunction),
    tieBreak: isOptional(isOneOf('count', 'path')),
  });
  const { start } = given as Fields;
  return problems.length > 0
    ? problems
    : startProblems(() => (start as (tieBreak: string) => unknown)('count'), `${path}.start`, scoringChecks);
}

const scoringChecks: Checks = {
  score: isFunction,
  flat: isOptional(isOneOf(true, false)),
  tieBreak: isOptional(isOneOf('count', 'path')),
  ...Object.fromEntries(
    ['begin', 'entered', 'served', 'granted', 'first', 'classOf', 'compare'].map(name => [
      name,
      isOptional(isFunction),
    ]),
  ),
};

const visitsChecks: Checks = { arrange: isFunction, granted: isOptional(isFunction) };

// What a factory makes is looked at once before any allocator begins with it.
function startProblems(start: () => unknown, path: string, checks: Checks): Problem[] {
  let made: unknown;
  try {
    made = start();
  } catch (error) {
    const why = error instanceof Error ? error.message : shown(error);
    return [problem(path, 'USAGE', `${path} failed: ${why}`)];
  }
  // The sorter's own order.
  if (made === undefined && checks === scoringChecks) return [];
  if (typeof made === 'object' && made !== null) return wrongFields(made, `${path}()`, checks);
  const names = Object.keys(checks).filter(name => checks[name]?.(undefined) !== undefined);
  return [problem(path, 'USAGE', `${path} must give an object with ${names.join(', ')}, got ${shown(made)}`)];
}

/** An order of agents of one's own. */
export function agentOrderProblems(given: object, path: string): Problem[] {
  const { kind, start } = given as Fields;
  const problems = wrongFields(given, path, {
    name: isText,
    rule: isText,
    kind: isOneOf('rank', 'visit', 'draw', 'joint'),
    ...(kind === 'rank' ? { score: isFunction } : {}),
    ...(kind === 'visit' ? { start: isFunction } : {}),
  });
  if (kind !== 'visit' || problems.length > 0) return problems;
  return startProblems(start as () => unknown, `${path}.start`, visitsChecks);
}

export function granularityProblems(given: object, path: string): Problem[] {
  const { kind } = given as Fields;
  return wrongFields(given, path, {
    kind: isOneOf('all', 'agent', 'fraction', 'tasks'),
    ...(kind === 'fraction' ? { fraction: isNumber(Number.MIN_VALUE, 1000, false) } : {}),
    ...(kind === 'tasks' ? { tasks: isNumber(1, 999_999, true) } : {}),
  });
}

export function commitProblems(given: object, path: string): Problem[] {
  const optimistic = { test: isOneOf('fit', 'sequence'), transaction: isOneOf('incremental', 'all-or-nothing') };
  return wrongFields(given, path, {
    kind: isOneOf('pessimistic', 'optimistic'),
    ...((given as Fields)['kind'] === 'optimistic' ? { ...optimistic, copies: isNumber(1, 999_999, true) } : {}),
  });
}

function wrongFields(given: object, path: string, checks: Checks): Problem[] {
  return Object.entries(checks).flatMap(([key, check]) => {
    const value = (given as Fields)[key];
    const wrong = check(value);
    const at = `${path}.${key}`;
    return wrong === undefined ? [] : [problem(at, 'USAGE', `${at} ${wrong}, got ${shown(value)}`)];
  });
}
