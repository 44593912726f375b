// Runs tasks: admits launches, starts containers, steps each task's machine and carries out its wishes, in a fixed order.
// In: launches, kills, container events, verdicts of checks. Out: reports to the outbox, calls to containers and executors.
import { assertNever, must } from '../base/assert.js';
import type { ExecutorId, FrameworkId, TaskId } from '../base/ids.js';
import { Subscription } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import type { ContainerSpec } from '../containerizer/containerizer.js';
import type { Env } from '../env/env.js';
import type { AgentEvent } from '../protocol/agent-api.js';
import type { KillPolicy, TaskInfo } from '../protocol/entities.js';
import { isTerminal } from '../protocol/task-state.js';
import type { Bag } from '../resources/index.js';
import { emptyBag, toBag } from '../resources/index.js';
import { clockScheduler } from '../rx/clock-scheduler.js';
import { memLimitBytes, placeOf, taskSpec } from './container-spec.js';
import { Executors } from './executors.js';
import { groupEnding, groupRefusal, Groups } from './groups.js';
import { checkVerdicts$, healthVerdicts$ } from './health-checks.js';
import type { Verdict } from './health-checks.js';
import { emptyResults, healthChecksOf, noHealth } from './health.js';
import type { AgentParts } from './parts.js';
import type { ProbeSubject } from './probe.js';
import type { RecordedTask } from './records.js';
import { adoptContainer, restoredTask } from './restored.js';
import { directoryNameProblem, taskSandbox } from './sandbox.js';
import type { ExecutorRecord, FrameworkRecord, TaskRecord } from './state.js';
import type { Condemned, Ending, StatusDraft, TaskEvent, TaskWish } from './task-machine.js';
import { newLife, stepTask } from './task-machine.js';

const drainEnding: Ending = { state: 'TASK_KILLED', reason: 'AGENT_DRAINING', message: 'the agent is draining' };

/** A task of a launch: admitted with what it takes, or refused with what it is told. */
interface Plan {
  readonly task: TaskInfo;
  readonly resources: Bag;
  readonly executor: ExecutorRecord | undefined;
  readonly refusal: StatusDraft | undefined;
  readonly phantom?: boolean;
}

/** Runs the tasks of one agent. */
export class TaskRunner {
  readonly executors: Executors;
  readonly #env: Env;
  readonly #parts: AgentParts;
  readonly #scheduler: SchedulerLike;
  readonly #groups = new Groups();
  /** Set when the agent is going away: nothing is started any more. */
  #closing = false;
  /** Nothing is looked after any more. */
  #closed = false;

  constructor(env: Env, parts: AgentParts) {
    this.#env = env;
    this.#parts = parts;
    this.#scheduler = clockScheduler(env.clock);
    this.executors = new Executors(env, parts, (record, event) => this.step(record, event, 'EXECUTOR'));
  }

