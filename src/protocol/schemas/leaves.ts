// The small shapes that entities share: ids, roles, times, ports, labels, resources, attributes. In: rules of validate-ids and resources. Out: shapes.
import { errorCodes } from '../../base/errors.js';
import type { ErrorCode, Problem } from '../../base/errors.js';
import type { Role, TaskId } from '../../base/ids.js';
import { dateMaxMs } from '../../base/units.js';
import type { Resources } from '../../resources/index.js';
import { defaultRole, roleProblem, scalarMax, toBag } from '../../resources/index.js';
import type { Attributes, AttributeValue, Labels } from '../entities.js';
import {
  hostnameProblem,
  idProblem,
  nameProblem,
  nulProblem,
  printableProblem,
  reportedIdProblem,
  userProblem,
  webUrlProblem,
} from '../validate-ids.js';
import { given, isPlain } from './findings.js';
import { leaf, number, object, oneOf, optional, record, secretText, text, whole } from './shape.js';
import type { Shape } from './shape.js';

/** Longest time anything may be asked to last. */
export const durationMaxMs = 365 * 86_400_000;

const idHint = 'use letters, digits and any of _.:@+-';
const idShape = text('an id', idProblem, idHint);

/** An id of any kind. */
export function id<T extends string>(): Shape<T> {
  return idShape as Shape<T>;
}

/** The id of a task that may have been refused for it. */
export const reportedTaskId: Shape<TaskId> = text('a task id', reportedIdProblem);
/** What is made by machines to be compared only. */
export const token: Shape<string> = text('an id', reportedIdProblem);
export const name = text('a string', nameProblem);
export const printable = text('a string', printableProblem);
export const anyText = text();
/** Payload that only the ends understand; may be a secret. */
export const data = secretText();
export const hostname = text('a host name', hostnameProblem);
export const user = text('a user name', userProblem);
export const webUrl = text('a URL', webUrlProblem, 'write for example http://host:8080/');

/** A role. `roleProblem` names the value itself, so its text stands alone. */
export const role: Shape<Role> = {
  what: 'a role',
  ok: value => roleProblem(value) === undefined,
  explain(value, path, code, found) {
    const why = typeof value === 'string' ? roleProblem(value) : `${given(value)} is not a role`;
    if (why !== undefined) found.add(path, code, why);
  },
};

const everybody =
  '"*" is not allowed here: everybody is offered what is of it, so nothing can be kept for it or from it';

/** A role but `*`. */
export const namedRole: Shape<Role> = {
  what: 'a role other than "*"',
  ok: value => value !== defaultRole && role.ok(value),
  explain(value, path, code, found) {
    if (value === defaultRole) found.add(path, code, everybody, 'name another role');
    else role.explain(value, path, code, found);
  },
};

/** A time span; 0 is allowed. */
export const durationMs = number('a number of milliseconds from 0 to 365 days', 0, durationMaxMs);
/** A time span that is some time. */
export const positiveMs: Shape<number> = leaf(
  'a number of milliseconds above 0, at most 365 days',
  value => typeof value === 'number' && value > 0 && value <= durationMaxMs,
);
/** How long to refuse offers; the master caps it. */
export const refuseMs = number('a number of milliseconds, 0 or more', 0);
/** On the wall clock. */
export const wallMs = number('a time in milliseconds since 1970, from 0 to 8.64e15', 0, dateMaxMs);
/** Longest planned absence. */
export const absenceMaxMs = 100 * durationMaxMs;
export const absenceMs = number('a number of milliseconds from 0 to 100 years', 0, absenceMaxMs);
export const count = whole('a whole number, 0 or more', 0);
export const integer = whole('a whole number', Number.MIN_SAFE_INTEGER);
/** A port one can connect to. */
export const port = whole('a port from 1 to 65535', 1, 65_535);
/** A port, or 0 for none. */
export const portOrNone = whole('a port from 0 to 65535', 0, 65_535);

export const labels: Shape<Labels> = record(anyText, 'an object of labels, each a string');

export const attributes: Shape<Attributes> = record(
  leaf<AttributeValue>(
    'a string, a finite number, a list of [begin, end] pairs or a list of strings',
    isAttributeValue,
  ),
  'an object of attributes',
  nameProblem,
);

/** Resources in their boundary form; what is wrong with them `toBag` knows. */
export const resources: Shape<Resources> = {
  what: 'an object of resources',
  ok: resourcesOk,
  explain(value, path, _code, found) {
    if (!isPlain(value)) {
      found.add(path, 'INVALID_RESOURCES', `${given(value)} is not an object of resources`, resourcesHint);
    } else for (const wrong of toBag(value, path).problems) found.push(wrong);
  },
};
const resourcesHint = 'write for example { cpus: 0.5, mem: 64 }';

/** A problem told by a peer. */
export const peerProblem = object<Problem>('a problem', {
  path: anyText,
  code: oneOf(Object.keys(errorCodes) as ErrorCode[], 'an error code'),
  message: anyText,
  hint: optional(anyText),
});

/** A program's argument, or a shell line. */
export const programText = text('a string', nulProblem);

// Most resources are cpus, mem, disk and one range of ports; these need not be converted to be known as right.
function resourcesOk(value: unknown): boolean {
  if (!isPlain(value)) return false;
  for (const key in value) {
    const amount = value[key];
    if (typeof amount === 'number' ? !isPlainScalar(key, amount) : key !== 'ports' || !isOneRange(amount)) {
      return toBag(value).problems.length === 0;
    }
  }
  return true;
}

function isPlainScalar(key: string, amount: number): boolean {
  if (key !== 'cpus' && key !== 'mem' && key !== 'disk') return false;
  return amount >= 0 && amount <= scalarMax && Math.round(amount * 1000) / 1000 === amount;
}

function isOneRange(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 1 || !Array.isArray(value[0]) || value[0].length !== 2) return false;
  const [begin, end] = value[0] as readonly unknown[];
  return port.ok(begin) && port.ok(end) && (begin as number) <= (end as number);
}

function isAttributeValue(value: unknown): boolean {
  if (typeof value === 'string') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (!Array.isArray(value)) return false;
  return value.every(item => typeof item === 'string') || value.every(isPair);
}

function isPair(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [begin, end] = value as readonly unknown[];
  return Number.isSafeInteger(begin) && Number.isSafeInteger(end) && (begin as number) <= (end as number);
}
