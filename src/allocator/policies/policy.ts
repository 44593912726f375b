// Composing a policy of its four axes. In: names or objects. Out: a policy for an allocator, or every problem at once.
import type { Problem } from '../../base/errors.js';
import { problem, problemsError, shown } from '../../base/errors.js';
import type { TieBreak } from '../sorter/columns.js';
import type { AllocationPolicy } from '../cycle/cycle.js';
import { hierarchicalDrf } from '../cycle/hierarchical.js';
import type { AgentOrder } from './agents/agent-order.js';
import type { Commit } from './commit.js';
import { commitName } from './commit.js';
import type { Axes } from './engine.js';
import { Engine } from './engine.js';
import { guardedAgentOrder, guardedFrameworkOrder } from './guard.js';
import type { Granularity } from './granularity.js';
import { granularityName } from './granularity.js';
import type { FrameworkOrder } from './orders/order.js';
import { agentOrderProblems, commitProblems, frameworkOrderProblems, granularityProblems } from './own.js';
import { readAgentOrder, readCommit, readFrameworkOrder, readGranularity } from './parameters.js';

/** The four axes of a policy and its tie-break. What is left out is what Mesos does. */
export interface PolicySpec {
  /**
   * Which framework comes first: `drf` (default), `hdrf`, `random`, `rr`, `fifo`, `prio:ads=2,web=1`, `least-alloc:cpus`, `lottery`,
   * `stride`, `asset`, `tsf`, `cdrf`, `ps-dsf`,
   * `rps-dsf`, `demand`, or one of your own.
   */
  readonly frameworkOrder?: string | FrameworkOrder;
  /**
   * Which agent: `shuffle` (default), `iid`, `first-fit`, `next-fit`, `best-fit`, `dot-product`, `spread`, `binpack`, `joint`, or one
   * of your own.
   */
  readonly agentOrder?: string | AgentOrder;
  /** How much at once: `all`, `agent` (default), `slice:0.5` (of the fair part of an agent), `slice:3tasks`. */
  readonly granularity?: string | Granularity;
  /** When an offer takes its resources: `pessimistic` (default), `optimistic:fit,incremental,copies=4`. */
  readonly commit?: string | Commit;
  /**
   * Between frameworks of equal score: fewer allocations made and then the path (`count`, the default), or the path alone. Some orders
   * have their own.
   */
  readonly tieBreak?: TieBreak;
}

/**
 * Makes a policy for `AllocatorOptions.policy`, `runMaster` or a module given to `proffer master --policy-module`.
 *
 * @example
 * // Strict classes, packed tightly, one task's worth an offer:
 * export const policy = definePolicy({ frameworkOrder: 'prio:ads=2,web=1', agentOrder: 'binpack', granularity: 'slice:1task' });
 *
 * @example
 * // An order of one's own: whoever holds least memory, in MiB, comes first; roles count by the sum of what is in them.
 * export const policy = definePolicy({
 *   frameworkOrder: {
 *     name: 'least-mem',
 *     rule: 'least mem held',
 *     start: () => ({ score: (node, columns) => columns.amount(node.id, columns.indexOf('mem')) }),
 *   },
 * });
 *
 * A factory of one's own (`start`) is called once here, to look at what it gives. An order of one's own that throws later, or gives what is no
 * number, fails the run with a ProfferError USAGE that names it: the master stops, as it would allocate by nobody's rule otherwise.
 *
 * @throws ProfferError USAGE that names everything that is wrong, with its path.
 */
export function definePolicy(spec: PolicySpec = {}): AllocationPolicy {
  const problems: Problem[] = [];
  const axes = readAxes(spec, problems);
  if (axes === undefined || problems.length > 0) throw problemsError(problems);
  const { frameworkOrder, agentOrder, granularity, commit, tieBreak } = axes;
  // Only what others wrote is guarded: it costs.
  const guardedAxes: Axes = {
    ...axes,
    ...(isOwn(spec.frameworkOrder) ? { frameworkOrder: guardedFrameworkOrder(frameworkOrder) } : {}),
    ...(isOwn(spec.agentOrder) ? { agentOrder: guardedAgentOrder(agentOrder) } : {}),
  };
  const ties = frameworkOrder.tieBreak ?? tieBreak;
  const description = {
    frameworkOrder: `${frameworkOrder.name}: ${frameworkOrder.rule}`,
    tieBreak: ties === 'count' ? 'fewer allocations made, then path' : 'path',
    agentOrder: `${agentOrder.name}: ${agentOrder.rule}`,
    granularity: granularityName(granularity),
    commit: commitName(commit),
    ...(commit.kind === 'optimistic' ? { conflict: { test: commit.test, transaction: commit.transaction } } : {}),
  };
  // By name, but not one's own order of that name.
  const isDefault =
    !isOwn(spec.frameworkOrder) &&
    !isOwn(spec.agentOrder) &&
    frameworkOrder.name === 'drf' &&
    ties === 'count' &&
    agentOrder.name === 'shuffle' &&
    granularity.kind === 'agent' &&
    commit.kind === 'pessimistic';
  return {
    description,
    start: isDefault ? hierarchicalDrf.start : excluded => new Engine(guardedAxes, excluded),
  };
}

