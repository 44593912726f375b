// Frameworks' own executors: started as containers with their first task, told what to do over the executor API, ended with their tasks.
// In: launches, kills and messages for them; their sessions and calls; events of their containers. Out: executor events, steps of tasks.
import { assert, assertNever, must } from '../base/assert.js';
import type { Problem } from '../base/errors.js';
import { problem, shown } from '../base/errors.js';
import type { ExecutorId, FrameworkId, Role } from '../base/ids.js';
import type { ContainerEvent, ContainerSpec } from '../containerizer/containerizer.js';
import type { Env } from '../env/env.js';
import type { ExecutorInfo, TaskStatus } from '../protocol/entities.js';
import type { ExecutorCall, ExecutorEvent } from '../protocol/executor-api.js';
import { executorStates, isTerminal } from '../protocol/task-state.js';
import { toBag } from '../resources/index.js';
import { wireBytes } from '../protocol/wire-size.js';
import type { Peer, PeerHandler } from '../transport/peer.js';
import { closeCodes } from '../transport/transport.js';
import { executorSpec, placeOf } from './container-spec.js';
import type { AgentParts } from './parts.js';
import type { RecordedExecutor } from './records.js';
import { adoptContainer, restoredExecutor } from './restored.js';
import { directoryNameProblem, executorSandbox } from './sandbox.js';
import type { ExecutorRecord, FrameworkRecord, TaskRecord } from './state.js';
import type { Condemned, StatusDraft, TaskEvent } from './task-machine.js';

/** Of what an executor sends its scheduler, as the master allows it. */
const messageBytesMax = 512 * 1024;

/** The executors of one agent. */
export class Executors {
  readonly #env: Env;
  readonly #parts: AgentParts;
  readonly #step: (record: TaskRecord, event: TaskEvent) => void;
  #closed = false;

  constructor(env: Env, parts: AgentParts, step: (record: TaskRecord, event: TaskEvent) => void) {
    this.#env = env;
    this.#parts = parts;
    this.#step = step;
  }

  /** The executor a task of `role` is for: the one that is there, or where `mayStart` a new one with its resources taken; or why not. */
  reserve(
    framework: FrameworkRecord,
    info: ExecutorInfo,
    role: Role | undefined,
    mayStart: boolean,
  ): { readonly record: ExecutorRecord } | { readonly refusal: StatusDraft } {
    const { deps, options, state, ledger } = this.#parts;
    const known = framework.executors.get(info.executorId);
    if (known !== undefined) {
      if (known.state !== 'TERMINATING') return { record: known };
      return { refusal: { state: 'TASK_DROPPED', reason: 'EXECUTOR_TERMINATED', message: 'its executor is ending' } };
    }
    // The master thought it was there, and has kept nothing for another.
    if (!mayStart)
      return { refusal: { state: 'TASK_DROPPED', reason: 'EXECUTOR_TERMINATED', message: 'its executor has ended' } };
    const { bag, problems } = toBag(info.resources, 'executor.resources', { round: true });
    const invalid = directoryNameProblem('the executor id', info.executorId) ?? problems[0]?.message;
    if (invalid !== undefined) return { refusal: { state: 'TASK_ERROR', reason: 'TASK_INVALID', message: invalid } };
    const type = info.container?.type ?? 'PROCESS';
    const cannot =
      options.executorEndpoint === undefined
        ? 'the agent has no endpoint for executors'
        : deps.containerizer.types.includes(type)
          ? undefined
          : `the agent runs no ${type} containers, only ${deps.containerizer.types.join(', ')}`;
    if (cannot !== undefined)
      return { refusal: { state: 'TASK_FAILED', reason: 'CONTAINER_LAUNCH_FAILED', message: cannot } };
    const short = ledger.lacks(bag);
    if (short.length > 0) {
      const message = `the agent does not have what the executor takes: ${short.join('; ')}`;
      return { refusal: { state: 'TASK_DROPPED', reason: 'RESOURCES_UNKNOWN', message } };
    }
    ledger.take(bag);
    const containerId = this.#env.ids.uuid();
    const record: ExecutorRecord = {
      frameworkId: framework.id,
      info,
      role,
      containerId,
      sandbox: executorSandbox(deps.sandboxRoot, framework.id, info.executorId, containerId),
      resources: bag,
      launchedAtMs: this.#env.clock.now(),
      state: 'RESERVED',
      container: undefined,
      pid: undefined,
      peer: undefined,
      timer: undefined,
      waiting: [],
      adopting: false,
      verdict: undefined,
    };
    assert(state.frameworks.get(framework.id) === framework, 'an executor belongs to a known framework');
    framework.executors.set(info.executorId, record);
    return { record };
  }

