// How tasks stand with their checks. In: what agents tell of them, also again after a failover. Out: results as replies show them, whether an instance is ready,
// and what there is to tell. Nothing is stored: an agent says with every status how all of its checks stand.
import type { CheckStatus, HealthStatus, TaskId, TaskStatus } from 'proffer';
import type { Telling } from '../events/event.js';
import { conditionOf, isTerminal } from '../machine/condition.js';
import type { Instance } from '../machine/instance.js';
import { healthCheckJson } from '../model/json/app.js';
import { timeOf } from '../model/json/parts.js';
import { present } from '../model/present.js';
import type { RunSpec } from '../model/run-spec.js';
import { healthChecksOf, readinessChecksOf } from './checks.js';

/** What is known of one task. */
interface Known {
  readonly health: readonly HealthStatus[];
  readonly checks: readonly CheckStatus[];
  readonly check?: CheckStatus;
}

/** Whether the last look succeeded. */
export function isAlive({ consecutiveFailures, firstSuccessMs }: HealthStatus): boolean {
  return consecutiveFailures === 0 && firstSuccessMs !== undefined;
}

const nothing: Known = { health: [], checks: [] };

/** Results of all tasks that run. */
export class HealthBook {
  readonly #known = new Map<TaskId, Known>();
  /** Tasks whose agent has said that it ends them for failing. */
  readonly #ending = new Set<TaskId>();

  /** Takes in a status of a task of `instance`, which was started with `spec`. What it says that is new is to be told. */
  take(status: TaskStatus, instance: Instance, spec: RunSpec): Telling[] {
    const { taskId, reason } = status;
    const before = this.#known.get(taskId) ?? nothing;
    const after = withStatus(before, status);
    const tellings = reason === 'TASK_HEALTH_CHECK_STATUS_UPDATED' ? changes(before, after, instance, spec) : [];
    if (reason === 'TASK_UNHEALTHY' && !this.#ending.has(taskId)) {
      this.#ending.add(taskId);
      tellings.push(killTelling(status, instance));
    }
    if (isTerminal(conditionOf(status))) this.forget(taskId);
    else this.#known.set(taskId, after);
    return tellings;
  }

  /** Its task is over. */
  forget(taskId: TaskId): void {
    this.#known.delete(taskId);
    this.#ending.delete(taskId);
  }

  /** `healthCheckResults` of a task: one for each health check that has something to tell. */
  resultsOf(taskId: TaskId, instance: Pick<Instance, 'id'>): object[] {
    const { health } = this.#known.get(taskId) ?? nothing;
    return health.filter(isKnown).map(each => resultJson(each, instance.id));
  }

  /** `checkResult` of a task, the check that only reports; undefined without one. */
  checkResultOf(taskId: TaskId): object | undefined {
    const { check } = this.#known.get(taskId) ?? nothing;
    switch (check?.type) {
      case undefined:
        return undefined;
      case 'COMMAND':
        return { command: present({ exitCode: check.exitCode }) };
      case 'HTTP':
        return { http: present({ statusCode: check.statusCode }) };
      case 'TCP':
        return { tcp: present({ succeeded: check.succeeded }) };
    }
  }