/** Whether something is a policy that `definePolicy` made. */
export function isPolicy(value: unknown): value is AllocationPolicy {
  return (
    typeof value === 'object' &&
    value !== null &&
    'start' in value &&
    typeof value.start === 'function' &&
    'description' in value
  );
}

function isOwn(axis: string | object | undefined): boolean {
  return typeof axis === 'object';
}

const keys = ['frameworkOrder', 'agentOrder', 'granularity', 'commit', 'tieBreak'];

function readAxes(spec: PolicySpec, problems: Problem[]): Axes | undefined {
  for (const key of Object.keys(spec)) {
    if (!keys.includes(key)) {
      problems.push(problem(`policy.${key}`, 'USAGE', `a policy has no ${key}`, `it has ${keys.join(', ')}`));
    }
  }
  const { tieBreak = 'count' } = spec;
  if (tieBreak !== 'count' && tieBreak !== 'path') {
    problems.push(problem('policy.tieBreak', 'USAGE', `${shown(tieBreak)} is not a tie-break`, 'it is count or path'));
  }
  const frameworkOrder = axis(
    spec.frameworkOrder ?? 'drf',
    'frameworkOrder',
    readFrameworkOrder,
    frameworkOrderProblems,
    problems,
  );
  const agentOrder = axis(spec.agentOrder ?? 'shuffle', 'agentOrder', readAgentOrder, agentOrderProblems, problems);
  const granularity = axis(spec.granularity ?? 'agent', 'granularity', readGranularity, granularityProblems, problems);
  const commit = axis(spec.commit ?? 'pessimistic', 'commit', readCommit, commitProblems, problems);
  if (frameworkOrder === undefined || agentOrder === undefined || granularity === undefined || commit === undefined) {
    return undefined;
  }
  problems.push(...clashes(frameworkOrder, agentOrder, granularity));
  return { frameworkOrder, agentOrder, granularity, commit, tieBreak };
}

function axis<T extends object>(
  given: string | T,
  name: string,
  read: (text: string, path: string, problems: Problem[]) => T | undefined,
  wrongIn: (given: object, path: string) => readonly Problem[],
  problems: Problem[],
): T | undefined {
  const path = `policy.${name}`;
  if (typeof given === 'string') return read(given, path, problems);
  if (typeof given !== 'object' || given === null) {
    problems.push(problem(path, 'USAGE', `${shown(given)} is neither a text nor an object`));
    return undefined;
  }
  const wrong = wrongIn(given, path);
  problems.push(...wrong);
  return wrong.length > 0 ? undefined : given;
}

// Axes that make no sense together.
function clashes(order: FrameworkOrder, agents: AgentOrder, granularity: Granularity): Problem[] {
  const compares = order.factor !== undefined;
  if (agents.kind === 'joint' && !compares) {
    return [
      problem(
        'policy.agentOrder',
        'USAGE',
        `joint takes the best pair of framework and agent, but ${order.name} does not depend on the agent`,
        'take ps-dsf or rps-dsf as the order of frameworks, or another order of agents',
      ),
    ];
  }
  if (agents.kind === 'rank' && compares) {
    return [
      problem(
        'policy.agentOrder',
        'USAGE',
        `${agents.name} takes the framework before the agent, but ${order.name} compares frameworks on an agent`,
        `take joint, shuffle, iid, first-fit or next-fit with ${order.name}`,
      ),
    ];
  }
  if (granularity.kind === 'all' && compares) {
    return [
      problem(
        'policy.granularity',
        'USAGE',
        `all gives a framework everything there is, but ${order.name} compares frameworks on an agent`,
        `take agent or a slice with ${order.name}`,
      ),
    ];
  }
  return [];
}