  /** Hands tasks to their executor, now or once it has registered; starts it if need be. Without tasks, a new one is let go. */
  launch(
    framework: FrameworkRecord,
    executor: ExecutorRecord,
    tasks: readonly TaskRecord[],
    groupId: string | undefined,
  ): void {
    if (tasks.length === 0) {
      if (executor.state === 'RESERVED') this.#release(executor);
      return;
    }
    if (executor.peer !== undefined) return this.#send(executor, { tasks, groupId });
    executor.waiting.push({ tasks, groupId });
    if (executor.state === 'RESERVED') this.#start(framework, executor);
  }

  /** Takes over an executor of an earlier agent process: it has to register again, unless it is `condemned` to end. */
  adopt(framework: FrameworkRecord, recorded: RecordedExecutor, condemned: Condemned | undefined): void {
    const { options, state, ledger } = this.#parts;
    const executor = restoredExecutor(recorded, this.#env.clock.now());
    framework.executors.set(executor.info.executorId, executor);
    ledger.retake(executor.resources);
    state.containers += 1;
    this.#parts.counts.containers(state.containers);
    executor.container = adoptContainer(
      this.#env.clock,
      this.#parts.deps.containerizer,
      this.#spec(framework, executor),
      event => this.#onContainer(executor, event),
    );
    if (condemned !== undefined) {
      executor.verdict = condemned.ending;
      executor.state = 'TERMINATING';
      executor.container.kill(condemned.graceMs);
    } else if (framework.closing) this.shutdown(executor);
    else this.#awaitRegistration(executor, 'EXECUTOR_REREGISTRATION_TIMEOUT', options.executorReregistrationMs);
  }

  /** Passes a kill on. A task its executor has not heard of ends here. */
  kill(record: TaskRecord, graceMs: number): void {
    const executor = this.#of(record);
    if (executor === undefined || executor.state === 'TERMINATING') return;
    if (executor.waiting.some(({ tasks }) => tasks.includes(record))) {
      this.#step(record, { type: 'OVER', draft: { state: 'TASK_KILLED', reason: 'TASK_KILLED_DURING_LAUNCH' } });
      if (this.#tasksOf(executor).length === 0) this.shutdown(executor);
      return;
    }
    // While its session is down the kill is kept: it is part of the task's life, and told when the executor is back.
    this.#tell(executor, { type: 'KILL', taskId: record.task.taskId, killPolicy: { gracePeriodMs: graceMs } });
  }

  // What is told is durable, and comes in order. A session that has ended meanwhile is caught up with.
  #tell({ peer }: ExecutorRecord, event: ExecutorEvent): void {
    this.#parts.keeper.after(() => peer?.send(event));
  }

  /** From the framework to its executor; lost when it is not connected. */
  message(frameworkId: FrameworkId, executorId: ExecutorId, data: string): void {
    this.#find(frameworkId, executorId)?.peer?.send({ type: 'MESSAGE', data });
  }

  /** SHUTDOWN, and after the grace period its end by force. */
  shutdown(executor: ExecutorRecord): void {
    if (executor.state === 'TERMINATING') return;
    executor.state = 'TERMINATING';
    executor.timer?.cancel();
    const { executorShutdownGraceMs } = this.#parts.options;
    if (executor.peer === undefined) return this.#end(executor, executorShutdownGraceMs);
    this.#tell(executor, { type: 'SHUTDOWN' });
    executor.timer = this.#env.clock.after(executorShutdownGraceMs, () => this.#end(executor, 0));
  }

  /** Ends it with all its tasks, which then end as `verdict` says unless they have ended by themselves. */
  preempt(executor: ExecutorRecord, verdict: StatusDraft): void {
    if (executor.state === 'TERMINATING') return;
    executor.verdict = verdict;
    this.shutdown(executor);
  }

  /** Ends those that run nothing (any more). */
  shutdownIdle(framework: FrameworkRecord): void {
    for (const executor of framework.executors.values())
      if (executor.state !== 'RESERVED' && this.#tasksOf(executor).length === 0) this.shutdown(executor);
  }

  /** SHUTDOWN_EXECUTOR of the master. */
  shutdownById(frameworkId: FrameworkId, executorId: ExecutorId): void {
    const executor = this.#find(frameworkId, executorId);
    if (executor !== undefined) this.shutdown(executor);
  }

  /** Waits for none of them any more; their containers are left as they are. */
  close(): void {
    this.#closed = true;
    for (const { executors } of this.#parts.state.frameworks.values())
      for (const executor of executors.values()) executor.timer?.cancel();
  }

  /** A session of an executor. */
  accept(peer: Peer<ExecutorEvent>): PeerHandler<ExecutorCall> {
    let executor: ExecutorRecord | undefined;
    const refuse = (problems: readonly Problem[]): void => peer.send({ type: 'ERROR', problems });
    return {
      onMessage: call => {
        if (call.type === 'SUBSCRIBE') {
          executor = this.#subscribe(peer, call, refuse);
          return;
        }
        // Of two sessions of one executor only the newer one counts.
        if (call.type === 'HEARTBEAT') return;
        if (executor === undefined || executor.peer !== peer)
          return refuse([problem('type', 'NOT_SUBSCRIBED', `${call.type} came before SUBSCRIBE`, 'subscribe first')]);
        switch (call.type) {
          case 'UPDATE':
            return this.#update(executor, call.status, refuse);
          case 'MESSAGE':
            return this.#message(executor, call.data, refuse);
          default:
            return assertNever(call, 'executor call');
        }
      },
      onInvalid: problems => refuse(problems),
      onEnd: () => {
        if (executor?.peer !== peer) return;
        executor.peer = undefined;
        if (this.#closed) return;
        if (executor.state === 'REGISTERED') {
          const { executorRegistrationMs } = this.#parts.options;
          this.#awaitRegistration(executor, 'EXECUTOR_REREGISTRATION_TIMEOUT', executorRegistrationMs);
        }
      },
    };
  }

  #start(framework: FrameworkRecord, executor: ExecutorRecord): void {
    const { deps, state, keeper } = this.#parts;
    const spec = this.#spec(framework, executor);
    keeper.executor(executor);
    state.containers += 1;
    this.#parts.counts.containers(state.containers);
    keeper.after(() => {
      executor.container = deps.containerizer.launch(spec, event => this.#onContainer(executor, event));
    });
    const { executorRegistrationMs } = this.#parts.options;
    this.#awaitRegistration(executor, 'EXECUTOR_REGISTRATION_TIMEOUT', executorRegistrationMs);
  }

  #spec(framework: FrameworkRecord, executor: ExecutorRecord): ContainerSpec {
    const { options } = this.#parts;
    const place = placeOf(this.#parts, framework, executor.containerId, executor.sandbox);
    return executorSpec(executor.info, executor.resources, place, {
      endpoint: must(options.executorEndpoint, 'endpoint for executors'),
      shutdownGraceMs: options.executorShutdownGraceMs,
    });
  }

  #awaitRegistration(
    executor: ExecutorRecord,
    reason: 'EXECUTOR_REGISTRATION_TIMEOUT' | 'EXECUTOR_REREGISTRATION_TIMEOUT',
    withinMs: number,
  ): void {
    executor.state = 'REGISTERING';
    executor.timer?.cancel();
    executor.timer = this.#env.clock.after(withinMs, () => {
      const message = `its executor did not register within ${withinMs} ms`;
      executor.verdict = { state: 'TASK_FAILED', reason, message };
      executor.state = 'TERMINATING';
      this.#end(executor, 0);
    });
  }

  // What was asked to start may not have been asked for yet.
  #end(executor: ExecutorRecord, graceMs: number): void {
    this.#parts.keeper.after(() => executor.container?.kill(graceMs));
  }