  /** Starts tasks. A group starts whole or not at all. A task that is here already is left alone. */
  launch({ framework: info, tasks, groupId, newExecutorIds = [] }: Extract<AgentEvent, { type: 'LAUNCH' }>): void {
    const { state, ledger, counts } = this.#parts;
    if (info.id === undefined) {
      this.#env.log.warn('a launch for a framework without an id is ignored', { framework: info.name });
      return;
    }
    counts.launched(tasks.length);
    const framework = state.framework(info.id, info);
    const fresh = new Map<TaskId, TaskInfo>();
    for (const task of tasks) {
      if (!framework.tasks.has(task.taskId) && !fresh.has(task.taskId)) fresh.set(task.taskId, task);
      else
        this.#env.log.warn('a task was launched twice; the second is ignored', {
          frameworkId: framework.id,
          taskId: task.taskId,
        });
    }
    let plans = [...fresh.values()].map(task => this.#admit(framework, task, newExecutorIds));
    const spoiler = groupId === undefined ? undefined : plans.find(plan => plan.refusal !== undefined);
    if (spoiler !== undefined) {
      const refusal = groupRefusal(spoiler.task.taskId, spoiler.refusal?.message ?? '');
      plans = plans.map(plan => {
        if (plan.refusal !== undefined) return plan;
        ledger.giveBack(plan.resources);
        return { ...plan, resources: emptyBag, refusal };
      });
    }
    const records = plans.map(plan => this.#record(framework, plan, groupId));
    for (const record of records) this.#parts.keeper.task(record);
    for (const [index, record] of records.entries()) {
      const { refusal, executor } = must(plans[index], 'plan');
      if (refusal !== undefined) this.step(record, { type: 'OVER', draft: refusal });
      else if (executor === undefined) this.#start(framework, record);
    }
    this.#deliver(framework, plans, records, groupId);
    this.#tellMissingExecutors(framework, newExecutorIds);
    state.forgetIfIdle(framework.id);
  }

  /** Takes over a task of an earlier agent process: its container, if it had one of its own, and what of it was not acknowledged. */
  adopt(framework: FrameworkRecord, recorded: RecordedTask, condemned?: Condemned): void {
    const { deps, state, outbox, ledger } = this.#parts;
    const { clock } = this.#env;
    const record = restoredTask(recorded, condemned, clock);
    const { task, groupId, life } = record;
    framework.tasks.set(task.taskId, record);
    if (!framework.closing)
      for (const { status, acknowledged } of recorded.statuses)
        if (acknowledged !== true) outbox.restore(record, status);
    if (isTerminal(life.state)) return;
    ledger.retake(record.resources);
    if (groupId !== undefined) this.#groups.add(framework.id, groupId, task.taskId);
    if (record.containerId === undefined) return;
    state.containers += 1;
    this.#parts.counts.containers(state.containers);
    record.container = adoptContainer(clock, deps.containerizer, this.#spec(framework, record), event =>
      this.step(record, { type: 'CONTAINER', event }),
    );
    if (life.killByMs !== undefined) record.container.kill(Math.max(0, life.killByMs - clock.now()));
  }

  /** Takes over a task whose executor is not there any more: it is over. */
  adoptLost(framework: FrameworkRecord, recorded: RecordedTask, draft: StatusDraft): void {
    this.adopt(framework, recorded);
    this.step(must(framework.tasks.get(recorded.kept.task.taskId), 'task'), { type: 'OVER', draft });
  }

  /** The framework wants a task ended. Unknown ones are answered TASK_DROPPED. */
  kill(frameworkId: FrameworkId, taskId: TaskId, policy?: KillPolicy): void {
    const record = this.#parts.state.task(frameworkId, taskId);
    if (record === undefined) this.dropUnknown(frameworkId, taskId, 'the agent does not know the task');
    else this.end(record, { state: 'TASK_KILLED', message: 'killed by its framework' }, policy);
  }

  /** Ends a task. The kill's grace period goes before the task's, which goes before the agent's. */
  end(record: TaskRecord, ending: Ending, policy?: KillPolicy): void {
    if (isTerminal(record.life.state)) return;
    const graceMs = policy?.gracePeriodMs ?? record.task.killPolicy?.gracePeriodMs ?? this.#parts.options.killGraceMs;
    // A custom executor tells TASK_KILLING itself.
    const tellKilling = record.executorId === undefined && this.#wantsKilling(record.frameworkId);
    this.step(record, { type: 'END', ending, graceMs, tellKilling });
    if (record.executorId !== undefined && !isTerminal(record.life.state)) this.executors.kill(record, graceMs);
  }

  /** The framework is gone: its tasks and executors are ended, and nobody is waited for. */
  endFramework(frameworkId: FrameworkId): void {
    const { state, outbox } = this.#parts;
    const framework = state.frameworks.get(frameworkId);
    if (framework === undefined) return;
    state.close(framework);
    for (const record of framework.tasks.values()) {
      if (!isTerminal(record.life.state)) continue;
      outbox.tellEnd(record);
      state.retire(record);
    }
    this.#endTasks(framework, {
      state: 'TASK_KILLED',
      reason: 'FRAMEWORK_REMOVED',
      message: 'its framework was removed',
    });
  }

  /** The agent goes away: everything is ended, and nothing is started any more. */
  endAll(message: string): void {
    this.#closing = true;
    for (const framework of this.#parts.state.frameworks.values())
      this.#endTasks(framework, { state: 'TASK_KILLED', reason: 'AGENT_SHUT_DOWN', message });
  }

  /** The agent is to be empty: everything is killed, with at most this grace, and nothing is started until all has ended. */
  drain(graceMs: number | undefined): void {
    const { state, options } = this.#parts;
    const before = state.draining?.graceMs;
    state.draining = {
      graceMs: before === undefined || graceMs === undefined ? (graceMs ?? before) : Math.min(before, graceMs),
    };
    for (const framework of state.frameworks.values()) {
      for (const record of framework.tasks.values()) {
        const own = record.task.killPolicy?.gracePeriodMs ?? options.killGraceMs;
        const gracePeriodMs = Math.min(own, state.draining.graceMs ?? own);
        this.end(record, drainEnding, { gracePeriodMs });
      }
    }
    this.checkDrained();
  }

  /** Something has ended. Mesos's rule: an agent on which nothing is left has drained, and the master decides whether it is used again. */
  checkDrained(): void {
    const { state } = this.#parts;
    if (state.draining === undefined) return;
    let left = false;
    for (const framework of state.frameworks.values()) {
      this.executors.shutdownIdle(framework);
      if (framework.executors.size > 0) left = true;
      for (const { life } of framework.tasks.values()) if (!isTerminal(life.state)) left = true;
    }
    if (!left) state.draining = undefined;
  }

  /** What a container of lent resources runs has to go: its owners want them back. */
  preempt(record: TaskRecord | ExecutorRecord, message: string): void {
    const how = { state: 'TASK_GONE', reason: 'CONTAINER_PREEMPTED', message } as const;
    this.#parts.counts.preempted();
    if ('life' in record) this.end(record, how);
    else this.executors.preempt(record, how);
  }

  /** Looks after nothing any more; containers are left as they are. */
  close(): void {
    this.#closed = true;
    this.executors.close();
    for (const framework of this.#parts.state.frameworks.values()) {
      for (const record of framework.tasks.values()) {
        record.unwatch?.();
        record.unwatch = undefined;
      }
    }
  }

  /** Tells the framework that a task it believes to be here is not. */
  dropUnknown(
    frameworkId: FrameworkId,
    taskId: TaskId,
    message: string,
    how: Pick<StatusDraft, 'state' | 'reason'> = { state: 'TASK_DROPPED', reason: 'RECONCILIATION' },
  ): void {
    const { state } = this.#parts;
    // The description is not known here; it serves this one report.
    const known = state.frameworks.get(frameworkId)?.info;
    const framework = state.framework(frameworkId, known ?? { id: frameworkId, name: '', roles: [] });
    const task: TaskInfo = { taskId, name: taskId, resources: {} };
    const refusal: StatusDraft = { ...how, message };
    const plan: Plan = { task, resources: emptyBag, executor: undefined, refusal, phantom: true };
    const record = this.#record(framework, plan, undefined);
    this.#parts.keeper.task(record);
    this.step(record, { type: 'OVER', draft: refusal });
  }

  /** One event in the life of a task. */
  step(record: TaskRecord, event: TaskEvent, source: 'AGENT' | 'EXECUTOR' = 'AGENT'): void {
    const before = record.life;
    const { life, wishes } = stepTask(before, event, this.#env.clock.now());
    record.life = life;
    const over = isTerminal(life.state) && !isTerminal(before.state);
    if (life.state === 'TASK_RUNNING') record.startedAtMs ??= this.#parts.keeper.nowMs;
    if (life.killByMs !== before.killByMs) this.#parts.keeper.task(record);
    // Freed before it is told, so that a launch in answer finds the resources.
    if (over) this.#release(record);
    for (const wish of wishes) this.#carryOut(record, wish, source);
    if (over) this.#afterEnd(record);
  }

  #carryOut(record: TaskRecord, wish: TaskWish, source: 'AGENT' | 'EXECUTOR'): void {
    switch (wish.type) {
      case 'REPORT': {
        const framework = this.#parts.state.frameworks.get(record.frameworkId);
        const acknowledged = framework?.closing !== true;
        this.#parts.counts.moved(wish.draft.state);
        this.#parts.outbox.report(record, wish.draft, { replaceable: wish.replaceable, acknowledged, source });
        return;
      }
      case 'KILL':
        this.#parts.keeper.after(() => record.container?.kill(wish.graceMs));
        return;
      case 'WATCH':
        this.#watch(record);
        return;
      case 'UNWATCH':
        record.unwatch?.();
        record.unwatch = undefined;
        return;
      default:
        assertNever(wish, 'task wish');
    }
  }

  // Says why a task cannot be here; if nothing speaks against it, takes its resources.
  #admit(framework: FrameworkRecord, task: TaskInfo, newExecutorIds: readonly ExecutorId[]): Plan {
    const { bag, problems } = toBag(task.resources, 'resources', { round: true });
    const no = (refusal: StatusDraft): Plan => ({ task, resources: emptyBag, executor: undefined, refusal });
    if (this.#closing)
      return no({ state: 'TASK_DROPPED', reason: 'AGENT_SHUT_DOWN', message: 'the agent is shutting down' });
    if (this.#parts.state.draining !== undefined)
      return no({ state: 'TASK_DROPPED', reason: 'AGENT_DRAINING', message: 'the agent is draining' });
    if (framework.closing)
      return no({ state: 'TASK_DROPPED', reason: 'FRAMEWORK_REMOVED', message: 'its framework was removed' });
    const invalid =
      directoryNameProblem('the task id', task.taskId) ??
      directoryNameProblem('the framework id', framework.id) ??
      problems[0]?.message;
    // What cannot be said in a registration stays out of it.
    if (invalid !== undefined)
      return { ...no({ state: 'TASK_ERROR', reason: 'TASK_INVALID', message: invalid }), phantom: true };
    const type = task.container?.type ?? 'PROCESS';
    if (task.executor === undefined && !this.#parts.deps.containerizer.types.includes(type)) {
      const message = `the agent runs no ${type} containers, only ${this.#parts.deps.containerizer.types.join(', ')}`;
      return no({ state: 'TASK_FAILED', reason: 'CONTAINER_LAUNCH_FAILED', message });
    }
    if (task.executor !== undefined && bag.some(({ label }) => label.volume !== undefined)) {
      const message =
        'a volume of a task with an executor must be among the resources of the executor, whose container it is';
      return no({ state: 'TASK_ERROR', reason: 'TASK_INVALID', message });
    }
    const short = this.#parts.ledger.lacks(bag);
    if (short.length > 0) {
      const message = `the agent does not have what the task takes: ${short.join('; ')}`;
      return no({ state: 'TASK_DROPPED', reason: 'RESOURCES_UNKNOWN', message });
    }
    this.#parts.ledger.take(bag);
    if (task.executor === undefined) return { task, resources: bag, executor: undefined, refusal: undefined };
    const mayStart = newExecutorIds.includes(task.executor.executorId);
    const executor = this.executors.reserve(framework, task.executor, task.role, mayStart);
    if ('refusal' in executor) {
      this.#parts.ledger.giveBack(bag);
      return no(executor.refusal);
    }
    return { task, resources: bag, executor: executor.record, refusal: undefined };
  }

  #record(framework: FrameworkRecord, plan: Plan, groupId: string | undefined): TaskRecord {
    const { task, resources, refusal } = plan;
    const runs = refusal === undefined && plan.executor === undefined;
    const containerId = runs ? this.#env.ids.uuid() : undefined;
    const memory = runs ? memLimitBytes(resources, task.limits) : undefined;
    const record: TaskRecord = {
      frameworkId: framework.id,
      task,
      groupId,
      executorId: plan.executor?.info.executorId,
      containerId,
      sandbox:
        containerId === undefined
          ? undefined
          : taskSandbox(this.#parts.deps.sandboxRoot, framework.id, task.taskId, containerId),
      resources,
      receivedAtMs: this.#env.clock.wallMs(),
      launchedAtMs: this.#env.clock.now(),
      phantom: plan.phantom === true,
      life: newLife({
        ...(memory === undefined ? {} : { memLimitBytes: memory }),
        ...(runs ? emptyResults(task) : {}),
      }),
      container: undefined,
      unwatch: undefined,
      status: undefined,
      statusesKept: [],
      acknowledged: undefined,
      startedAtMs: undefined,
    };
    framework.tasks.set(task.taskId, record);
    if (groupId !== undefined && refusal === undefined) this.#groups.add(framework.id, groupId, task.taskId);
    return record;
  }

  #start(framework: FrameworkRecord, record: TaskRecord): void {
    const { deps, state, keeper } = this.#parts;
    state.containers += 1;
    this.#parts.counts.containers(state.containers);
    const spec = this.#spec(framework, record);
    keeper.after(() => {
      record.container = deps.containerizer.launch(spec, event => this.step(record, { type: 'CONTAINER', event }));
    });
  }

  #spec(framework: FrameworkRecord, record: TaskRecord): ContainerSpec {
    const { containerId, sandbox } = record;
    const place = placeOf(this.#parts, framework, must(containerId, 'container id'), must(sandbox, 'sandbox'));
    return taskSpec(record.task, record.resources, place);
  }

  #deliver(framework: FrameworkRecord, plans: readonly Plan[], records: readonly TaskRecord[], groupId?: string): void {
    const byExecutor = new Map<ExecutorRecord, TaskRecord[]>();
    for (const [index, record] of records.entries()) {
      const executor = plans[index]?.executor;
      if (executor === undefined) continue;
      const tasks = byExecutor.get(executor);
      if (tasks === undefined) byExecutor.set(executor, [record]);
      else tasks.push(record);
    }
    for (const [executor, tasks] of byExecutor) {
      const launched = tasks.filter(record => !isTerminal(record.life.state));
      this.executors.launch(framework, executor, launched, groupId);
    }
  }

  // The master has booked the executor with the launch; refused tasks did not bring it here.
  #tellMissingExecutors(framework: FrameworkRecord, newExecutorIds: readonly ExecutorId[]): void {
    for (const executorId of newExecutorIds) {
      if (framework.executors.has(executorId) || directoryNameProblem('the executor id', executorId)) continue;
      this.#parts.executorExited({ frameworkId: framework.id, executorId, status: -1 });
    }
  }

  #watch(record: TaskRecord): void {
    const { task, life } = record;
    const { check, checks = [], maxCompletionTimeMs } = task;
    const healthChecks = healthChecksOf(task);
    const looks = check !== undefined || checks.length > 0 || healthChecks.length > 0;
    if (this.#closed || (!looks && maxCompletionTimeMs === undefined)) return;
    const watch = new Subscription();
    const subject: ProbeSubject = {
      container: must(record.container, 'container'),
      prober: this.#parts.deps.prober,
      ...(life.ip === undefined ? {} : { ip: life.ip }),
      ...(life.ip6 === undefined ? {} : { ip6: life.ip6 }),
      ...(task.container === undefined ? {} : { info: task.container }),
    };
    const judge = (verdict: Verdict): void => this.#judge(record, verdict);
    if (check !== undefined) watch.add(checkVerdicts$(check, subject, this.#scheduler).subscribe(judge));
    for (const [index, each] of checks.entries()) {
      watch.add(checkVerdicts$(each, subject, this.#scheduler, index).subscribe(judge));
    }
    for (const [index, each] of healthChecks.entries()) {
      const context = { index, before: life.health?.[index] ?? noHealth, wallMs: () => this.#env.clock.wallMs() };
      watch.add(healthVerdicts$(each, subject, this.#scheduler, context).subscribe(judge));
    }
    if (maxCompletionTimeMs !== undefined) {
      const { nowMs } = this.#parts.keeper;
      const ranMs = Math.max(0, nowMs - (record.startedAtMs ?? nowMs));
      const timer = this.#env.clock.after(Math.max(0, maxCompletionTimeMs - ranMs), () => {
        const message = `ran longer than ${maxCompletionTimeMs} ms`;
        this.end(record, { state: 'TASK_FAILED', reason: 'MAX_COMPLETION_TIME_REACHED', message });
      });
      watch.add(() => timer.cancel());
    }
    record.unwatch = () => watch.unsubscribe();
  }

  #judge(record: TaskRecord, verdict: Verdict): void {
    if (verdict.type !== 'UNHEALTHY') return this.step(record, verdict);
    const { message } = verdict;
    this.end(record, { state: 'TASK_KILLED', reason: 'TASK_UNHEALTHY', message, healthy: false });
  }

  #endTasks(framework: FrameworkRecord, ending: Ending): void {
    for (const record of framework.tasks.values()) {
      if (record.executorId === undefined) this.end(record, ending);
      // Their executor is told to end with all its tasks.
      else this.step(record, { type: 'END', ending, graceMs: 0, tellKilling: false });
    }
    for (const executor of framework.executors.values()) this.executors.shutdown(executor);
    this.#parts.state.forgetIfIdle(framework.id);
  }

  #release(record: TaskRecord): void {
    const { ledger, state, garbage } = this.#parts;
    ledger.giveBack(record.resources);
    record.container = undefined;
    if (record.containerId === undefined) return;
    state.containers -= 1;
    this.#parts.counts.containers(state.containers);
    if (record.sandbox !== undefined) garbage.add(record.sandbox);
  }

  #afterEnd(record: TaskRecord): void {
    const { state } = this.#parts;
    const { frameworkId, groupId, task } = record;
    if (groupId !== undefined) {
      const others = this.#groups.remove(frameworkId, groupId, task.taskId);
      const ending = groupEnding(task.taskId, record.life.state);
      for (const taskId of ending === undefined ? [] : others) {
        const other = state.task(frameworkId, taskId);
        if (other !== undefined && ending !== undefined) this.end(other, ending);
      }
    }
    if (state.frameworks.get(frameworkId)?.closing === true) state.retire(record);
    this.checkDrained();
    if (record.containerId !== undefined) this.#parts.onContainerEnded();
  }

  #wantsKilling(frameworkId: FrameworkId): boolean {
    return this.#parts.state.frameworks.get(frameworkId)?.info.capabilities?.includes('TASK_KILLING_STATE') === true;
  }
}
