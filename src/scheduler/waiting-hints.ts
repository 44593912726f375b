// What waits, as the master is told of it: launches that are alike are one hint, with the names of the first. In: what waits, whenever it changes.
// Out: at most one REQUEST a second, and none when nothing new is to be said.
import type { Role } from '../base/ids.js';
import type { Clock, Timer } from '../env/clock.js';
import type { DemandHint } from '../protocol/scheduler-api.js';
import type { Bag } from '../resources/index.js';
import { add, formatResources, fromBag } from '../resources/index.js';
import { attributeConstraints } from './attribute-constraints.js';
import type { MatchRequest } from './match-request.js';
import type { QueuedLaunch } from './queued-launch.js';

/** One launch that waits. */
export interface WaitingLaunch {
  readonly launch: QueuedLaunch;
  readonly request: MatchRequest;
}

/** Names told of one hint, and hints told at all: the oldest. */
export const hintNamesMax = 100;
export const hintsMax = 64;

/** At most one message in this time. */
const intervalMs = 1000;

/**
 * Hints for what waits, oldest first. A hint has the names of its launches: the ids of their tasks, or the key where ids are made at launch. Of several roles the first is told; executors count as if they ran nowhere yet.
 */
export function waitingHints(waiting: Iterable<WaitingLaunch>, roles: readonly Role[]): DemandHint[] {
  const hints = new Map<string, { hint: DemandHint; count: number; names: string[] }>();
  for (const { launch, request } of waiting) {
    const resources = neededBy(request);
    const role = (request.roles ?? roles)[0];
    if (resources.length === 0 || role === undefined) continue;
    const { ports = 0, exactResources = false, constraints = [], runsForMs = 0 } = request;
    // The matcher's rule; forever is no number to tell.
    const absenceWithinMs = Math.min(runsForMs, Number.MAX_SAFE_INTEGER);
    const asked = attributeConstraints(constraints, constraints.length === 0 ? [] : (launch.placed?.() ?? []));
    const key = JSON.stringify([role, formatResources(resources), ports, exactResources, asked, absenceWithinMs]);
    let known = hints.get(key);
    if (known === undefined) {
      if (hints.size === hintsMax) continue;
      const hint: DemandHint = {
        role,
        resources: fromBag(resources),
        count: 0,
        id: launch.tasks[0].taskId ?? launch.key,
        ...(ports === 0 ? {} : { ports }),
        ...(exactResources ? { exactResources } : {}),
        ...(asked.length === 0 ? {} : { constraints: [asked] }),
        absenceWithinMs,
      };
      known = { hint, count: 0, names: [] };
      hints.set(key, known);
    }
    known.count += 1;
    for (const { taskId = launch.key } of launch.tasks) {
      if (known.names.length < hintNamesMax && known.names.at(-1) !== taskId) known.names.push(taskId);
    }
  }
  return Array.from(hints.values(), ({ hint, count, names }) => ({ ...hint, count, taskIds: names }));
}

/** Says the hints of the moment some time after a change: what is placed meanwhile is never told. */
export class HintTeller {
  readonly #clock: Clock;
  readonly #hints: () => readonly DemandHint[];
  readonly #send: (hints: readonly DemandHint[]) => void;
  #timer: Timer | undefined;
  #told = '[]';

  constructor(clock: Clock, hints: () => readonly DemandHint[], send: (hints: readonly DemandHint[]) => void) {
    this.#clock = clock;
    this.#hints = hints;
    this.#send = send;
  }

  /** What waits may have changed. */
  changed(): void {
    this.#timer ??= this.#clock.after(intervalMs, () => {
      this.#timer = undefined;
      this.#say(this.#hints());
    });
  }

  /** Nothing waits any more. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#say([]);
  }

  #say(hints: readonly DemandHint[]): void {
    const text = JSON.stringify(hints);
    if (text === this.#told) return;
    this.#told = text;
    this.#send(hints);
  }
}

function neededBy({ resources, executors }: MatchRequest): Bag {
  let need = resources;
  for (const more of executors?.values() ?? []) need = add(need, more);
  return need;
}
