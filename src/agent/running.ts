// The containers that run on an agent, with what they hold and use. In: its state, a meter. Out: one entry for each container, those of executors with all their tasks.
import { isTerminal } from '../protocol/task-state.js';
import type { Bag } from '../resources/index.js';
import { emptyBag, fromBag, sum } from '../resources/index.js';
import type { AgentState, ExecutorRecord, TaskRecord } from './state.js';
import type { RunningContainer, UsageMeter } from './usage.js';

/** A container, and whose it is. */
export interface Running {
  readonly record: TaskRecord | ExecutorRecord;
  readonly running: RunningContainer;
}

/** In the order of their launch. What they use is measured when it is read. */
export function runningContainers(state: AgentState, meter: UsageMeter | undefined): Running[] {
  const found: Running[] = [];
  for (const framework of state.frameworks.values()) {
    const ofExecutors = new Map<string, Bag[]>();
    for (const record of framework.tasks.values()) {
      const { life, containerId, executorId, resources, task } = record;
      if (isTerminal(life.state)) continue;
      if (executorId !== undefined) {
        const held = ofExecutors.get(executorId);
        if (held === undefined) ofExecutors.set(executorId, [resources]);
        else held.push(resources);
      } else if (containerId !== undefined) {
        const ids = { containerId, taskId: task.taskId };
        found.push({ record, running: describe(record, ids, resources, life.ending !== undefined, life.pid, meter) });
      }
    }
    for (const record of framework.executors.values()) {
      if (record.container === undefined) continue;
      const { containerId, info, state: stage, pid } = record;
      const held = sum([record.resources, ...(ofExecutors.get(info.executorId) ?? [emptyBag])]);
      const ids = { containerId, executorId: info.executorId };
      found.push({ record, running: describe(record, ids, held, stage === 'TERMINATING', pid, meter) });
    }
  }
  return found.sort((a, b) => a.running.launchedAtMs - b.running.launchedAtMs);
}

function describe(
  { frameworkId, launchedAtMs }: TaskRecord | ExecutorRecord,
  ids: Pick<RunningContainer, 'containerId' | 'taskId' | 'executorId'>,
  held: Bag,
  ending: boolean,
  pid: number | undefined,
  meter: UsageMeter | undefined,
): RunningContainer {
  return {
    ...ids,
    frameworkId,
    revocable: held.some(r => r.label.revocable),
    ending,
    resources: fromBag(held),
    launchedAtMs,
    get use() {
      return pid === undefined ? undefined : meter?.measure(pid);
    },
  };
}
