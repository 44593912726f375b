// Orders that somebody wrote, at work: whatever they throw, or give that is none of what is allowed, names the policy. In: an order. Out: the same
// order, guarded. Those of Proffer go without.
import { ProfferError, shown } from '../../base/errors.js';
import type { Scoring } from './orders/scoring.js';
import type { AgentOrder, Visits } from './agents/agent-order.js';
import type { FrameworkOrder } from './orders/order.js';

/** An order of frameworks whose mistakes name it. */
export function guardedFrameworkOrder(order: FrameworkOrder): FrameworkOrder {
  const who = `the order of frameworks ${shown(order.name)}`;
  const { name, rule, tieBreak: ties, factor } = order;
  return {
    name,
    rule,
    ...(ties === undefined ? {} : { tieBreak: ties }),
    start: tieBreak => {
      const scoring = guarded(who, 'start', () => order.start(tieBreak))();
      return scoring === undefined ? undefined : guardedScoring(who, scoring);
    },
    ...(factor === undefined ? {} : { factor: guarded(who, 'factor', factor.bind(order), isNumber) }),
  };
}

/** An order of agents whose mistakes name it. */
export function guardedAgentOrder(order: AgentOrder): AgentOrder {
  const who = `the order of agents ${shown(order.name)}`;
  const { name, rule } = order;
  if (order.kind === 'rank') {
    return { name, rule, kind: order.kind, score: guarded(who, 'score', order.score.bind(order), isNumber) };
  }
  if (order.kind !== 'visit') return order;
  return {
    name,
    rule,
    kind: order.kind,
    start: () => {
      const visits = guarded(who, 'start', () => order.start())();
      return {
        arrange: guarded(who, 'arrange', (agents, cycle) => visits.arrange(agents, cycle), isList),
        ...(visits.granted === undefined ? {} : { granted: guarded(who, 'granted', agent => visits.granted?.(agent)) }),
      } satisfies Visits;
    },
  };
}

function guardedScoring(who: string, scoring: Scoring): Scoring {
  const { flat, tieBreak } = scoring;
  return {
    ...(flat === undefined ? {} : { flat }),
    ...(tieBreak === undefined ? {} : { tieBreak }),
    score: guarded(who, 'score', scoring.score.bind(scoring), isNumber),
    ...(scoring.begin === undefined ? {} : { begin: guarded(who, 'begin', scoring.begin.bind(scoring)) }),
    ...(scoring.entered === undefined ? {} : { entered: guarded(who, 'entered', scoring.entered.bind(scoring)) }),
    ...(scoring.served === undefined ? {} : { served: guarded(who, 'served', scoring.served.bind(scoring)) }),
    ...(scoring.granted === undefined ? {} : { granted: guarded(who, 'granted', scoring.granted.bind(scoring)) }),
    ...(scoring.first === undefined ? {} : { first: guarded(who, 'first', scoring.first.bind(scoring), isNumber) }),
    ...(scoring.classOf === undefined
      ? {}
      : { classOf: guarded(who, 'classOf', scoring.classOf.bind(scoring), isNumber) }),
    ...(scoring.compare === undefined
      ? {}
      : { compare: guarded(who, 'compare', scoring.compare.bind(scoring), isNumber) }),
  };
}

type Check = (value: unknown) => string | undefined;

const isNumber: Check = value => (typeof value === 'number' ? undefined : 'not a number');
const isList: Check = value => (Array.isArray(value) ? undefined : 'not a list of agents');

function guarded<Given extends unknown[], Result>(
  who: string,
  method: string,
  call: (...given: Given) => Result,
  wrongIn?: Check,
): (...given: Given) => Result {
  return (...given) => {
    let result: Result;
    try {
      result = call(...given);
    } catch (error) {
      throw fault(`${who} failed in ${method}: ${error instanceof Error ? error.message : shown(error)}`, error);
    }
    const wrong = wrongIn?.(result);
    if (wrong !== undefined) throw fault(`${who} failed: ${method} gave ${shown(result)}, which is ${wrong}`);
    return result;
  };
}

function fault(message: string, cause?: unknown): ProfferError {
  const hint = 'mend the policy, or start the master with another one: what runs goes on meanwhile';
  return new ProfferError('USAGE', message, { path: 'policy', hint, ...(cause === undefined ? {} : { cause }) });
}
