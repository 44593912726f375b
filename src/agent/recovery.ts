// What a new agent process does about what an earlier one left: pure. In: the records, the machine as it is now, options. Out: a plan of whom to take
// over, whom to end and why, and what to write; or the reason to refuse.
import { describeProblem, ProfferError, shown } from '../base/errors.js';
import type { Problem } from '../base/errors.js';
import type { AgentId, FrameworkId, TaskId } from '../base/ids.js';
import { formatDurationMs } from '../base/units.js';
import type { AgentInfo } from '../protocol/entities.js';
import { isTerminal } from '../protocol/task-state.js';
import type { Bag } from '../resources/index.js';
import { contains, equals, formatResources } from '../resources/index.js';
import type { StoreChange } from '../store/store.js';
import type { DamagedRecord, KeptFramework, KeptHost, Recorded, RecordedExecutor, RecordedTask } from './records.js';
import { keys, taskOfKey } from './records.js';
import type { Condemned } from './task-machine.js';

/** How an agent may differ from the process before. Source: Mesos's `--reconfiguration_policy`. */
export type ReconfigurationPolicy = 'equal' | 'additive';

export interface RecoveryOptions {
  /** How long the agent may have been away for its tasks to go on. */
  readonly timeoutMs: number;
  /** Whether a record that cannot be understood keeps the agent from starting. */
  readonly strict: boolean;
  readonly policy: ReconfigurationPolicy;
  /** All tasks are to be ended, so that it does not matter what the agent was. */
  readonly cleanup: boolean;
  /** From SIGTERM to SIGKILL of what has to end, unless the machine was rebooted. */
  readonly killGraceMs: number;
}

/** The machine and the agent as they are now. */
export interface Present {
  readonly bootId: string | undefined;
  /** On the scale of `KeptBoot.aliveAtMs`. */
  readonly nowMs: number;
  readonly host: KeptHost;
  /** What the agent is started with. */
  readonly baseline: Bag;
  /** What it was started with before; undefined when that is not known. */
  readonly keptBaseline: Bag | undefined;
}

/** Someone to be taken over; `condemned` if it is to be ended in case it still runs. */
export interface Survivor {
  readonly condemned: Condemned | undefined;
}

export interface RecoveryPlan {
  /** Undefined: the agent begins anew. */
  readonly agentId: AgentId | undefined;
  /** See {@link Recorded.epoch}: also of an agent that begins anew. */
  readonly epoch: number;
  readonly rebooted: boolean;
  readonly frameworks: ReadonlyMap<FrameworkId, KeptFramework>;
  /** Their containers are taken over, but for executors' tasks. */
  readonly tasks: readonly (RecordedTask & Survivor)[];
  /** They have ended, and a status of them is not acknowledged. */
  readonly over: readonly RecordedTask[];
  /** There is no record of the executor that they run in, nobody else would ever tell how they end. */
  readonly stranded: readonly (RecordedTask & Survivor)[];
  readonly executors: readonly (RecordedExecutor & Survivor)[];
  /** Their records were not to be understood: reported as TASK_LOST. */
  readonly lost: readonly { readonly frameworkId: FrameworkId; readonly taskId: TaskId }[];
  readonly damaged: readonly DamagedRecord[];
  /** Records that change by the recovery itself. */
  readonly changes: readonly StoreChange[];
}

/**
 * The plan.
 * @throws ProfferError AGENT_RECONFIGURED with every difference when the agent is not what its tasks were started on; STORE_DAMAGED when a record
 * cannot be understood, with all of them, unless that is allowed.
 */
