// Many runs on several cores: each a function of its seed alone, so that it does not matter where it runs. In: jobs. Out: their outcomes, as they come.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { SimulationFailure } from './failure.js';
import { runScenario } from './run-scenario.js';
import type { RunResult } from './run-scenario.js';
import type { ScenarioName } from './scenario.js';

/** One run. */
export interface Job {
  readonly name: ScenarioName;
  readonly seed: number;
}

/** What it came to; a failure as text, with the line that shows it again. */
export type Outcome = { readonly result: RunResult } | { readonly failure: string };

/** Runs all of them, `threads` at a time. */
export async function runAll(
  jobs: readonly Job[],
  threads: number,
  onOutcome: (job: Job, outcome: Outcome) => void,
): Promise<void> {
  let next = 0;
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url));
      let job: Job | undefined;
      const give = (): void => {
        job = jobs[next];
        next += 1;
        worker.postMessage(job);
      };
      worker.on('message', (outcome: Outcome) => {
        if (job !== undefined) onOutcome(job, outcome);
        give();
      });
      worker.on('error', reject);
      worker.on('exit', () => resolve());
      give();
    });
  await Promise.all(Array.from({ length: Math.min(threads, jobs.length) }, work));
}

function outcomeOf({ name, seed }: Job): Outcome {
  try {
    return { result: runScenario(name, seed) };
  } catch (error) {
    if (error instanceof SimulationFailure) return { failure: error.describe() };
    throw error;
  }
}

// This file is the worker's program, too; without another job it ends.
if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  port.on('message', (job: Job | undefined) => {
    if (job === undefined) port.close();
    else port.postMessage(outcomeOf(job));
  });
}