  /** Whether every task of an instance has said yes to every readiness check of its app; true without any. */
  isReady(instance: Pick<Instance, 'tasks'>, spec: RunSpec): boolean {
    if (spec.kind === 'pod') return true;
    const checks = readinessChecksOf(spec);
    return checks.every(({ check }, index) =>
      instance.tasks.every(({ id }) => codesInclude(check.httpStatusCodesForReady, this.#readiness(id, index))),
    );
  }

  /** `readinessCheckResults` of the instances of an app. */
  readinessResultsOf(instances: Iterable<Pick<Instance, 'tasks'>>, spec: RunSpec): object[] {
    if (spec.kind === 'pod') return [];
    const results: object[] = [];
    for (const { tasks } of instances) {
      for (const { id } of tasks) {
        for (const [index, { check }] of readinessChecksOf(spec).entries()) {
          const status = this.#readiness(id, index);
          const ready = codesInclude(check.httpStatusCodesForReady, status);
          // An agent passes on the code alone.
          const lastResponse =
            check.preserveLastResponse && status !== undefined ? { status, contentType: '', body: '' } : undefined;
          results.push(present({ name: check.name, taskId: id, ready, lastResponse }));
        }
      }
    }
    return results;
  }

  #readiness(taskId: TaskId, index: number): number | undefined {
    const check = this.#known.get(taskId)?.checks[index];
    return check?.type === 'HTTP' ? check.statusCode : undefined;
  }
}

function codesInclude(codes: readonly number[], status: number | undefined): boolean {
  return status !== undefined && codes.includes(status);
}

function withStatus(known: Known, { health, healthy, checks, check, message, timestampMs }: TaskStatus): Known {
  const told =
    health ??
    (healthy === undefined || known.health.length > 1 ? known.health : [guessed(known, healthy, message, timestampMs)]);
  return {
    health: told,
    checks: checks ?? known.checks,
    ...(check === undefined ? (known.check === undefined ? {} : { check: known.check }) : { check }),
  };
}

// An executor of one's own says only whether it is healthy.
function guessed({ health }: Known, healthy: boolean, message: string | undefined, now: number): HealthStatus {
  const [before = { consecutiveFailures: 0 }] = health;
  if (isKnown(before) && isAlive(before) === healthy) return before;
  return healthy
    ? { ...before, consecutiveFailures: 0, firstSuccessMs: before.firstSuccessMs ?? now, lastSuccessMs: now }
    : {
        ...before,
        consecutiveFailures: 1,
        lastFailureMs: now,
        ...(message === undefined ? {} : { lastFailureCause: message }),
      };
}

function isKnown({ firstSuccessMs, lastFailureMs }: HealthStatus): boolean {
  return firstSuccessMs !== undefined || lastFailureMs !== undefined;
}

function changes(before: Known, after: Known, { id: instanceId }: Instance, spec: RunSpec): Telling[] {
  const { id: appId, versionInfo } = spec;
  const { version } = versionInfo;
  const declared = spec.kind === 'app' ? healthChecksOf(spec) : [];
  return after.health.flatMap((now, index) => {
    const was = before.health[index] ?? { consecutiveFailures: 0 };
    const check = declared[index];
    const tellings: Telling[] = [];
    if (check !== undefined && now.consecutiveFailures > was.consecutiveFailures)
      tellings.push({ type: 'failed_health_check_event', appId, instanceId, healthCheck: healthCheckJson(check) });
    if (isAlive(now) !== isAlive(was))
      tellings.push({ type: 'health_status_changed_event', appId, instanceId, version, alive: isAlive(now) });
    return tellings;
  });
}

function killTelling({ taskId, message = '', agentId }: TaskStatus, instance: Instance): Telling {
  const { id: instanceId, runSpecId: appId, runSpecVersion: version, place } = instance;
  const slaveId = agentId ?? place?.agentId;
  return {
    type: 'unhealthy_instance_kill_event',
    appId,
    taskId,
    instanceId,
    version,
    reason: message,
    host: place?.hostname ?? '',
    ...(slaveId === undefined ? {} : { slaveId }),
  };
}

function resultJson(status: HealthStatus, instanceId: string): object {
  const { consecutiveFailures, firstSuccessMs, lastSuccessMs, lastFailureMs, lastFailureCause } = status;
  return {
    alive: isAlive(status),
    consecutiveFailures,
    firstSuccess: momentOf(firstSuccessMs),
    lastSuccess: momentOf(lastSuccessMs),
    lastFailure: momentOf(lastFailureMs),
    lastFailureCause: lastFailureCause ?? null,
    instanceId,
  };
}

function momentOf(ms: number | undefined): string | null {
  return ms === undefined ? null : timeOf(ms);
}

/** What is told when an app's definition takes the place of another: its health checks go and come. */
export function healthCheckTellings(before: RunSpec | undefined, after: RunSpec | undefined): Telling[] {
  const checksOf = (spec: RunSpec | undefined): ReturnType<typeof healthChecksOf> =>
    spec?.kind === 'app' ? healthChecksOf(spec) : [];
  const tellings: Telling[] = checksOf(before).map(() => ({
    type: 'remove_health_check_event',
    appId: before?.id ?? '',
  }));
  for (const check of checksOf(after)) {
    tellings.push({
      type: 'add_health_check_event',
      appId: after?.id ?? '',
      version: after?.versionInfo.version ?? 0,
      healthCheck: healthCheckJson(check),
    });
  }
  return tellings;
}
