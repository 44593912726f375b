// `proffer run`: a framework for one command. In: the command, how often, what it needs. Out: the tasks' output as it comes, and an exit code.
import { constants } from 'node:os';
import { ProfferError, shown } from '../base/errors.js';
import { systemEnv } from '../env/system-env.js';
import type { TaskStatus } from '../protocol/entities.js';
import type { AgentView, TaskView } from '../protocol/operator-api.js';
import { isTerminal } from '../protocol/task-state.js';
import type { TaskState } from '../protocol/task-state.js';
import { bagOf } from '../resources/index.js';
import type { PlacementConstraint } from '../scheduler/constraints.js';
import { constraintOperators } from '../scheduler/constraints.js';
import type { TaskSpec } from '../scheduler/launch.js';
import type { BatchItem, BatchTask } from './batch.js';
import { Batch } from './batch.js';
import { whyNever } from './feasible.js';
import { aborted } from './process-run.js';
import { subscribe } from './subscribe.js';
import type { AgentPlace, OnLost, OutputName, OutputPlace } from './task-output.js';
import { TaskOutputs } from './task-output.js';

/** What to run. */
export interface RunTasksOptions {
  readonly master: string;
  /** Program and arguments; no shell. */
  readonly argv: readonly string[];
  readonly name: string;
  readonly instances: number;
  readonly cpus: number;
  readonly mem: number;
  readonly disk: number;
  readonly ports: number;
  readonly image?: string;
  readonly env: { readonly [name: string]: string };
  readonly user?: string;
  readonly role: string;
  /** `FIELD:OPERATOR[:VALUE]` */
  readonly constraints: readonly string[];
  readonly maxTimeMs?: number;
}

/** What happens, for whoever shows it. */
export interface RunTasksView {
  /** A line worth keeping: launches, trouble. */
  note(line: string): void;
  /** A line that has to be seen whatever else is not. */
  trouble(line: string): void;
  /** What is going on now; replaces what was said before. */
  progress(line: string): void;
  /** The next chunk of this output comes when the promise has resolved. */
  output(index: number, name: OutputName, chunk: Buffer): Promise<void> | void;
}

const waitNoteMs = 10_000;
const outputWaitMs = 5_000;
const answerWaitMs = 2_000;

/**
 * Runs the tasks and resolves with the exit code: the task's, or of several the first (by index) that is not 0; 130 or 143 after a signal.
 * @throws (rejects) ProfferError INSUFFICIENT_RESOURCES when no agent could ever run it, USAGE for a bad constraint, what the master says.
 */