export function recovered(recorded: Recorded, present: Present, options: RecoveryOptions): RecoveryPlan {
  const { damaged } = recorded;
  if (damaged.length > 0 && options.strict) throw damagedError(damaged);
  const rebooted = wasRebooted(recorded, present);
  // Nobody has anything before the agent has an id.
  if (recorded.agentId === undefined) return begunAnew(recorded, rebooted);
  const differences = options.cleanup ? [] : differencesOf(recorded, present, options.policy);
  if (differences.length > 0) {
    if (!rebooted) throw reconfiguredError(differences);
    return begunAnew(recorded, rebooted);
  }
  const lost = new Map<string, { frameworkId: FrameworkId; taskId: TaskId }>();
  for (const { key } of damaged) {
    const task = taskOfKey(key);
    const readable = recorded.tasks.some(
      other => other.frameworkId === task?.frameworkId && other.kept.task.taskId === task.taskId,
    );
    if (task !== undefined && !readable) lost.set(keys.task(task.frameworkId, task.taskId), task);
  }
  const condemned = (frameworkId: FrameworkId): Condemned | undefined =>
    rebooted
      ? rebootedEnding
      : (lateEnding(recorded, present, options) ?? uncheckpointed(recorded, frameworkId, options));
  const hasExecutor = new Set(recorded.executors.map(one => keys.executor(one.frameworkId, one.kept.info.executorId)));
  const tasks: (RecordedTask & Survivor)[] = [];
  const stranded: (RecordedTask & Survivor)[] = [];
  const over: RecordedTask[] = [];
  const changes: StoreChange[] = damaged.flatMap(({ key, value }) => [
    { key, remove: true },
    { key: keys.quarantine + key, value },
  ]);
  const gone = new Set<FrameworkId>(recorded.frameworks.keys());
  for (const task of recorded.tasks) {
    const closing = recorded.frameworks.get(task.frameworkId)?.closing === true;
    const last = task.statuses.at(-1);
    const { executorId } = task.kept;
    if (last === undefined || !isTerminal(last.status.state)) {
      const isStranded = executorId !== undefined && !hasExecutor.has(keys.executor(task.frameworkId, executorId));
      (isStranded ? stranded : tasks).push({ ...task, condemned: condemned(task.frameworkId) });
    } else if (closing || last.acknowledged === true) {
      changes.push(...droppedTask(task));
      continue;
    } else over.push(task);
    gone.delete(task.frameworkId);
  }
  const executors = recorded.executors.map(executor => {
    gone.delete(executor.frameworkId);
    return { ...executor, condemned: condemned(executor.frameworkId) };
  });
  for (const id of gone) changes.push({ key: keys.framework(id), remove: true });
  const frameworks = new Map([...recorded.frameworks].filter(([id]) => !gone.has(id)));
  return {
    agentId: recorded.agentId,
    epoch: recorded.epoch,
    rebooted,
    frameworks,
    tasks,
    over,
    stranded,
    executors,
    lost: [...lost.values()],
    damaged,
    changes,
  };
}

/** The agent's own description, as it is kept. */
export function hostOf({ hostname, attributes, domain }: AgentInfo): KeptHost {
  return { hostname, attributes, ...(domain === undefined ? {} : { domain }) };
}

function droppedTask({ frameworkId, kept, statuses }: RecordedTask): StoreChange[] {
  const { taskId } = kept.task;
  return [
    { key: keys.task(frameworkId, taskId), remove: true },
    ...statuses.map(({ n }) => ({ key: keys.status(frameworkId, taskId, n), remove: true as const })),
  ];
}

// As after a reboot, when nothing runs any more and the agent may be another one. What operations made of its resources stays. Source: Mesos.
function begunAnew(recorded: Recorded, rebooted: boolean): RecoveryPlan {
  const { agentId, host, boot, frameworks, tasks, executors, damaged } = recorded;
  const dropped = [
    ...(agentId === undefined ? [] : [keys.id]),
    ...(host === undefined ? [] : [keys.host]),
    ...(boot === undefined ? [] : [keys.boot]),
    ...[...frameworks.keys()].map(keys.framework),
    ...executors.map(({ frameworkId, kept }) => keys.executor(frameworkId, kept.info.executorId)),
    ...damaged.map(({ key }) => key),
  ];
  return {
    agentId: undefined,
    epoch: recorded.epoch,
    rebooted,
    frameworks: new Map(),
    tasks: [],
    over: [],
    stranded: [],
    executors: [],
    lost: [],
    damaged,
    changes: [...tasks.flatMap(droppedTask), ...dropped.map(key => ({ key, remove: true as const }))],
  };
}

