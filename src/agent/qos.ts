// QoS controllers: which revocable tasks have to go. Pure but for the look at the machine's load, which is passed in. In: usage. Out: corrections.
import type { QosController } from './usage.js';

/** Lets everything run. */
export const noQosController: QosController = { correct: (_usage, answer) => answer([]) };

/** The machine's load over the last 1, 5 and 15 minutes. */
export type LoadAverage = readonly [oneMinute: number, fiveMinutes: number, fifteenMinutes: number];

/** The most load, over the last 1, 5 and 15 minutes, that is no reason to act; at least one. */
export interface LoadThresholds {
  readonly '1min'?: number;
  readonly '5min'?: number;
  readonly '15min'?: number;
}

/**
 * While the load is above a threshold, each correction ends the newest revocable container: last in, first out. (Mesos's load controller ends them all at once.)
 */
export function loadQosController(thresholds: LoadThresholds, load: () => LoadAverage): QosController {
  return {
    correct: (usage, answer) => {
      const [one, five, fifteen] = load();
      const seen = { '1min': one, '5min': five, '15min': fifteen };
      const over = (['1min', '5min', '15min'] as const).find(span => seen[span] > (thresholds[span] ?? Infinity));
      const newest = usage.containers.findLast(({ revocable, ending }) => revocable && !ending);
      if (over === undefined || newest === undefined) return answer([]);
      const message = `the load over ${over} is ${seen[over].toFixed(2)}, above ${thresholds[over]}`;
      answer([{ containerId: newest.containerId, message }]);
    },
  };
}