export async function runTasks(
  options: RunTasksOptions,
  agents: readonly AgentView[],
  view: RunTasksView,
  signal: AbortSignal,
): Promise<number> {
  const env = systemEnv();
  const constraints = options.constraints.map(parseConstraint);
  const resources = { cpus: options.cpus, mem: options.mem, ...(options.disk === 0 ? {} : { disk: options.disk }) };
  const never = whyNever(agents, {
    resources: bagOf(resources),
    ports: options.ports,
    ...(options.image === undefined ? {} : { containerizer: 'DOCKER' }),
    constraints,
  });
  if (never !== undefined) {
    throw new ProfferError('INSUFFICIENT_RESOURCES', `no registered agent can ever run this: ${never}`, {
      hint: 'proffer agents shows what each has',
    });
  }
  if (agents.length === 0) view.note('no agent is registered yet; waiting for one');
  const framework = await subscribe(
    {
      master: options.master,
      name: 'run',
      // What runs on an agent that is away runs on: it is waited for.
      capabilities: ['PARTITION_AWARE', 'TASK_KILLING_STATE'],
      roles: [options.role],
      labels: { command: options.argv.join(' ').slice(0, 200) },
    },
    signal,
  );
  framework.connection$.subscribe(state => {
    if (state.state === 'DISCONNECTED') view.note(`the master is gone (${state.reason}); trying again`);
  });
  framework.problems$.subscribe(problems => {
    for (const problem of problems) view.note(`the master says: ${problem.message}`);
  });
  const ended = new Promise<never>((_resolve, reject) => {
    framework.connection$.subscribe(state => {
      if (state.state === 'ENDED' && state.error !== undefined) reject(state.error);
    });
  });
  const outputs = new TaskOutputs(
    (place, name, chunk) => {
      const index = batch.tasks.find(task => task.taskId === place.taskId)?.index ?? 0;
      return view.output(index, name, chunk);
    },
    lossTeller(line => view.trouble(line)),
    {
      clock: env.clock,
      locate: task => agentOf(options.master, task),
      onAway: ({ hostname, port }, why) =>
        view.note(`the agent at ${hostname}:${port} is away (${why}); what its tasks print is shown when it is back`),
    },
  );
  const followed = new Set<string>();
  const away = new Set<string>();
  const follow = ({ offer, taskId }: BatchTask): void => {
    if (offer === undefined || followed.has(taskId)) return;
    followed.add(taskId);
    outputs.follow({ hostname: offer.hostname, port: offer.port, frameworkId: framework.id ?? '', taskId });
  };
  const batch = new Batch(env, framework, itemsOf(options, resources, constraints, env.ids.short()), {
    onLaunched: task => view.note(`${task.taskId} launched on ${task.offer?.hostname}:${task.offer?.port}`),
    onUpdate: (task, status) => {
      view.progress(progressOf(task, status));
      // From its agent's own statuses on, the sandbox is there.
      if (status.source !== 'MASTER' && status.state !== 'TASK_STARTING') follow(task);
      if (isTerminal(status.state)) sayEnd(view, task, status, options.instances);
      else sayAway(view, away, status);
    },
  });
  const waits = waitingNotes(batch, view);
  const interrupted = aborted(signal).then(reason => {
    view.note('killing the tasks');
    batch.stop();
    return reason;
  });
  // Without a master nobody hears the kills: agents end the tasks when the framework stays away.
  const cutOff = interrupted.then(async () => {
    if (!framework.connected) return batch.tasks;
    await new Promise<void>(resolve =>
      framework.connection$.subscribe(({ state }) => state !== 'CONNECTED' && resolve()),
    );
    return batch.tasks;
  });
  try {
    const tasks = await Promise.race([batch.done, ended, cutOff]);
    const settled = outputs.settled(env.clock, outputWaitMs);
    // A reader may be as slow as it likes, until the user has had enough.
    await Promise.race([
      settled,
      interrupted.then(() => new Promise<void>(resolve => env.clock.after(outputWaitMs, resolve))),
    ]);
    // The master notes that all have ended, and forgets the framework's id.
    await framework.teardown().catch(() => {});
    if (signal.aborted) return (await interrupted) === 'SIGINT' ? 130 : 143;
    return tasks.map(codeOf).find(code => code !== 0) ?? 0;
  } finally {
    waits();
    outputs.close();
    framework.close();
  }
}

/** An agent that was started again may listen elsewhere; the master knows. */
async function agentOf(master: string, { taskId, frameworkId }: OutputPlace): Promise<AgentPlace | undefined> {
  const query = new URLSearchParams({ framework: frameworkId });
  const signal = AbortSignal.timeout(answerWaitMs);
  const answer = await fetch(`${master}/tasks/${encodeURIComponent(taskId)}?${query.toString()}`, { signal });
  if (!answer.ok) return undefined;
  const { hostname, agentPort } = (await answer.json()) as TaskView;
  return hostname === '' || agentPort === 0 ? undefined : { hostname, port: agentPort };
}

/** `FIELD:OPERATOR[:VALUE]`. @throws ProfferError USAGE. */
function parseConstraint(text: string): PlacementConstraint {
  const [, field = '', operatorText = '', value] = /^([^:]+):([^:]+)(?::(.*))?$/.exec(text) ?? [];
  const operator = constraintOperators.find(one => one === operatorText.toUpperCase());
  if (operator === undefined) {
    throw new ProfferError('USAGE', `--constraint: ${shown(operatorText)} is not an operator`, {
      hint: `one of ${constraintOperators.join(', ')}`,
    });
  }
  const needsValue = operator === 'LIKE' || operator === 'UNLIKE' || operator === 'IS' || operator === 'MAX_PER';
  if (needsValue && (value === undefined || value === '')) {
    throw new ProfferError('USAGE', `--constraint: ${shown(text)} lacks a value`, {
      hint: `write ${field}:${operator}:VALUE`,
    });
  }
  const named = field === 'hostname' ? '@hostname' : field;
  return value === undefined ? { field: named, operator } : { field: named, operator, value };
}

