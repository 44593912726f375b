// The texts that name policies, `prio:ads=2,web=1`, `slice:0.5`: a name, and parameters after a colon. In: text. Out: the axis, or what
// is wrong.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import { suggest } from '../../base/suggest.js';
import { agentOrders } from './agents/index.js';
import type { AgentOrder } from './agents/agent-order.js';
import type { Commit } from './commit.js';
import type { Granularity } from './granularity.js';
import { frameworkOrders } from './orders/index.js';
import type { FrameworkOrder } from './orders/order.js';

/** Reads a name with parameters; adds to `problems` and returns undefined when it is wrong. */
type Reader<T> = (text: string, path: string, problems: Problem[]) => T | undefined;

/** `drf`, `random`, `prio:ads=2,web=1:fifo` … */
export const readFrameworkOrder: Reader<FrameworkOrder> = (text, path, problems) => {
  const [name, parameters] = split(text);
  const make = find(frameworkOrders, name, 'order of frameworks', path, problems);
  return make?.(parameters, { path, problems, read: inner => readFrameworkOrder(inner, path, problems) });
};

/** `shuffle`, `best-fit` … */
export const readAgentOrder: Reader<AgentOrder> = (text, path, problems) => {
  const make = find(agentOrders, text, 'order of agents', path, problems);
  return make?.();
};

/** `all`, `agent`, `slice:0.5` (of the fair part of an agent), `slice:3tasks`. */
export const readGranularity: Reader<Granularity> = (text, path, problems) => {
  if (text === 'all' || text === 'agent') return { kind: text };
  const [name, size] = split(text);
  const hint = 'write all, agent, slice:0.5 (of the fair part of each agent) or slice:3tasks';
  if (name !== 'slice') {
    problems.push(problem(path, 'USAGE', `${shown(text)} is not a granularity`, hint));
    return undefined;
  }
  const granularity = sliceOf(size);
  if (granularity === undefined) {
    const what = size === undefined ? 'slice needs a size' : `${shown(size)} is not the size of a slice`;
    problems.push(
      problem(path, 'USAGE', `${what}: a number above 0 up to 1000, or a whole number of tasks from 1`, hint),
    );
  }
  return granularity;
};

/** Offers of one agent that are out at once, unless said otherwise. */
export const copiesDefault = 4;

/** `pessimistic`, `optimistic`, `optimistic:sequence,all-or-nothing,copies=8`: what is not said is fit, incremental, copies=4. */
export const readCommit: Reader<Commit> = (text, path, problems) => {
  if (text === 'pessimistic') return { kind: text };
  const [name, parameters] = split(text);
  const hint =
    'write pessimistic, or optimistic:TEST,TRANSACTION,copies=N: fit or sequence, incremental or all-or-nothing';
  if (name !== 'optimistic') {
    problems.push(problem(path, 'USAGE', `${shown(text)} is not a way to commit`, hint));
    return undefined;
  }
  let test: 'fit' | 'sequence' | undefined;
  let transaction: 'incremental' | 'all-or-nothing' | undefined;
  let copies: number | undefined;
  const twice: string[] = [];
  for (const word of parameters?.split(',') ?? []) {
    const number = Number(/^copies=(\d{1,6})$/.exec(word)?.[1] ?? 0);
    if (word === 'fit' || word === 'sequence') {
      if (test !== undefined) twice.push(`the test (${test} and ${word})`);
      test ??= word;
    } else if (word === 'incremental' || word === 'all-or-nothing') {
      if (transaction !== undefined) twice.push(`the transaction (${transaction} and ${word})`);
      transaction ??= word;
    } else if (number > 0) {
      if (copies !== undefined) twice.push(`copies (${copies} and ${number})`);
      copies ??= number;
    } else problems.push(problem(path, 'USAGE', `${shown(word)} is not a parameter of optimistic`, hint));
  }
  if (twice.length > 0) {
    problems.push(problem(path, 'USAGE', `${shown(text)} says more than once ${twice.join(', ')}`, hint));
  }
  return {
    kind: 'optimistic',
    test: test ?? 'fit',
    transaction: transaction ?? 'incremental',
    copies: copies ?? copiesDefault,
  };
};

function sliceOf(size: string | undefined): Granularity | undefined {
  if (size === undefined) return undefined;
  const tasks = /^(\d{1,6})tasks?$/.exec(size)?.[1];
  if (tasks !== undefined) return Number(tasks) > 0 ? { kind: 'tasks', tasks: Number(tasks) } : undefined;
  const fraction = /^\d*\.?\d+$/.test(size) ? Number(size) : Number.NaN;
  return fraction > 0 && fraction <= 1000 ? { kind: 'fraction', fraction } : undefined;
}

function split(text: string): [name: string, parameters: string | undefined] {
  const at = text.indexOf(':');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function find<T>(
  known: { readonly [name: string]: T },
  name: string,
  what: string,
  path: string,
  problems: Problem[],
): T | undefined {
  if (Object.hasOwn(known, name)) return known[name];
  const names = Object.keys(known);
  const near = suggest(name, names);
  const hint = `${near === undefined ? '' : `did you mean ${near}? `}There are ${names.join(', ')}`;
  problems.push(problem(path, 'USAGE', `no ${what} is called ${shown(name)}`, hint));
  return undefined;
}
