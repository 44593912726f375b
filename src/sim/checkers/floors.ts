// Suspicious silence: a run in which nothing was launched, killed or cut off has shown nothing. In: history. Out: counts, and what is below its floor.
import type { HistoryEvent } from '../history.js';
import type { Checker } from './checker.js';

/** What happened how often. */
export interface Counts {
  launches: number;
  containersStarted: number;
  finished: number;
  failed: number;
  killed: number;
  offers: number;
  accepts: number;
  declines: number;
  rescinds: number;
  kills: number;
  reconnects: number;
  reregistrations: number;
  /** Parts of registrations, but for the last of each. */
  registerParts: number;
  masterStarts: number;
  /** Processes of agents that found records of one before, and of schedulers. */
  agentRestarts: number;
  schedulerRestarts: number;
  reboots: number;
  /** Containers that a new agent process found alive, and those that ended while there was none. */
  adopted: number;
  endedUnwatched: number;
  /** Statuses that an agent sent again. */
  resent: number;
  /** Registries restored from a copy. */
  restored: number;
  /** Masters that ended by themselves, by the reason. */
  stepsDown: { [why: string]: number };
  invalidCalls: number;
  /** Launches that others were faster than (optimistic commit). */
  conflicts: number;
  /** Operations on resources that agents were told to carry out. */
  operations: number;
  /** Of those that frameworks asked for, the ones that were refused. */
  operationsRefused: number;
  /** Containers that started on a persistent volume. */
  volumeUses: number;
  inverseOffers: number;
  inverseAnswers: number;
  /** Containers of frameworks' own executors, and tasks that ran in them. */
  executorsStarted: number;
  executorTasks: number;
  /** Executors that ended, as agents tell. */
  executorsExited: number;
  /** Tasks that were told to start together, and those ended because a check found them unhealthy. */
  groupLaunches: number;
  /** Launches under an id that was launched before, and those that masters dropped as the agents of then were not back. */
  idsUsedAgain: number;
  heldForAgents: number;
  unhealthyEnds: number;
  /** Clients that waited while what is there would have done, and then were offered something: by the policy's order, and with quota set. */
  waitsEnded: { [order: string]: number };
  waitsEndedUnderQuota: number;
  /** Offers that went towards guarantees; guarantees that lacked something when quota was set. */
  guaranteesServed: number;
  guaranteesSet: number;
  faults: { [kind: string]: number };
  rescindsFor: { [why: string]: number };
  /** Calls of operators that were done, and that were refused, by type. */
  operatorCalls: { [type: string]: number };
  operatorRefusals: { [type: string]: number };
  operationKinds: { [kind: string]: number };
}

const nothing: Counts = {
  launches: 0,
  containersStarted: 0,
  finished: 0,
  failed: 0,
  killed: 0,
  offers: 0,
  accepts: 0,
  declines: 0,
  rescinds: 0,
  kills: 0,
  reconnects: 0,
  reregistrations: 0,
  registerParts: 0,
  masterStarts: 0,
  agentRestarts: 0,
  schedulerRestarts: 0,
  reboots: 0,
  adopted: 0,
  endedUnwatched: 0,
  resent: 0,
  restored: 0,
  stepsDown: {},
  invalidCalls: 0,
  conflicts: 0,
  operations: 0,
  operationsRefused: 0,
  volumeUses: 0,
  inverseOffers: 0,
  inverseAnswers: 0,
  executorsStarted: 0,
  executorTasks: 0,
  executorsExited: 0,
  groupLaunches: 0,
  idsUsedAgain: 0,
  heldForAgents: 0,
  unhealthyEnds: 0,
  waitsEnded: {},
  waitsEndedUnderQuota: 0,
  guaranteesServed: 0,
  guaranteesSet: 0,
  faults: {},
  rescindsFor: {},
  operatorCalls: {},
  operatorRefusals: {},
  operationKinds: {},
};

/** A count of nothing yet. */
export function noCounts(): Counts {
  return structuredClone(nothing);
}

