// A process with one bug in it, or none: runs the simulator until the bug was caught often enough. In: its task, as the first message.
// Out: a message for each run.
import { register } from 'node:module';
import type { Bug } from './bug.js';
import type { HookData } from './hooks.js';
import { runsOf } from './runs.js';
import type { Run } from './runs.js';

/** What the process is to do. */
export interface Task {
  /** Absent: the code as it is. */
  readonly bug?: Bug;
  readonly runsMax: number;
  /** How often it has to be caught; it goes on with the next run until then. */
  readonly catches: number;
}

/** One run is over; `caught` when something was found wrong. */
export interface Ran {
  readonly run: Run;
  readonly caught?: Caught;
}

export interface Caught {
  /** The checker that spoke; `crash` when an assertion did. */
  readonly checker: string;
  readonly what: string;
}

/** The bug cannot be tried: it does not fit, is never loaded, or is no code that a compiler would pass. */
export interface Unfit {
  readonly unfit: string;
}

async function work({ bug, runsMax, catches }: Task): Promise<void> {
  const isLoaded = bug === undefined ? undefined : withHooks(bug);
  const { runScenario, SimulationFailure } = await import('../../src/sim/index.js');
  if (bug !== undefined && isLoaded?.() !== true) return tell({ unfit: `the simulator does not load ${bug.file}` });
  let caughtCount = 0;
  for (const run of runsOf(runsMax)) {
    try {
      runScenario(run.scenario, run.seed);
      await tell({ run });
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      const { cause } = error.place;
      // A compiler would have found these.
      if (cause instanceof ReferenceError || cause instanceof SyntaxError) return tell({ unfit: error.describe() });
      await tell({ run, caught: { checker: error.checker, what: error.what } });
      caughtCount += 1;
      if (caughtCount >= catches) return;
    }
  }
}

/** Registers the hooks; tells, once all is imported, whether the module with the bug was among it. */
function withHooks(bug: Bug): () => boolean {
  const loaded = new Int32Array(new SharedArrayBuffer(4));
  const data: HookData = { bug, loaded };
  register('./hooks.js', import.meta.url, { data });
  return () => Atomics.load(loaded, 0) === 1;
}

function tell(message: Ran | Unfit): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, undefined, undefined, error => (error === null ? resolve() : reject(error)));
  });
}

process.once('message', (task: Task) => {
  work(task).then(
    () => process.disconnect(),
    async (error: unknown) => {
      await tell({ unfit: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      process.disconnect();
    },
  );
});
