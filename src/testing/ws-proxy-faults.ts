// What a proxy can do to the messages and connections that pass it: the faults, their checks, and who each one hits. In: what a test asks for. Out: faults in force.
import { assertNever } from '../base/assert.js';
import { problem, problemsError, shown } from '../base/errors.js';
import type { Problem } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import type { Random } from '../env/random.js';

/** One of the two ways through a proxy: to the server behind it, or back to the client. */
export type ProxyDirection = 'toTarget' | 'toClient';

/** Which messages a fault is meant for. */
export interface FaultAim {
  /** Default: both ways. */
  readonly direction?: ProxyDirection;
  /** `type`s of messages, e.g. `['ACCEPT', 'DECLINE']`. Default: all but those of the session itself, which begin with `$`; name those to hit them. */
  readonly types?: readonly string[];
  /** Only connections to this path, e.g. `/v1/agent`. Default: all. */
  readonly path?: string;
  /** Of each message, in (0, 1]. Default 1. */
  readonly chance?: number;
  /** After so many messages the fault is spent. Default: never. */
  readonly times?: number;
}

/** Messages disappear. The next one tells, and the session ends, unless the proxy hides it. */
export interface DropFault extends FaultAim {
  readonly kind: 'drop';
}

/** Messages arrive again; the session ends then, unless the proxy hides it. */
export interface DuplicateFault extends FaultAim {
  readonly kind: 'duplicate';
  /** How often more. Default 1. */
  readonly copies?: number;
  /** How much later; others pass meanwhile. Default: right after themselves. */
  readonly afterMs?: number;
}

/** Messages come later. Order is kept: what follows waits as well. */
export interface DelayFault extends FaultAim {
  readonly kind: 'delay';
  readonly delayMs: number;
  /** Up to so much more, at random for each message. Default 0. */
  readonly jitterMs?: number;
}

/** A message is overtaken by the next one that passes; the session ends then, unless the proxy hides it. */
export interface ReorderFault extends FaultAim {
  readonly kind: 'reorder';
  /** When none comes, it goes on after this. Default 100. */
  readonly withinMs?: number;
}

/** Messages are kept back until the fault is lifted, and arrive then; others overtake them. A connection that ends takes them with it. */
export interface HoldFault extends FaultAim {
  readonly kind: 'hold';
}

/**
 * Nothing passes, and nobody is told: connections stay open, also when one end closes; new ones are not answered. When it is lifted, everything goes on from where
 * it stood, as TCP does after a partition. With a direction, the other way still works.
 */
export interface PartitionFault {
  readonly kind: 'partition';
  readonly direction?: ProxyDirection;
  readonly path?: string;
}

/** A slow line: so many bytes of frames a second for each connection. What cannot pass is left to the sender. */
export interface SlowFault {
  readonly kind: 'slow';
  readonly bytesPerSecond: number;
  readonly direction?: ProxyDirection;
  readonly path?: string;
}

/** New connections are reset as soon as they come. */
export interface RefuseFault {
  readonly kind: 'refuse';
}

/** All connections are reset (TCP RST), again and again. */
export interface ResetFault {
  readonly kind: 'reset';
  readonly everyMs: number;
  readonly path?: string;
}

export type ProxyFault =
  | DropFault
  | DuplicateFault
  | DelayFault
  | ReorderFault
  | HoldFault
  | PartitionFault
  | SlowFault
  | RefuseFault
  | ResetFault;

/** A fault at work. */
export interface ActiveFault {
  readonly fault: ProxyFault;
  /** Messages it changed, or connections it cut or refused; for `partition` and `slow` nothing is counted. */
  readonly hits: number;
  /** Ends it. Lifting it twice does nothing. */
  lift(): void;
}

type MessageFault = DropFault | DuplicateFault | DelayFault | ReorderFault | HoldFault;

const kinds = ['drop', 'duplicate', 'delay', 'reorder', 'hold', 'partition', 'slow', 'refuse', 'reset'] as const;
const aims = ['kind', 'direction', 'types', 'path', 'chance', 'times'];
const fields: Readonly<Record<ProxyFault['kind'], readonly string[]>> = {
  drop: aims,
  duplicate: [...aims, 'copies', 'afterMs'],
  delay: [...aims, 'delayMs', 'jitterMs'],
  reorder: [...aims, 'withinMs'],
  hold: aims,
  partition: ['kind', 'direction', 'path'],
  slow: ['kind', 'bytesPerSecond', 'direction', 'path'],
  refuse: ['kind'],
  reset: ['kind', 'everyMs', 'path'],
};
const delayMaxMs = 3_600_000;

