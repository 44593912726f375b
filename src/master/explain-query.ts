// A question about something that waits, as it comes from an operator. In: texts. Out: what the allocator is asked, or every violation at once.
import type { Problem } from '../base/errors.js';
import { problem, problemsError, ProfferError, shown } from '../base/errors.js';
import type { Role } from '../base/ids.js';
import { didYouMean } from '../base/suggest.js';
import type { AttributeConstraint } from '../protocol/entities.js';
import type { ExplainRequest } from '../protocol/explain.js';
import { regexProblem } from '../protocol/regex.js';
import type { DemandHint } from '../protocol/scheduler-api.js';
import type { Bag } from '../resources/index.js';
import { bagOf, fromBag, parseResources, roleProblem } from '../resources/index.js';
import type { ClusterView, FrameworkRecord } from './state.js';

/** `GET /explain?…` */
export interface ExplainCall {
  /** Id or name. */
  readonly framework?: string;
  readonly role?: Role;
  /** Of what waits: the id of the request or of one of its tasks, or with a framework its index. */
  readonly request?: string;
  /** `cpus:2;mem:1024` */
  readonly resources?: string;
  readonly ports?: number;
  /** `ATTRIBUTE:PREDICATE[:VALUE]`, all of which have to hold. */
  readonly constraints?: readonly string[];
}

/** A question understood. */
export interface ExplainTarget {
  readonly framework: Readonly<FrameworkRecord> | undefined;
  readonly role: Role | undefined;
  /** What is to be launched, with its resources ready for arithmetic. */
  readonly request: (ExplainRequest & { readonly bag: Bag }) | undefined;
}

/**
 * Understands a question.
 * @throws ProfferError INVALID_CALL naming every violation; UNKNOWN_FRAMEWORK, UNKNOWN_ROLE, UNKNOWN_TASK, AMBIGUOUS_TASK.
 */
export function explainTarget(view: ClusterView, rolesInUse: () => readonly Role[], call: ExplainCall): ExplainTarget {
  const described = describedRequest(call);
  const framework = call.framework === undefined ? undefined : frameworkOf(view, call.framework);
  if (call.request !== undefined) return waiting(view, framework, call.request);
  const { role } = call;
  if (described === undefined && framework === undefined) {
    if (role === undefined) {
      throw new ProfferError('INVALID_CALL', 'nothing is asked about', {
        path: 'query',
        hint: 'give framework, role, request or resources',
      });
    }
    const roles = rolesInUse();
    if (!roles.includes(role)) {
      const hint = didYouMean(role, roles) ?? 'GET /roles lists them; with resources any role can be asked about';
      throw new ProfferError('UNKNOWN_ROLE', `nobody is in the role ${shown(role)}`, { path: 'query.role', hint });
    }
  }
  return { framework, role: role ?? (framework === undefined ? '*' : undefined), request: described };
}

/** A hint as what is to be launched. */
export function requestOfHint(hint: DemandHint): ExplainRequest & { readonly bag: Bag } {
  const { id, resources, ports, exactResources, constraints, count, absenceWithinMs } = hint;
  return {
    ...(id === undefined ? {} : { id }),
    resources,
    ...(ports === undefined ? {} : { ports }),
    ...(exactResources === undefined ? {} : { exactResources }),
    ...(constraints === undefined ? {} : { constraints }),
    count,
    ...(absenceWithinMs === undefined ? {} : { absenceWithinMs }),
    bag: bagOf(resources),
  };
}

function frameworkOf(view: ClusterView, given: string): Readonly<FrameworkRecord> {
  const exact = view.frameworks.get(given);
  if (exact !== undefined) return exact;
  const named = [...view.frameworks.values()].filter(({ info }) => info.name === given);
  const [found, second] = named;
  if (found === undefined) {
    throw new ProfferError('UNKNOWN_FRAMEWORK', `no live framework has the id or name ${shown(given)}`, {
      path: 'query.framework',
      hint: 'GET /frameworks lists them',
    });
  }
  if (second !== undefined) {
    throw new ProfferError('INVALID_CALL', `${named.length} frameworks are named ${shown(given)}`, {
      path: 'query.framework',
      hint: `give an id: ${named
        .slice(0, listedMax)
        .map(({ id }) => id)
        .join(', ')}`,
    });
  }
  return found;
}

const listedMax = 5;

