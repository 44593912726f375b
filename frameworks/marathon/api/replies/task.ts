// Tasks as replies show them. In: an instance, one of its tasks, the app it runs. Out: Marathon's JSON. Pure.
import type { TaskState } from 'proffer';
import { addressJson } from '../../events/event-json.js';
import { isTerminal } from '../../machine/condition.js';
import type { Condition } from '../../machine/condition.js';
import type { Instance, InstanceTask } from '../../machine/instance.js';
import { servicePortsOf } from '../../model/change/service-ports.js';
import { timeOf } from '../../model/json/parts.js';
import { present } from '../../model/present.js';
import type { RunSpec } from '../../model/run-spec.js';
import type { TaskFailure } from '../../records/failure.js';
import type { MarathonView } from '../../service/marathon.js';
import { joined, listText } from './text.js';

type View = Pick<MarathonView, 'health' | 'specOf'>;

/** The tasks of instances that have not ended, as a list in JSON text. */
export function tasksText(view: View, instances: Iterable<Instance>): string {
  const all: string[] = [];
  for (const instance of instances) {
    for (const task of instance.tasks) if (!isTerminal(task.condition)) all.push(taskText(view, instance, task));
  }
  return listText(all);
}

const texts = new WeakMap<InstanceTask, { readonly of: Instance; readonly text: string }>();

// What checks say comes and goes while instance and task stay what they are.
function taskText(view: View, instance: Instance, task: InstanceTask): string {
  let known = texts.get(task);
  if (known?.of !== instance) {
    known = { of: instance, text: JSON.stringify(standingJson(view, instance, task)) };
    texts.set(task, known);
  }
  return joined(known.text, checksText(checksJson(view, instance, task)));
}

/** The tasks of instances, one of each: what was asked to end is told whatever became of it. */
export function firstTasksJson(view: View, instances: Iterable<Instance>): object[] {
  const all: object[] = [];
  for (const instance of instances) {
    const [task] = instance.tasks;
    if (task !== undefined) all.push(taskJson(view, instance, task));
  }
  return all;
}

function taskJson(view: View, instance: Instance, task: InstanceTask): object {
  return { ...standingJson(view, instance, task), ...checksJson(view, instance, task) };
}

interface Checks {
  readonly healthCheckResults: readonly object[];
  readonly checkResult?: object;
}

function checksText(checks: Checks): string {
  const none = checks.healthCheckResults.length === 0 && checks.checkResult === undefined;
  return none ? '{"healthCheckResults":[]}' : JSON.stringify(checks);
}

function checksJson({ health }: View, instance: Instance, { id }: InstanceTask): Checks {
  return present({ healthCheckResults: health.resultsOf(id, instance), checkResult: health.checkResultOf(id) });
}

function standingJson(view: View, instance: Instance, task: InstanceTask): object {
  const spec = view.specOf(instance);
  const { place, role, runSpecId, runSpecVersion } = instance;
  const { id, condition, stagedAt, startedAt, hostPorts, ip } = task;
  return present({
    appId: runSpecId,
    host: place?.hostname ?? '',
    id,
    ipAddresses: ip === undefined ? [] : [addressJson(ip)],
    ports: hostPorts,
    servicePorts: portsToServe(spec),
    slaveId: place?.agentId,
    state: stateOf(condition),
    stagedAt: timeOf(stagedAt),
    startedAt: startedAt === undefined ? undefined : timeOf(startedAt),
    version: timeOf(runSpecVersion),
    localVolumes: localVolumesJson(instance),
    region: place?.domain?.region,
    zone: place?.domain?.zone,
    role,
  });
}

/** Volumes kept for an instance. */
export function localVolumesJson({ runSpecId, reservation }: Instance): object[] {
  return (reservation?.volumes ?? []).map(({ id, containerPath }) => ({
    runSpecId,
    containerPath,
    uuid: id,
    persistenceId: id,
  }));
}

/** The last failure of an app. */
export function failureJson(failure: TaskFailure): object {
  const { appId, host, message, state, taskId, timestamp, version, slaveId } = failure;
  const at = timeOf(timestamp);
  return present({ appId, host, message, state, taskId, timestamp: at, version: timeOf(version), slaveId });
}

const states: { readonly [condition in Condition]: TaskState } = {
  Error: 'TASK_ERROR',
  Failed: 'TASK_FAILED',
  Gone: 'TASK_GONE',
  Dropped: 'TASK_DROPPED',
  Unreachable: 'TASK_UNREACHABLE',
  UnreachableInactive: 'TASK_UNREACHABLE',
  Killing: 'TASK_KILLING',
  Starting: 'TASK_STARTING',
  Staging: 'TASK_STAGING',
  Unknown: 'TASK_UNKNOWN',
  Provisioned: 'TASK_STAGING',
  Running: 'TASK_RUNNING',
  Finished: 'TASK_FINISHED',
  Killed: 'TASK_KILLED',
  Scheduled: 'TASK_STAGING',
};

/** A condition in Mesos's words; what was not started yet is about to be staged. */
export function stateOf(condition: Condition): TaskState {
  return states[condition];
}

function portsToServe(spec: RunSpec): readonly number[] {
  return spec.kind === 'app' ? servicePortsOf(spec) : [];
}