/** @throws ProfferError USAGE naming everything that is wrong with `fault`. */
export function checkFault(fault: ProxyFault): void {
  const problems: Problem[] = [];
  const given: Readonly<Record<string, unknown>> = { ...fault };
  const known = fields[fault.kind] as readonly string[] | undefined;
  if (known === undefined) {
    const kind: string = fault.kind;
    throw problemsError([
      problem('kind', 'USAGE', `${shown(kind)} is no fault: there are ${kinds.join(', ')}`, didYouMean(kind, kinds)),
    ]);
  }
  for (const name of Object.keys(given)) {
    if (!known.includes(name))
      problems.push(problem(name, 'USAGE', `a fault ${shown(fault.kind)} has no such field: ${known.join(', ')}`));
  }
  const number = (path: string, min: number, max: number, needed = false, whole = true): void => {
    const value = given[path];
    if (value === undefined && !needed) return;
    const good = typeof value === 'number' && value >= min && value <= max && (!whole || Number.isInteger(value));
    const allowed = `${whole ? 'a whole number' : 'a number'} from ${min} to ${max}`;
    if (!good) problems.push(problem(path, 'USAGE', `${shown(value)} is not ${allowed}`));
  };
  const { direction, chance, types, path } = given;
  if (direction !== undefined && direction !== 'toTarget' && direction !== 'toClient')
    problems.push(problem('direction', 'USAGE', `${shown(direction)} is neither "toTarget" nor "toClient"`));
  if (chance !== undefined && !(typeof chance === 'number' && chance > 0 && chance <= 1))
    problems.push(problem('chance', 'USAGE', `${shown(chance)} is not above 0 and up to 1`));
  if (types !== undefined && !(Array.isArray(types) && types.length > 0 && types.every(one => typeof one === 'string')))
    problems.push(problem('types', 'USAGE', `${shown(types)} is not a list of message types`));
  if (path !== undefined && !(typeof path === 'string' && path.startsWith('/')))
    problems.push(problem('path', 'USAGE', `${shown(path)} does not begin with /`));
  number('times', 1, Number.MAX_SAFE_INTEGER);
  number('copies', 1, 1000);
  number('delayMs', 0, delayMaxMs, fault.kind === 'delay', false);
  number('jitterMs', 0, delayMaxMs, false, false);
  number('afterMs', 0, delayMaxMs, false, false);
  number('withinMs', 0, delayMaxMs, false, false);
  number('bytesPerSecond', 1, Number.MAX_SAFE_INTEGER, fault.kind === 'slow');
  number('everyMs', 1, delayMaxMs, fault.kind === 'reset');
  if (problems.length > 0) throw problemsError(problems);
}

/** A fault in force, as lanes see it. */
export class LiveFault implements ActiveFault {
  hits = 0;
  lifted = false;
  readonly fault: ProxyFault;
  readonly #onLift: (fault: LiveFault) => void;

  constructor(fault: ProxyFault, onLift: (fault: LiveFault) => void) {
    this.fault = fault;
    this.#onLift = onLift;
  }

  lift(): void {
    if (this.lifted) return;
    this.lifted = true;
    this.#onLift(this);
  }

  /** The fault, when it is one of messages and hits this one. Draws a chance only for messages it is aimed at. */
  striking(direction: ProxyDirection, path: string, type: string, random: Random): MessageFault | undefined {
    const { fault } = this;
    switch (fault.kind) {
      case 'drop':
      case 'duplicate':
      case 'delay':
      case 'reorder':
      case 'hold':
        break;
      case 'partition':
      case 'slow':
      case 'refuse':
      case 'reset':
        return undefined;
      default:
        return assertNever(fault);
    }
    if (!concerns(fault, direction, path) || this.hits >= (fault.times ?? Number.POSITIVE_INFINITY)) return undefined;
    if (fault.types === undefined ? type.startsWith('$') : !fault.types.includes(type)) return undefined;
    if (fault.chance !== undefined && fault.chance < 1 && !random.chance(fault.chance)) return undefined;
    this.hits += 1;
    return fault;
  }
}

/** Whether a fault with a direction and a path, both optional, is meant for this one. */
export function concerns(
  fault: { readonly direction?: ProxyDirection; readonly path?: string },
  direction: ProxyDirection,
  path: string,
): boolean {
  return (
    (fault.direction === undefined || fault.direction === direction) &&
    (fault.path === undefined || fault.path === path)
  );
}
