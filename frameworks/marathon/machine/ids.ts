// Ids of instances and their tasks, as Marathon makes them: `<path>.instance-<uuid>` and `<instance>.<container or _app>.<incarnation>`. Pure text.
import type { TaskId } from 'proffer';
import { safePath } from '../model/path.js';
import type { PathId } from '../model/path.js';

/** Names one instance for as long as it is wanted, over all restarts of its tasks. */
export type InstanceId = string;

/** In place of a container's name where there is but one; no name may have an underscore. */
const onlyContainer = '_app';

/** The id of a new instance; `uuid` must be fresh. */
export function instanceIdOf(runSpecId: PathId, uuid: string): InstanceId {
  return `${safePath(runSpecId)}.instance-${uuid}`;
}

/** The id of the task of a container (absent: the only one) in the `incarnation`th start of an instance; the first is 1. */
export function taskIdOf(instanceId: InstanceId, container: string | undefined, incarnation: number): TaskId {
  return `${instanceId}.${container ?? onlyContainer}.${incarnation}` as TaskId;
}

/** A task's id taken apart. */
export interface TaskIdParts {
  readonly instanceId: InstanceId;
  readonly container?: string;
  readonly incarnation: number;
}

const pattern = /^(.+\.(?:instance-|marathon-)[^.]+)\.([^.]+)\.([1-9]\d{0,8})$/;

/** The parts of a task's id; undefined when it is not one of ours. */
export function parseTaskId(taskId: string): TaskIdParts | undefined {
  const match = pattern.exec(taskId);
  if (match === null) return undefined;
  const [, instanceId = '', container = '', incarnation = ''] = match;
  return {
    instanceId,
    ...(container === onlyContainer ? {} : { container }),
    incarnation: Number(incarnation),
  };
}