function itemsOf(
  options: RunTasksOptions,
  resources: TaskSpec['resources'],
  constraints: readonly PlacementConstraint[],
  run: string,
): BatchItem[] {
  const { name, argv, instances, image, env, user, maxTimeMs, ports } = options;
  return Array.from({ length: instances }, (_, index) => ({
    spec: {
      taskId: instances === 1 ? `${name}.${run}` : `${name}.${run}.${index}`,
      name: instances === 1 ? name : `${name}.${index}`,
      command: { argv, env, ...(user === undefined ? {} : { user }) },
      resources,
      ports,
      ...(image === undefined ? {} : { image }),
      ...(maxTimeMs === undefined ? {} : { maxCompletionTimeMs: maxTimeMs }),
    },
    ...(constraints.length === 0 ? {} : { constraints }),
  }));
}

function progressOf(task: BatchTask, status: TaskStatus): string {
  const state = status.state.replace(/^TASK_/, '').toLowerCase();
  return isTerminal(status.state) || status.state === 'TASK_RUNNING'
    ? ''
    : `${task.taskId} ${state}${status.message === undefined ? '' : `: ${status.message}`}`;
}

function sayEnd(view: RunTasksView, task: BatchTask, status: TaskStatus, instances: number): void {
  const line = endLine(task.taskId, status, instances);
  // Nothing else tells a task that is lost from one that failed.
  if (line !== undefined) view[lostStates.has(status.state) ? 'trouble' : 'note'](line);
}

// Once when its agent is away, and once when it is back.
function sayAway(view: RunTasksView, away: Set<string>, { taskId, state, agentId }: TaskStatus): void {
  if (state === 'TASK_UNREACHABLE') {
    if (!away.has(taskId))
      view.trouble(
        `${taskId} is out of reach with its agent, and waited for (proffer gone ${agentId ?? 'AGENT'} says that the agent never comes back)`,
      );
    away.add(taskId);
  } else if (away.delete(taskId)) view.note(`${taskId} is back with its agent`);
}

/** Ends that no process has told. */
const lostStates: ReadonlySet<TaskState> = new Set<TaskState>([
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
  'TASK_UNKNOWN',
]);

/** Says where output lies that could not be read: once for each agent and reason, as many tasks may share them. */
export function lossTeller(say: (line: string) => void): OnLost {
  const told = new Set<string>();
  return ({ hostname, port, taskId }, why) => {
    const at = `${hostname}:${port}`;
    if (told.has(`${at} ${why}`)) return;
    told.add(`${at} ${why}`);
    say(
      `the output of ${taskId} could not be read to its end: ${why}; what tasks print there lies in their sandboxes on ${at}` +
        ` (proffer logs ${taskId}, from where that host can be reached)`,
    );
  };
}

/** What is to be said of a task's end: an exit code speaks for itself, what ended a task otherwise has to be said. */
export function endLine(taskId: string, status: TaskStatus, instances: number): string | undefined {
  if (status.state === 'TASK_FINISHED') return undefined;
  if (status.exitCode !== undefined && status.reason !== 'MAX_COMPLETION_TIME_REACHED' && instances === 1)
    return undefined;
  const isReconciled = status.reason === 'RECONCILIATION';
  const message = status.message?.replace(/^Reconciliation: /, '');
  if (isReconciled && (status.state === 'TASK_UNKNOWN' || status.state === 'TASK_GONE'))
    return `${taskId} lost: ${message ?? 'nobody knows this task'}; was the cluster, or its agent, started anew meanwhile?`;
  const how = status.signal ?? (status.exitCode === undefined ? '' : `exit ${status.exitCode}`);
  // That it was asked for says nothing of the end.
  const reason = isReconciled ? undefined : status.reason;
  const why = [how, reason, message].filter(part => part !== undefined && part !== '').join(', ');
  return `${taskId} ${status.state.replace(/^TASK_/, '').toLowerCase()}${why === '' ? '' : `: ${why}`}`;
}

function waitingNotes(batch: Batch, view: RunTasksView): () => void {
  let last = '';
  const timer = setInterval(() => {
    const { waiting } = batch;
    if (waiting === undefined) return;
    const { count, taskId, why } = waiting;
    const line = `${count} ${count === 1 ? 'task waits' : 'tasks wait'}: ${why} (proffer task ${taskId} --why says more)`;
    if (line === last) view.progress(line);
    else view.note(line);
    last = line;
  }, waitNoteMs);
  return () => clearInterval(timer);
}

function codeOf({ status }: BatchTask): number {
  if (status?.state === 'TASK_FINISHED') return 0;
  if (status?.exitCode !== undefined && status.exitCode !== 0) return status.exitCode;
  const signal = status?.signal === undefined ? undefined : constants.signals[status.signal as NodeJS.Signals];
  return signal === undefined ? 1 : 128 + signal;
}
