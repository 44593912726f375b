// Tasks and executors as the agent works with them, made of what an earlier process of it has kept. In: what was kept. Out: records, containers.
import type { Container, Containerizer, ContainerEvent, ContainerSpec } from '../containerizer/containerizer.js';
import type { Clock } from '../env/clock.js';
import { isTerminal } from '../protocol/task-state.js';
import { emptyBag, toBag } from '../resources/index.js';
import { memLimitBytes } from './container-spec.js';
import { emptyResults } from './health.js';
import type { RecordedExecutor, RecordedTask } from './records.js';
import type { ExecutorRecord, TaskRecord } from './state.js';
import type { Condemned, TaskLife } from './task-machine.js';

/** The task where its last status says it stands. */
export function restoredTask(recorded: RecordedTask, condemned: Condemned | undefined, clock: Clock): TaskRecord {
  const { frameworkId, kept, statuses } = recorded;
  const { task, containerId, sandbox, groupId, executorId, receivedAtMs } = kept;
  const last = statuses.at(-1);
  const isOver = last !== undefined && isTerminal(last.status.state);
  const { bag } = toBag(task.resources, 'resources', { round: true });
  return {
    frameworkId,
    task,
    groupId,
    executorId,
    containerId,
    sandbox,
    resources: isOver ? emptyBag : bag,
    receivedAtMs,
    launchedAtMs: clock.now() - Math.max(0, clock.wallMs() - receivedAtMs),
    phantom: false,
    life: restoredLife(recorded, isOver ? undefined : condemned, clock),
    container: undefined,
    unwatch: undefined,
    status: last?.status,
    statusesKept: statuses.map(({ n, status }) => ({ n, uuid: status.uuid })),
    acknowledged: last?.acknowledged === true ? last.status.uuid : undefined,
    startedAtMs: last?.startedAtMs,
  };
}

function restoredLife({ kept, statuses }: RecordedTask, condemned: Condemned | undefined, clock: Clock): TaskLife {
  const last = statuses.at(-1);
  const { task, ending, killAtMs, graceMs = 0, containerId } = kept;
  const { healthy, check, checks, health } = last?.status ?? {};
  const memory = memLimitBytes(toBag(task.resources, 'resources', { round: true }).bag, task.limits);
  // Wall time may have jumped: the grace period never gets longer by that.
  const leftMs = Math.min(graceMs, Math.max(0, (killAtMs ?? 0) - clock.wallMs()));
  const ownContainer = containerId !== undefined;
  return {
    state: last?.status.state ?? 'TASK_STAGING',
    started: last?.startedAtMs !== undefined,
    adopting: ownContainer,
    ...(condemned === undefined || !ownContainer ? {} : { condemned }),
    ...(memory === undefined || !ownContainer ? {} : { memLimitBytes: memory }),
    ...(ending === undefined ? {} : { ending, killByMs: clock.now() + leftMs }),
    ...(ownContainer ? emptyResults(task) : {}),
    ...(healthy === undefined ? {} : { healthy }),
    ...(health === undefined ? {} : { health }),
    ...(checks === undefined ? {} : { checks }),
    ...(check === undefined ? {} : { check }),
  };
}

/** The executor; it has to register again. */
export function restoredExecutor({ frameworkId, kept }: RecordedExecutor, now: number): ExecutorRecord {
  return {
    frameworkId,
    info: kept.info,
    role: kept.role,
    containerId: kept.containerId,
    sandbox: kept.sandbox,
    resources: toBag(kept.info.resources, 'executor.resources', { round: true }).bag,
    launchedAtMs: now,
    state: 'REGISTERING',
    container: undefined,
    pid: undefined,
    peer: undefined,
    timer: undefined,
    waiting: [],
    adopting: true,
    verdict: undefined,
  };
}

/** Takes a container over; one of a kind that does not outlive the agent has ended, and nobody knows how. */
export function adoptContainer(
  clock: Clock,
  containerizer: Containerizer,
  spec: ContainerSpec,
  onEvent: (event: ContainerEvent) => void,
): Container {
  if (containerizer.adopt !== undefined) return containerizer.adopt(spec, onEvent);
  clock.soon(() => onEvent({ type: 'EXITED', exit: { oomKilled: false } }));
  return {
    kill: () => {},
    exec: (_command, _timeoutMs, done) =>
      clock.soon(() => done({ timedOut: false, output: 'the container has ended' })),
  };
}