  #onContainer(executor: ExecutorRecord, event: ContainerEvent): void {
    switch (event.type) {
      case 'PROGRESS':
        return;
      case 'STARTED':
        executor.pid = event.pid;
        executor.adopting = false;
        return;
      case 'EXITED': {
        const { exitCode, signal } = event.exit;
        const how = signal === undefined ? `exited with code ${exitCode ?? 'unknown'}` : `was ended by ${signal}`;
        const oom = event.exit.oomKilled;
        const reason = oom ? 'CONTAINER_LIMITATION_MEMORY' : 'EXECUTOR_TERMINATED';
        const message = oom ? 'its executor exceeded its memory limit' : `its executor ${how}`;
        return this.#gone(executor, { state: 'TASK_FAILED', reason, message }, exitCode ?? -1);
      }
      case 'FAILED': {
        const message = `its executor did not start: ${event.message}`;
        const how: StatusDraft = executor.adopting
          ? { state: 'TASK_FAILED', reason: 'AGENT_RESTARTED', message: 'its executor is gone' }
          : { state: 'TASK_FAILED', reason: 'CONTAINER_LAUNCH_FAILED', message };
        return this.#gone(executor, how, -1);
      }
      default:
        assertNever(event, 'container event');
    }
  }

  // Its container is no more: so are its tasks.
  #gone(executor: ExecutorRecord, how: StatusDraft, status: number): void {
    const { state, garbage } = this.#parts;
    const { frameworkId, info, verdict = how } = executor;
    const tasks = this.#tasksOf(executor);
    executor.timer?.cancel();
    executor.state = 'TERMINATING';
    executor.container = undefined;
    const { peer } = executor;
    executor.peer = undefined;
    peer?.close(closeCodes.goingAway, 'the executor has ended');
    state.containers -= 1;
    this.#parts.counts.containers(state.containers);
    garbage.add(executor.sandbox);
    this.#release(executor);
    for (const record of tasks) this.#step(record, { type: 'OVER', draft: verdict });
    this.#parts.executorExited({ frameworkId, executorId: info.executorId, status });
    state.forgetIfIdle(frameworkId);
    this.#parts.onContainerEnded();
  }

  #release(executor: ExecutorRecord): void {
    this.#parts.ledger.giveBack(executor.resources);
    this.#parts.keeper.dropExecutor(executor);
    this.#parts.state.frameworks.get(executor.frameworkId)?.executors.delete(executor.info.executorId);
  }

  #subscribe(
    peer: Peer<ExecutorEvent>,
    call: Extract<ExecutorCall, { type: 'SUBSCRIBE' }>,
    refuse: (problems: readonly Problem[]) => void,
  ): ExecutorRecord | undefined {
    const { state, info: agentInfo } = this.#parts;
    const executor = this.#find(call.frameworkId, call.executorId);
    const framework = state.frameworks.get(call.frameworkId);
    if (executor === undefined || framework === undefined || executor.state === 'TERMINATING') {
      const path = framework === undefined ? 'frameworkId' : 'executorId';
      const code = framework === undefined ? 'UNKNOWN_FRAMEWORK' : 'NOT_FOUND';
      refuse([problem(path, code, `${shown(call[path])} has no executor to register here`)]);
      peer.close(closeCodes.policy, 'unknown executor');
      return undefined;
    }
    const former = executor.peer;
    executor.peer = peer;
    if (former !== undefined && former !== peer) former.close(closeCodes.policy, 'the executor subscribed again');
    executor.state = 'REGISTERED';
    executor.timer?.cancel();
    executor.timer = undefined;
    const agentId = must(state.agentId, 'agent id');
    const { info, containerId } = executor;
    peer.send({
      type: 'SUBSCRIBED',
      executor: info,
      framework: framework.info,
      agentId,
      agent: agentInfo(),
      containerId,
    });
    for (const status of call.unacknowledgedUpdates) this.#update(executor, status, refuse);
    this.#catchUp(executor, new Set(call.unacknowledgedTasks.map(task => task.taskId)));
    return executor;
  }

  // A launch or kill may have been lost with the former session.
  #catchUp(executor: ExecutorRecord, has: ReadonlySet<string>): void {
    const waiting = executor.waiting;
    executor.waiting = [];
    const queued = new Set(waiting.flatMap(({ tasks }) => tasks));
    for (const record of this.#tasksOf(executor)) {
      if (queued.has(record)) continue;
      const { taskId } = record.task;
      // Nothing was heard of it, and the executor does not have it either.
      if (record.life.state === 'TASK_STAGING' && !has.has(taskId))
        this.#send(executor, { tasks: [record], groupId: undefined });
      if (record.life.ending !== undefined) {
        const graceMs = Math.max(0, (record.life.killByMs ?? 0) - this.#env.clock.now());
        this.#tell(executor, { type: 'KILL', taskId, killPolicy: { gracePeriodMs: graceMs } });
      }
    }
    for (const launch of waiting) this.#send(executor, launch);
  }

  #send(executor: ExecutorRecord, launch: ExecutorRecord['waiting'][number]): void {
    const tasks = launch.tasks.filter(({ life }) => !isTerminal(life.state)).map(({ task }) => task);
    const { groupId } = launch;
    if (groupId !== undefined && tasks.length > 0) this.#tell(executor, { type: 'LAUNCH_GROUP', groupId, tasks });
    else for (const task of tasks) this.#tell(executor, { type: 'LAUNCH', task });
  }

  #update(executor: ExecutorRecord, status: TaskStatus, refuse: (problems: readonly Problem[]) => void): void {
    const { frameworkId, info } = executor;
    const { taskId, uuid } = status;
    const problems = updateProblems(status);
    if (uuid === undefined || problems.length > 0) return refuse(problems);
    const record = this.#parts.state.task(frameworkId, taskId);
    const isNews = record?.executorId === info.executorId && !this.#parts.outbox.has(record, uuid);
    if (record !== undefined && isNews) this.#step(record, { type: 'TOLD', draft: draftOf(status) });
    else this.#env.log.debug('a repeated or unknown update of an executor is ignored', { frameworkId, taskId });
    // Also what is ignored: the executor must not send it for ever.
    this.#tell(executor, { type: 'ACKNOWLEDGED', taskId, uuid });
  }

  #message({ frameworkId, info }: ExecutorRecord, data: string, refuse: (problems: readonly Problem[]) => void): void {
    const bytes = wireBytes(data);
    if (bytes <= messageBytesMax)
      return this.#parts.toMaster({ type: 'MESSAGE', frameworkId, executorId: info.executorId, data });
    refuse([problem('message.data', 'BAD_MESSAGE', `it takes ${bytes} bytes, at most ${messageBytesMax} are allowed`)]);
  }

  #tasksOf(executor: ExecutorRecord): TaskRecord[] {
    const framework = this.#parts.state.frameworks.get(executor.frameworkId);
    return [...(framework?.tasks.values() ?? [])].filter(
      ({ executorId, life }) => executorId === executor.info.executorId && !isTerminal(life.state),
    );
  }

  #of(record: TaskRecord): ExecutorRecord | undefined {
    return record.executorId === undefined ? undefined : this.#find(record.frameworkId, record.executorId);
  }

  #find(frameworkId: FrameworkId, executorId: ExecutorId): ExecutorRecord | undefined {
    return this.#parts.state.frameworks.get(frameworkId)?.executors.get(executorId);
  }
}

function updateProblems(status: TaskStatus): Problem[] {
  const problems: Problem[] = [];
  const bad = (field: string, message: string): void => {
    problems.push(problem(`update.status.${field}`, 'BAD_MESSAGE', message));
  };
  if (status.uuid === undefined) bad('uuid', 'an update needs a uuid');
  if (status.source !== 'EXECUTOR') bad('source', `${shown(status.source)} is not EXECUTOR`);
  if (!executorStates.some(state => state === status.state))
    bad('state', `${status.state} is not for an executor to report; allowed: ${executorStates.join(', ')}`);
  return problems;
}

function draftOf(status: TaskStatus): StatusDraft {
  const {
    taskId: _task,
    source: _source,
    agentId: _agent,
    executorId: _executor,
    timestampMs: _time,
    ...said
  } = status;
  const { container: _container, unreachableTimeMs: _unreachable, ...draft } = said;
  return draft;
}
