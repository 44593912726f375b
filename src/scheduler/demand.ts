// Demand changes in bursts; the master should hear of it at most once per interval, and only what differs: SUPPRESS where nothing
// waits, REVIVE where something does. In: how many launches wait per role. Out: directives.
import type { Observable, SchedulerLike } from 'rxjs';
import { concatMap, distinctUntilChanged, filter, from, map, scan, throttleTime } from 'rxjs';
import type { Role } from '../base/ids.js';

/** Number of launches that wait, per role; a role not named waits for nothing. */
export type Demand = ReadonlyMap<Role, number>;

/** What to tell the master. */
export interface DemandDirective {
  readonly type: 'REVIVE' | 'SUPPRESS';
  readonly roles: readonly Role[];
}

/**
 * What changed from what the master was told (undefined: nothing yet) to what is wanted now. Growing demand revives again: filters may hide
 * fitting offers. A role of which nothing was said gets offers, so that nothing wanted is news for it.
 */
export function demandDirectives(told: Demand | undefined, wanted: Demand, roles: readonly Role[]): DemandDirective[] {
  const revive = roles.filter(role => (wanted.get(role) ?? 0) > (told?.get(role) ?? 0));
  const suppress = roles.filter(role => (told?.get(role) ?? 1) > 0 && (wanted.get(role) ?? 0) === 0);
  const directives: DemandDirective[] = [];
  if (revive.length > 0) directives.push({ type: 'REVIVE', roles: revive });
  if (suppress.length > 0) directives.push({ type: 'SUPPRESS', roles: suppress });
  return directives;
}

/** The stream of directives. The first change passes at once, later ones at most every `intervalMs` (default of the driver 200 ms). */
export function directives$(
  demand$: Observable<Demand>,
  roles: () => readonly Role[],
  intervalMs: number,
  scheduler: SchedulerLike,
): Observable<DemandDirective> {
  interface Step {
    readonly told: Demand | undefined;
    readonly directives: readonly DemandDirective[];
  }
  return demand$.pipe(
    distinctUntilChanged(sameDemand),
    throttleTime(intervalMs, scheduler, { leading: true, trailing: true }),
    scan((step: Step, wanted) => stepTo(step.told, wanted, roles()), { told: undefined, directives: [] }),
    map(step => step.directives),
    filter(list => list.length > 0),
    concatMap(list => from(list)),
  );
}

// What is told counts for the roles of now: a role that comes later, or comes back, is one of which nothing was said.
function stepTo(
  told: Demand | undefined,
  wanted: Demand,
  roles: readonly Role[],
): { told: Demand; directives: readonly DemandDirective[] } {
  return {
    told: new Map(roles.map(role => [role, wanted.get(role) ?? 0])),
    directives: demandDirectives(told, wanted, roles),
  };
}

function sameDemand(a: Demand, b: Demand): boolean {
  if (a.size !== b.size) return false;
  for (const [role, count] of a) if (b.get(role) !== count) return false;
  return true;
}
