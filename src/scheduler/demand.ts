// Demand changes in bursts; the master should hear of it at most once per interval, and only what differs: SUPPRESS where nothing
// waits, REVIVE where something does. In: how many launches wait per role. Out: directives.
import type { Observable, SchedulerLike } from 'rxjs';
import { concatMap, defer, distinctUntilChanged, from, tap, throttleTime } from 'rxjs';
import type { Problem } from '../base/errors.js';
import { problem, problemsError, ProfferError, shown } from '../base/errors.js';
import type { Role } from '../base/ids.js';
import { roleProblem } from '../resources/index.js';

/** Number of launches that wait, per role; a role not named waits for nothing. */
export type Demand = ReadonlyMap<Role, number>;

/** @throws ProfferError INVALID_CALL for what is no map of roles and counts. */
export function checkDemand(demand: Demand): void {
  const hint = "write for example setDemand(new Map([['ads', 3]]))";
  if (!((demand as unknown) instanceof Map))
    throw new ProfferError('INVALID_CALL', `${shown(demand)} is not a Map of roles and counts`, {
      path: 'demand',
      hint,
    });
  const problems: Problem[] = [];
  for (const [role, count] of demand as ReadonlyMap<unknown, unknown>) {
    const path = `demand.${String(role)}`;
    const wrong = typeof role === 'string' ? roleProblem(role) : `${shown(role)} is not a role`;
    if (wrong !== undefined) problems.push(problem(path, 'INVALID_CALL', wrong, hint));
    if (!Number.isSafeInteger(count) || (count as number) < 0)
      problems.push(problem(path, 'INVALID_CALL', `${shown(count)} is not a whole number from 0`, hint));
  }
  if (problems.length > 0) throw problemsError(problems);
}

/** What to tell the master. */
export interface DemandDirective {
  readonly type: 'REVIVE' | 'SUPPRESS';
  readonly roles: readonly Role[];
}

/**
 * What changed from what the master was told (undefined: nothing yet) to what is wanted now. Growing demand revives again: filters may hide
 * fitting offers; `grown` names roles for which something new came to wait since, even when something else ceased to. A role of which nothing
 * was said gets offers, so that nothing wanted is news for it.
 */
export function demandDirectives(
  told: Demand | undefined,
  wanted: Demand,
  roles: readonly Role[],
  grown: ReadonlySet<Role> = new Set(),
): DemandDirective[] {
  const count = (role: Role): number => wanted.get(role) ?? 0;
  const revive = roles.filter(role => count(role) > (told?.get(role) ?? 0) || (count(role) > 0 && grown.has(role)));
  const suppress = roles.filter(role => (told?.get(role) ?? 1) > 0 && count(role) === 0);
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
  return defer(() => {
    let told: Demand | undefined;
    let last: Demand = new Map();
    const grown = new Set<Role>();
    return demand$.pipe(
      distinctUntilChanged(sameDemand),
      tap(wanted => {
        for (const [role, count] of wanted) if (count > (last.get(role) ?? 0)) grown.add(role);
        last = wanted;
      }),
      throttleTime(intervalMs, scheduler, { leading: true, trailing: true }),
      concatMap(wanted => {
        const now = roles();
        const directives = demandDirectives(told, wanted, now, grown);
        // A role that comes later, or comes back, is one of which nothing was said.
        told = new Map(now.map(role => [role, wanted.get(role) ?? 0]));
        grown.clear();
        return from(directives);
      }),
    );
  });
}

function sameDemand(a: Demand, b: Demand): boolean {
  if (a.size !== b.size) return false;
  for (const [role, count] of a) if (b.get(role) !== count) return false;
  return true;
}
