// What instances have to do, from what they and their agents have counted. In: counts at two times. Out: loads in the target's unit. Pure, besides what it remembers.
import type { TaskId } from 'proffer';
import type { ScalingTarget } from '../model/app.js';
import type { SpecResources } from '../model/spec.js';
import type { Load } from './decide.js';

/** What was counted of one task. */
export interface Count {
  /** Wall milliseconds of whoever counted. */
  readonly at: number;
  /** Milliseconds of cpu time, or requests, since its start. */
  readonly total?: number;
  readonly memBytes?: number;
}

const bytesPerMib = 1024 * 1024;

/** Loads of the tasks of one app: rates need a count of before. */
export class Loads {
  readonly #before = new Map<TaskId, Count>();

  /** The load of each task, in order; a count that is missing, new, or has gone back is no load. */
  take(
    counts: ReadonlyMap<TaskId, Count>,
    tasks: readonly TaskId[],
    { metric }: ScalingTarget,
    promised: SpecResources,
  ): Load[] {
    const loads = tasks.map((taskId): Load => {
      const now = counts.get(taskId);
      if (now === undefined) return undefined;
      if (metric === 'mem') return now.memBytes === undefined ? undefined : now.memBytes / (promised.mem * bytesPerMib);
      const rate = rateOf(this.#before.get(taskId), now);
      if (rate === undefined) return undefined;
      // Cpu milliseconds a second are thousandths of a cpu.
      return metric === 'cpus' ? rate / 1000 / promised.cpus : rate;
    });
    this.#before.clear();
    for (const taskId of tasks) {
      const count = counts.get(taskId);
      if (count !== undefined) this.#before.set(taskId, count);
    }
    return loads;
  }
}

/** So much a second. */
function rateOf(before: Count | undefined, now: Count): number | undefined {
  if (before?.total === undefined || now.total === undefined) return undefined;
  const ms = now.at - before.at;
  return ms <= 0 || now.total < before.total ? undefined : ((now.total - before.total) / ms) * 1000;
}