function wasRebooted({ boot }: Recorded, { bootId }: Present): boolean {
  return boot?.bootId !== undefined && bootId !== undefined && boot.bootId !== bootId;
}

const rebootedEnding: Condemned = {
  ending: { state: 'TASK_FAILED', reason: 'AGENT_RESTARTED', message: 'agent host rebooted' },
  graceMs: 0,
};

function lateEnding({ boot }: Recorded, present: Present, options: RecoveryOptions): Condemned | undefined {
  const awayMs = boot === undefined ? 0 : present.nowMs - boot.aliveAtMs;
  if (awayMs <= options.timeoutMs) return undefined;
  const away = formatDurationMs(awayMs);
  const message = `the agent was away for ${away}, longer than its recovery timeout of ${formatDurationMs(options.timeoutMs)}`;
  return { ending: { state: 'TASK_FAILED', reason: 'AGENT_RESTARTED', message }, graceMs: options.killGraceMs };
}

function uncheckpointed({ frameworks }: Recorded, id: FrameworkId, options: RecoveryOptions): Condemned | undefined {
  if (frameworks.get(id)?.info.checkpoint !== false) return undefined;
  const message = 'the agent was restarted, and the framework does not checkpoint';
  return { ending: { state: 'TASK_GONE', reason: 'AGENT_RESTARTED', message }, graceMs: options.killGraceMs };
}

// Only of an agent that the master knows.
function differencesOf(recorded: Recorded, present: Present, policy: ReconfigurationPolicy): Problem[] {
  const { agentId, host } = recorded;
  if (agentId === undefined) return [];
  const problems: Problem[] = [];
  const differs = (path: string, before: unknown, now: unknown): void => {
    const say = (value: unknown): string => (value === undefined ? 'not set' : shown(value));
    problems.push({ path, code: 'AGENT_RECONFIGURED', message: `was ${say(before)}, and is ${say(now)} now` });
  };
  const { keptBaseline, baseline } = present;
  const fits = policy === 'equal' ? equals : (now: Bag, before: Bag) => contains(now, before);
  if (keptBaseline !== undefined && !fits(baseline, keptBaseline))
    differs('resources', formatResources(keptBaseline), formatResources(baseline));
  if (host === undefined) return problems;
  if (host.hostname !== present.host.hostname) differs('hostname', host.hostname, present.host.hostname);
  const names = new Set([...Object.keys(host.attributes), ...Object.keys(present.host.attributes)]);
  for (const name of [...names].toSorted()) {
    const before = host.attributes[name];
    const now = present.host.attributes[name];
    if (!same(before, now) && (policy === 'equal' || before !== undefined)) differs(`attributes.${name}`, before, now);
  }
  const { domain } = host;
  if (!same(domain, present.host.domain) && (policy === 'equal' || domain !== undefined))
    differs('domain', domain, present.host.domain);
  return problems;
}

function same(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string | undefined {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

function reconfiguredError(problems: readonly Problem[]): ProfferError {
  const told = problems.map(describeProblem).join('; ');
  return new ProfferError('AGENT_RECONFIGURED', `the agent is not what its tasks were started on: ${told}`, {
    path: problems[0]?.path ?? '',
    problems,
    hint: 'start it as before; or with --reconfiguration-policy additive where it only has more; or end its tasks first with --recover cleanup',
  });
}

function damagedError(damaged: readonly DamagedRecord[]): ProfferError {
  const problems = damaged.map(({ key, why }): Problem => ({ path: key, code: 'STORE_DAMAGED', message: why }));
  const told = problems.map(describeProblem).join('; ');
  return new ProfferError('STORE_DAMAGED', `records of the agent cannot be understood: ${told}`, {
    path: damaged[0]?.key ?? '',
    problems,
    hint: 'restore the store of the work directory; or start with --no-strict, which reports the tasks of these records as lost',
  });
}
