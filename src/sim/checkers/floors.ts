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
  masterStarts: number;
  invalidCalls: number;
  faults: { [kind: string]: number };
}

/** Counts; never reports by itself. */
export class FloorsChecker implements Checker {
  readonly name = 'floors';
  readonly counts: Counts = {
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
    masterStarts: 0,
    invalidCalls: 0,
    faults: {},
  };

  on(event: HistoryEvent): void {
    const { counts } = this;
    switch (event.type) {
      case 'SCHEDULER_CALL':
        if (event.call.type === 'ACCEPT') counts.accepts += 1;
        else if (event.call.type === 'DECLINE') counts.declines += 1;
        else if (event.call.type === 'KILL') counts.kills += 1;
        else if (event.call.type === 'SUBSCRIBE' && event.call.framework.id !== undefined) counts.reconnects += 1;
        return;
      case 'SCHEDULER_EVENT':
        if (event.event.type === 'OFFERS') counts.offers += event.event.offers.length;
        else if (event.event.type === 'RESCIND') counts.rescinds += event.event.offerIds.length;
        else if (event.event.type === 'UPDATE' && event.event.status.uuid !== undefined) {
          const { state } = event.event.status;
          if (state === 'TASK_FINISHED') counts.finished += 1;
          else if (state === 'TASK_FAILED') counts.failed += 1;
          else if (state === 'TASK_KILLED') counts.killed += 1;
        } else if (event.event.type === 'ERROR') counts.invalidCalls += 1;
        return;
      case 'AGENT_EVENT':
        if (event.event.type === 'LAUNCH') counts.launches += event.event.tasks.length;
        return;
      case 'AGENT_CALL':
        if (event.call.type === 'REGISTER' && event.call.agentId !== undefined && !event.call.more)
          counts.reregistrations += 1;
        return;
      case 'CONTAINER_STARTED':
        counts.containersStarted += 1;
        return;
      case 'PROCESS':
        if (event.kind === 'MASTER' && event.up) counts.masterStarts += 1;
        return;
      case 'INVALID':
        counts.invalidCalls += 1;
        return;
      case 'FAULT':
        if (!event.healed) counts.faults[event.fault] = (counts.faults[event.fault] ?? 0) + 1;
        return;
      default:
        return;
    }
  }
}

/** The least a run, or several together, must have seen. */
export type Floors = { readonly [Key in Exclude<keyof Counts, 'faults'>]?: number } & {
  readonly faults?: { readonly [kind: string]: number };
};

/** What of `counts` is below its floor, in words; empty when nothing is. */
export function belowFloors(counts: Counts, floors: Floors): string[] {
  const low: string[] = [];
  const look = (name: string, count: number, floor: number): void => {
    if (count < floor) low.push(`${name}: ${count}, at least ${floor} expected`);
  };
  for (const [name, floor] of Object.entries(floors)) {
    if (typeof floor === 'number') look(name, counts[name as Exclude<keyof Counts, 'faults'>], floor);
  }
  for (const [kind, floor] of Object.entries(floors.faults ?? {}))
    look(`faults of kind ${kind}`, counts.faults[kind] ?? 0, floor);
  return low;
}

/** The sum of several runs' counts. */
export function addCounts(into: Counts, more: Counts): void {
  for (const key of Object.keys(into) as (keyof Counts)[]) {
    if (key === 'faults')
      for (const [kind, n] of Object.entries(more.faults)) into.faults[kind] = (into.faults[kind] ?? 0) + n;
    else into[key] += more[key];
  }
}
