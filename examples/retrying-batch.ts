// Runs a batch of 300 small tasks of which some fail: a failed one is tried again, later each time, up to four times in all. Prints every tenth part of
// the way, then a summary: how many finished at once, after retries, not at all, and where.
//
//   node dist/examples/retrying-batch.js [--master http://localhost:5050] [--tasks 300]
//
// Without --master it runs a cluster of its own for as long as it lasts. Every seventh task fails twice and then finishes; every hundredth never does.
// It ends by itself, with exit code 0 when exactly those failed.
import { parseArgs } from 'node:util';
import type { TaskStatus } from 'proffer';
import { connect, isTerminal, LaunchDelay, LaunchQueue, runCluster } from 'proffer';

const { values } = parseArgs({ options: { master: { type: 'string' }, tasks: { type: 'string', default: '300' } } });
const size = Number(values.tasks);
const attemptsMax = 4;

const cluster = values.master === undefined ? await runCluster({ agents: 3 }) : undefined;
const framework = await connect({ master: values.master ?? cluster?.url, name: 'retrying-batch' });
const { clock } = framework.env;
const startedAt = clock.now();

interface Job {
  readonly key: string;
  readonly command: string;
  attempts: number;
  outcome: 'waiting' | 'finished' | 'given up';
}

const jobs = Array.from({ length: size }, (_, index): Job => {
  const needed = (index + 1) % 100 === 0 ? attemptsMax + 1 : (index + 1) % 7 === 0 ? 3 : 1;
  return { key: `job-${index + 1}`, command: `test "$ATTEMPT" -ge ${needed}`, attempts: 0, outcome: 'waiting' };
});
const byTask = new Map<string, Job>();
const perAgent = new Map<string, number>();
const delay = new LaunchDelay({ baseMs: 100, factor: 2, capMs: 1000 });
let left = size;

const queue = new LaunchQueue(framework.env, framework, {
  onLaunched: ({ offer }) => perAgent.set(offer.agentId, (perAgent.get(offer.agentId) ?? 0) + 1),
});

// An id is a function of the job and the attempt, so that an attempt is never launched twice.
function enqueue(job: Job): void {
  job.attempts += 1;
  const taskId = `${framework.id}.${job.key}.${job.attempts}`;
  byTask.set(taskId, job);
  queue.add({
    key: job.key,
    tasks: [
      {
        taskId,
        name: job.key,
        command: job.command,
        env: { ATTEMPT: String(job.attempts) },
        resources: { cpus: 0.1, mem: 16 },
      },
    ],
    delayMs: delay.waitMs(job.key, clock.now()),
  });
}

await new Promise<void>(resolve => {
  framework.updates$.subscribe(update => {
    const job = byTask.get(update.taskId);
    if (job === undefined || !isTerminal(update.state)) return;
    byTask.delete(update.taskId);
    if (!tryAgain(job, update)) {
      left -= 1;
      if (left % Math.ceil(size / 10) === 0) console.log(`${size - left} of ${size} jobs are done`);
      if (left === 0) resolve();
    }
  });
  for (const job of jobs) enqueue(job);
});

// True when the job goes on. An attempt that never began, because its offer was gone, is none of the job's failures.
function tryAgain(job: Job, { state }: TaskStatus): boolean {
  if (state === 'TASK_FINISHED') {
    job.outcome = 'finished';
    delay.succeeded(job.key);
    return false;
  }
  if (state !== 'TASK_DROPPED') delay.failed(job.key, clock.now());
  if (delay.failures(job.key) >= attemptsMax) {
    job.outcome = 'given up';
    return false;
  }
  enqueue(job);
  return true;
}

const tookMs = clock.now() - startedAt;
await framework.teardown();
await cluster?.close();

const finished = jobs.filter(job => job.outcome === 'finished');
const givenUp = jobs.filter(job => job.outcome === 'given up');
const attempts = jobs.reduce((sum, job) => sum + job.attempts, 0);
console.log(`
jobs                    ${size}
finished at once        ${finished.filter(job => job.attempts === 1).length}
finished after retries  ${finished.filter(job => job.attempts > 1).length}
given up                ${givenUp.length}${givenUp.length === 0 ? '' : ` (${givenUp.map(job => job.key).join(', ')})`}
tasks run               ${attempts} on ${perAgent.size} agents (${[...perAgent.values()].join(', ')})
took                    ${(tookMs / 1000).toFixed(1)} s`);
process.exitCode = finished.length === size - Math.floor(size / 100) ? 0 : 1;
