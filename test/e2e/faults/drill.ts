// What a drill is, and the outcome of one.
import type { Check, Timing } from './report.js';
import type { Scene } from './scene.js';

/** What a machine must have for a drill. */
export type Need = 'root' | 'netns' | 'docker' | 'cc' | 'mount';

/** One fault done to real processes, and what must hold afterwards. */
export interface Drill {
  readonly name: string;
  /** Its rows of the fault matrix, e.g. `F10`. */
  readonly rows: string;
  readonly about: string;
  readonly needs: readonly Need[];
  /** Above this it has failed; longer where there is more to do than cores. */
  readonly limitMs: number;
  run(scene: Scene): Promise<void>;
}

/** The outcome of one drill. */
export interface Outcome {
  readonly name: string;
  readonly rows: string;
  readonly result: 'passed' | 'failed' | 'skipped';
  /** Faults by what they were, and how often. */
  readonly injected: { readonly [fault: string]: number };
  readonly checks: readonly Check[];
  readonly times: readonly Timing[];
  /** Tasks, statuses, operations that should be there and are not. */
  readonly lost: readonly string[];
  /** Why it was skipped, or what ended it. */
  readonly reason?: string;
  readonly ms: number;
}