function waiting(view: ClusterView, framework: Readonly<FrameworkRecord> | undefined, given: string): ExplainTarget {
  const path = 'query.request';
  const among = framework === undefined ? [...view.frameworks.values()] : [framework];
  const found: { readonly of: Readonly<FrameworkRecord>; readonly hint: DemandHint }[] = [];
  for (const each of among) {
    for (const [index, hint] of each.demand.entries()) {
      const indexed = framework !== undefined && String(index) === given;
      if (hint.id === given || indexed || hint.taskIds?.includes(given) === true) found.push({ of: each, hint });
    }
  }
  const [first] = found;
  if (first === undefined) {
    throw new ProfferError('UNKNOWN_TASK', `no framework has said that ${shown(given)} waits`, {
      path,
      hint: 'it may run already (GET /tasks), or its framework tells nothing of what waits',
    });
  }
  if (found.some(({ of }) => of !== first.of)) {
    const owners = [...new Set(found.map(({ of }) => of.id))].slice(0, listedMax).join(', ');
    throw new ProfferError('AMBIGUOUS_TASK', `${shown(given)} waits in several frameworks: ${owners}`, {
      path,
      hint: 'add framework=ID',
    });
  }
  return { framework: first.of, role: first.hint.role, request: requestOfHint(first.hint) };
}

// What the question itself describes.
function describedRequest(call: ExplainCall): (ExplainRequest & { readonly bag: Bag }) | undefined {
  const { resources, ports, constraints = [], role, request } = call;
  const problems: Problem[] = [];
  if (role !== undefined) {
    const why = roleProblem(role);
    if (why !== undefined) problems.push(problem('query.role', 'INVALID_CALL', why));
  }
  const parsed = parseResources(resources ?? '', 'query.resources');
  problems.push(...parsed.problems);
  const group = constraints.map((text, index) => parseConstraint(text, `query.constraints[${index}]`, problems));
  const asks = resources !== undefined || ports !== undefined || constraints.length > 0;
  if (asks && request !== undefined) {
    const hint = 'leave resources, ports and constraints out: the request has its own';
    problems.push(problem('query.request', 'INVALID_CALL', 'both a request and what it needs are given', hint));
  }
  if (problems.length > 0) throw problemsError(problems);
  if (!asks) return undefined;
  const found = group.filter(constraint => constraint !== undefined);
  return {
    resources: fromBag(parsed.bag),
    ...(ports === undefined ? {} : { ports }),
    ...(found.length === 0 ? {} : { constraints: [found] }),
    bag: parsed.bag,
  };
}

// The predicates of offer constraints, and what `proffer run` calls the same.
const predicates: Readonly<Record<string, AttributeConstraint['predicate']>> = {
  EXISTS: 'EXISTS',
  NOT_EXISTS: 'NOT_EXISTS',
  TEXT_EQUALS: 'TEXT_EQUALS',
  TEXT_NOT_EQUALS: 'TEXT_NOT_EQUALS',
  TEXT_MATCHES: 'TEXT_MATCHES',
  TEXT_NOT_MATCHES: 'TEXT_NOT_MATCHES',
  IS: 'TEXT_EQUALS',
  LIKE: 'TEXT_MATCHES',
  UNLIKE: 'TEXT_NOT_MATCHES',
};

function parseConstraint(text: string, path: string, problems: Problem[]): AttributeConstraint | undefined {
  const wrong = (message: string, hint?: string): undefined => {
    problems.push(problem(path, 'INVALID_CALL', message, hint));
    return undefined;
  };
  const [, attribute = '', given = '', value] = /^([^:]+):([^:]+)(?::(.*))?$/s.exec(text) ?? [];
  if (attribute === '') return wrong(`${shown(text)} is not a constraint`, 'write for example rack:TEXT_EQUALS:a');
  const name = given.toUpperCase();
  const predicate = Object.hasOwn(predicates, name) ? predicates[name] : undefined;
  if (predicate === undefined) {
    const names = Object.keys(predicates);
    return wrong(`${shown(given)} is not a predicate`, didYouMean(name, names) ?? `one of ${names.join(', ')}`);
  }
  const valueless = predicate === 'EXISTS' || predicate === 'NOT_EXISTS';
  if (valueless && value !== undefined) return wrong(`${given} takes no value, ${shown(value)} is given`);
  if (valueless) return { attribute, predicate };
  if (value === undefined) return wrong(`${shown(text)} lacks a value`, `write ${attribute}:${given}:VALUE`);
  if (predicate === 'TEXT_MATCHES' || predicate === 'TEXT_NOT_MATCHES') {
    const why = regexProblem(value);
    if (why !== undefined) return wrong(`${shown(value)} ${why}`);
  }
  return { attribute, predicate, value };
}