/** Counts; never reports by itself. */
export class FloorsChecker implements Checker {
  readonly name = 'floors';
  readonly counts: Counts = noCounts();
  /** By node: whether its process runs; absent for one that never did. */
  readonly #up = new Map<string, boolean>();
  readonly #dark = new Set<string>();
  readonly #alive = new Map<string, number>();
  readonly #launched = new Set<string>();
  /** The newest statuses, for those that come again. */
  readonly #statuses = new Set<string>();

  /** Told by the checkers of starvation and guarantees, which know what a wait is. */
  waitEnded(order: string, quota: boolean): void {
    count(this.counts.waitsEnded, order);
    if (quota) this.counts.waitsEndedUnderQuota += 1;
  }

  guarantee(what: 'served' | 'set'): void {
    this.counts[what === 'served' ? 'guaranteesServed' : 'guaranteesSet'] += 1;
  }

  on(event: HistoryEvent): void {
    const { counts } = this;
    switch (event.type) {
      case 'SCHEDULER_CALL':
        if (event.call.type === 'ACCEPT') counts.accepts += 1;
        else if (event.call.type === 'DECLINE') counts.declines += 1;
        else if (event.call.type === 'KILL') counts.kills += 1;
        else if (event.call.type === 'ACCEPT_INVERSE_OFFERS' || event.call.type === 'DECLINE_INVERSE_OFFERS')
          counts.inverseAnswers += 1;
        else if (event.call.type === 'SUBSCRIBE' && event.call.framework.id !== undefined) counts.reconnects += 1;
        return;
      case 'SCHEDULER_EVENT':
        if (event.event.type === 'OFFERS') counts.offers += event.event.offers.length;
        else if (event.event.type === 'RESCIND') {
          counts.rescinds += event.event.offerIds.length;
          count(counts.rescindsFor, event.event.why, event.event.offerIds.length);
        } else if (event.event.type === 'INVERSE_OFFERS') counts.inverseOffers += event.event.inverseOffers.length;
        else if (event.event.type === 'UPDATE_OPERATION') {
          if (event.event.status.state === 'OPERATION_ERROR') counts.operationsRefused += 1;
        } else if (event.event.type === 'UPDATE' && event.event.status.reason === 'OFFER_CONFLICT')
          counts.conflicts += 1;
        else if (event.event.type === 'UPDATE' && event.event.status.reason === 'AGENTS_RECOVERING')
          counts.heldForAgents += 1;
        else if (event.event.type === 'UPDATE' && event.event.status.uuid !== undefined) {
          const { state, reason } = event.event.status;
          if (reason === 'TASK_UNHEALTHY') counts.unhealthyEnds += 1;
          if (state === 'TASK_FINISHED') counts.finished += 1;
          else if (state === 'TASK_FAILED') counts.failed += 1;
          else if (state === 'TASK_KILLED') counts.killed += 1;
        } else if (event.event.type === 'ERROR') counts.invalidCalls += 1;
        return;
      case 'AGENT_EVENT':
        if (event.event.type === 'LAUNCH') {
          counts.launches += event.event.tasks.length;
          for (const { taskId } of event.event.tasks) this.#launches(`${event.event.framework.id}\n${taskId}`);
          if (event.event.groupId !== undefined) counts.groupLaunches += 1;
        } else if (event.event.type === 'APPLY_OPERATION') {
          counts.operations += 1;
          count(counts.operationKinds, event.event.kind);
        }
        return;
      case 'REGISTRY':
        if (event.what === 'RESTORED') counts.restored += 1;
        return;
      case 'AGENT_CALL':
        if (event.call.type === 'REGISTER' && event.call.more) counts.registerParts += 1;
        else if (event.call.type === 'REGISTER' && event.call.agentId !== undefined) counts.reregistrations += 1;
        else if (event.call.type === 'EXECUTOR_EXITED') counts.executorsExited += 1;
        else if (event.call.type === 'STATUS_UPDATE') this.#status(event.call.status.uuid);
        return;
      case 'CONTAINER_ENDED':
        this.#alive.set(event.node, (this.#alive.get(event.node) ?? 0) - 1);
        if (this.#up.get(event.node) === false && !this.#dark.has(event.node)) counts.endedUnwatched += 1;
        return;
      case 'CONTAINER_STARTED':
        this.#alive.set(event.node, (this.#alive.get(event.node) ?? 0) + 1);
        counts.containersStarted += 1;
        if ((event.container.spec.volumes ?? []).length > 0) counts.volumeUses += 1;
        if (event.container.spec.env['PROFFER_EXECUTOR_ID'] !== undefined) counts.executorsStarted += 1;
        return;
      case 'EXECUTOR_TASK_STARTED':
        counts.executorTasks += 1;
        return;
      case 'PROCESS':
        if (event.up) this.#starts(event);
        this.#up.set(event.node, event.up);
        return;
      case 'REBOOT':
        counts.reboots += 1;
        this.#dark.add(event.node);
        return;
      case 'STEPS_DOWN':
        count(counts.stepsDown, event.why);
        return;
      case 'INVALID':
        counts.invalidCalls += 1;
        return;
      case 'FAULT':
        if (!event.healed) count(counts.faults, event.fault);
        return;
      case 'OPERATOR_ANSWER':
        count(event.problems.length === 0 ? counts.operatorCalls : counts.operatorRefusals, event.call.type);
        return;
      default:
        return;
    }
  }

  #starts({ node, kind }: Extract<HistoryEvent, { type: 'PROCESS' }>): void {
    const { counts } = this;
    if (kind === 'MASTER') counts.masterStarts += 1;
    if (!this.#up.has(node)) return;
    if (kind === 'SCHEDULER') counts.schedulerRestarts += 1;
    if (kind !== 'AGENT') return;
    counts.agentRestarts += 1;
    counts.adopted += this.#alive.get(node) ?? 0;
    this.#dark.delete(node);
  }

  #launches(key: string): void {
    if (this.#launched.has(key)) this.counts.idsUsedAgain += 1;
    this.#launched.add(key);
  }

  #status(uuid: string | undefined): void {
    if (uuid === undefined) return;
    if (this.#statuses.has(uuid)) this.counts.resent += 1;
    this.#statuses.add(uuid);
    const [oldest] = this.#statuses.size > statusesMax ? this.#statuses : [];
    if (oldest !== undefined) this.#statuses.delete(oldest);
  }
}

/** As many as may be unacknowledged at a time. */
const statusesMax = 1000;

type Numbers = { [Key in keyof Counts as Counts[Key] extends number ? Key : never]: number };
type Tables = { [Key in keyof Counts as Counts[Key] extends number ? never : Key]: { [kind: string]: number } };

/** The least a run, or several together, must have seen. */
export type Floors = { readonly [Key in keyof Numbers]?: number } & {
  readonly [Key in keyof Tables]?: { readonly [kind: string]: number };
};

/** What of `counts` is below its floor, in words; empty when nothing is. */
export function belowFloors(counts: Counts, floors: Floors): string[] {
  const low: string[] = [];
  const look = (name: string, seen: number, floor: number): void => {
    if (seen < floor) low.push(`${name}: ${seen}, at least ${floor} expected`);
  };
  for (const [name, floor] of Object.entries(floors)) {
    const seen = counts[name as keyof Counts];
    if (typeof floor === 'number' && typeof seen === 'number') look(name, seen, floor);
    else if (typeof floor === 'object' && typeof seen === 'object') {
      for (const [kind, least] of Object.entries(floor)) look(`${name} of kind ${kind}`, seen[kind] ?? 0, least);
    }
  }
  return low;
}

/** Adds the counts of one run to those of several. */
export function addCounts(into: Counts, more: Counts): void {
  for (const key of Object.keys(into) as (keyof Counts)[]) {
    const [to, from] = [into[key], more[key]];
    if (typeof to === 'number') (into as Numbers)[key as keyof Numbers] = to + (from as number);
    else for (const [kind, n] of Object.entries(from as { readonly [kind: string]: number })) count(to, kind, n);
  }
}

function count(table: { [kind: string]: number }, kind: string, n = 1): void {
  table[kind] = (table[kind] ?? 0) + n;
}
