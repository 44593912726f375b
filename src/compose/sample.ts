// The sample batch of `proffer up`: a dozen small tasks by a scheduler like any other. In: the master. Out: lines of progress, and how each ended.
import { systemEnv } from '../env/system-env.js';
import type { TaskStatus } from '../protocol/entities.js';
import { isTerminal } from '../protocol/task-state.js';
import type { BatchItem, BatchTask } from './batch.js';
import { Batch } from './batch.js';
import { subscribe } from './subscribe.js';

/** How a task of the sample ended. */
export interface SampleResult {
  readonly taskId: string;
  readonly agent: string;
  readonly state: string;
  readonly tookMs: number;
  readonly says: string;
}

const commands: readonly (readonly [name: string, command: string])[] = [
  ['hello', 'echo "hello from $PROFFER_TASK_ID on agent $PROFFER_AGENT_ID"'],
  [
    'primes',
    'n=2; c=0; while [ $c -lt 40 ]; do d=2; while [ $((d * d)) -le $n ] && [ $((n % d)) -ne 0 ]; do d=$((d + 1)); done; [ $((d * d)) -gt $n ] && { echo $n; c=$((c + 1)); }; n=$((n + 1)); done',
  ],
  ['count', 'for i in 1 2 3 4 5; do echo "step $i of 5"; sleep 0.1; done'],
  ['where', 'pwd; ls -la; echo "cpus $CPUS, mem $MEM"'],
];
const size = 12;

/** Runs the sample to its end. `say` gets lines as things happen. */
export async function runSample(
  master: string,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<readonly SampleResult[]> {
  const env = systemEnv();
  const framework = await subscribe({ master, name: 'sample', capabilities: ['TASK_KILLING_STATE'] }, signal);
  const run = env.ids.short();
  const launchedAt = new Map<number, number>();
  const tookMs = new Map<number, number>();
  const batch = new Batch(env, framework, itemsOf(run), {
    onLaunched: task => {
      launchedAt.set(task.index, env.clock.now());
    },
    onUpdate: (task, status) => {
      if (!isTerminal(status.state)) return;
      tookMs.set(task.index, env.clock.now() - (launchedAt.get(task.index) ?? env.clock.now()));
      const ended = batch.tasks.filter(one => one.ended).length + 1;
      say(`${String(ended).padStart(2)}/${size}  ${task.taskId}  ${stateOf(status)}`);
    },
  });
  const stop = (): void => batch.stop();
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  const tasks = await batch.done;
  await framework.teardown().catch(() => {});
  return tasks.map(task => resultOf(task, tookMs.get(task.index) ?? 0));
}

function itemsOf(run: string): BatchItem[] {
  return Array.from({ length: size }, (_, index) => {
    const [name, command] = commands[index % commands.length] ?? ['hello', 'echo hello'];
    return {
      spec: { taskId: `sample.${run}.${index}`, name: `sample-${name}`, command, resources: { cpus: 0.1, mem: 32 } },
    };
  });
}

function resultOf(task: BatchTask, tookMs: number): SampleResult {
  return {
    taskId: task.taskId,
    agent: task.offer?.agentId ?? '',
    state: task.status === undefined ? 'NOT LAUNCHED' : stateOf(task.status),
    tookMs,
    says: task.status?.state === 'TASK_FINISHED' ? '' : (task.status?.message ?? ''),
  };
}

function stateOf(status: TaskStatus): string {
  const state = status.state.replace(/^TASK_/, '');
  return status.exitCode === undefined || status.exitCode === 0 ? state : `${state} (exit ${status.exitCode})`;
}
