// Tries one bug, or the code without one, in a process of its own. In: a task. Out: what came of it.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Bug } from './bug.js';
import type { Ran, Task, Unfit } from './child.js';
import type { Run } from './runs.js';

/** What came of one bug. */
export interface Outcome {
  readonly bug: Bug | undefined;
  readonly runs: number;
  readonly catches: readonly Catch[];
  /** It could not be tried, and why. */
  readonly unfit?: string;
  readonly wallMs: number;
}

/** One run that found something. */
export interface Catch {
  readonly run: Run;
  /** Which run it was, from 1, and how many it took since the one before it. */
  readonly at: number;
  readonly took: number;
  readonly checker: string;
  readonly what: string;
}

/** No single run takes as long, on a machine as busy as may be. */
const silenceMs = 180_000;

/** Runs `task` until it is over. Never rejects. */
export function attempt(task: Task, onRun: (ran: Ran) => void = () => {}): Promise<Outcome> {
  const child = fork(new URL('./child.js', import.meta.url), {
    execArgv: ['--max-old-space-size=2048'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  return new Promise(resolve => follow(child, task, onRun, resolve));
}

function follow(child: ChildProcess, task: Task, onRun: (ran: Ran) => void, resolve: (outcome: Outcome) => void): void {
  const beganMs = performance.now();
  const catches: Catch[] = [];
  let runs = 0;
  let unfit: string | undefined;
  let errors = '';
  const hung = (): void => {
    unfit = `nothing was heard of it for ${silenceMs / 1000} s: it hangs in run ${runs + 1}`;
    child.kill('SIGKILL');
  };
  let timer = setTimeout(hung, silenceMs);
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000);
  });
  child.on('message', (message: Ran | Unfit) => {
    clearTimeout(timer);
    timer = setTimeout(hung, silenceMs);
    if ('unfit' in message) {
      unfit = message.unfit;
      return;
    }
    runs += 1;
    const { run, caught } = message;
    if (caught !== undefined) catches.push({ run, at: runs, took: runs - (catches.at(-1)?.at ?? 0), ...caught });
    onRun(message);
  });
  child.on('error', error => {
    unfit ??= error.message;
  });
  child.on('close', code => {
    clearTimeout(timer);
    if (code !== 0) unfit ??= `its process ended with ${code ?? 'a signal'}: ${errors}`;
    const wallMs = Math.round(performance.now() - beganMs);
    resolve({ bug: task.bug, runs, catches, wallMs, ...(unfit === undefined ? {} : { unfit }) });
  });
  child.send(task);
}

/** Runs all tasks, `jobs` at a time; outcomes in the order of the tasks. */
export async function attemptAll(
  tasks: readonly Task[],
  jobs: number,
  onOutcome: (outcome: Outcome) => void,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (;;) {
      const index = next;
      const task = tasks[index];
      if (task === undefined) return;
      next += 1;
      const outcome = await attempt(task);
      outcomes[index] = outcome;
      onOutcome(outcome);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return outcomes;
}
