// Nothing is seen that a crash could still take back: a container runs only once its task's record is on disk, and a status, the outcome of an operation,
// an agent's id or a framework's id is told, or gone by, only then; so is an operator that a quota or a weight holds. In: containers, statuses,
// registrations, answers; what is on disks. Out: reports for A3, D3.
import { keys } from '../../agent/records.js';
import type { OperationUuid, StatusUuid } from '../../base/ids.js';
import type { OperationStatus } from '../../protocol/entities.js';
import type { OperatorCall } from '../../protocol/operator-api.js';
import type { TaskState } from '../../protocol/task-state.js';
import type { LiveContainer } from '../containers.js';
import type { HistoryEvent } from '../history.js';
import type { Checker, Report, WorldView } from './checker.js';

export class DurabilityChecker implements Checker {
  readonly name = 'durability';
  readonly #heard = new Set<StatusUuid | OperationUuid>();
  /** Until when something may be under way of an agent whose records are gone by now, as they were to go. */
  readonly #forgettingUntilMs = new Map<string, number>();

  on(event: HistoryEvent, world: WorldView, report: Report): void {
    switch (event.type) {
      case 'CONTAINER_STARTED':
        this.#starts(event.container, world, report);
        return;
      case 'AGENT_CALL':
        if (event.call.type === 'UNREGISTER') this.#forgets(event.node, world);
        else if (event.call.type === 'OPERATION_STATUS') this.#operated(event.node, event.call.status, world, report);
        else if (event.call.type === 'STATUS_UPDATE' && world.knows(event.node)) {
          const { frameworkId, status } = event.call;
          const { uuid, taskId, state } = status;
          // Again: it may have been acknowledged meanwhile. What never was there has no records.
          if (uuid === undefined || this.#heard.has(uuid) || !told.has(state)) return;
          this.#heard.add(uuid);
          // Of a framework that has ended nothing is kept any more.
          if (world.cluster?.frameworks.has(frameworkId) !== true) return;
          if (world.nowMs < (this.#forgettingUntilMs.get(event.node) ?? 0)) return;
          const isKept = world.disk(event.node)?.some(keys.status(frameworkId, taskId, 0).slice(0, -9), value => {
            return (value as { readonly status: { readonly uuid: StatusUuid } }).status.uuid === uuid;
          });
          if (isKept === false) report(`${event.node} tells ${state} of ${taskId} before it is on its disk (A3)`);
        }
        return;
      case 'AGENT_EVENT':
        if (event.event.type === 'SHUTDOWN') this.#forgets(event.node, world);
        else if (event.event.type === 'REGISTERED') this.#registry(`agent/${event.event.agentId}`, world, report);
        return;
      case 'SCHEDULER_EVENT':
        if (event.event.type === 'SUBSCRIBED') this.#registry(`framework/${event.event.frameworkId}`, world, report);
        return;
      case 'OPERATOR_ANSWER':
        if (event.problems.length === 0) this.#answered(event.call, world, report);
        return;
      case 'GOES_BY':
        if (world.disk(event.node)?.some(keys.id, id => id === event.agentId) === false)
          report(`${event.node} goes by ${event.agentId} before that is on its disk (A3, A4)`);
        return;
      case 'STEPS_DOWN':
      case 'REBOOT':
        this.#forgets(event.node, world);
        return;
      default:
        return;
    }
  }

  #starts({ host, spec: { env, name } }: LiveContainer, world: WorldView, report: Report): void {
    const frameworkId = env['PROFFER_FRAMEWORK_ID'] ?? '';
    const executorId = env['PROFFER_EXECUTOR_ID'];
    const key =
      executorId === undefined
        ? keys.task(frameworkId, env['PROFFER_TASK_ID'] ?? '')
        : keys.executor(frameworkId, executorId);
    if (world.disk(host)?.has(key) === false) report(`${name} runs on ${host} before its record is on disk (A3)`);
  }

  #operated(node: string, { uuid }: OperationStatus, world: WorldView, report: Report): void {
    if (uuid === undefined || this.#heard.has(uuid) || !world.knows(node)) return;
    this.#heard.add(uuid);
    if (world.nowMs < (this.#forgettingUntilMs.get(node) ?? 0)) return;
    if (world.disk(node)?.has(keys.operations + uuid) === false)
      report(`${node} tells what became of operation ${uuid} before it is on its disk (A3)`);
  }

  // What is told to be set is there as it was asked for.
  #answered(call: OperatorCall, world: WorldView, report: Report): void {
    const disk = world.disk('master');
    if (disk === undefined) return;
    const told = (key: string, isKept: boolean): void => {
      if (!isKept) report(`${key} is told to be set before it is so in the registry (D3)`);
    };
    if (call.type === 'UPDATE_QUOTA') {
      for (const { role, limits = {}, guarantees = {} } of call.quotas) {
        const key = `quota/${role}`;
        const isNone = Object.keys(limits).length + Object.keys(guarantees).length === 0;
        const isKept = (value: unknown): boolean => {
          const kept = value as { readonly limits: Amounts; readonly guarantees: Amounts };
          return isSame(kept.limits, limits) && isSame(kept.guarantees, guarantees);
        };
        told(key, isNone ? !disk.has(key) : disk.has(key) && disk.some(key, isKept));
      }
    } else if (call.type === 'UPDATE_WEIGHTS') {
      for (const { role, weight } of call.weights) {
        const key = `weight/${role}`;
        const isKept = (value: unknown): boolean => (value as { readonly weight: number }).weight === weight;
        told(key, disk.has(key) && disk.some(key, isKept));
      }
    }
  }

  #registry(key: string, world: WorldView, report: Report): void {
    if (world.disk('master')?.has(key) === false) report(`${key} is told before it is in the registry (D3)`);
  }

  #forgets(node: string, { nowMs }: WorldView): void {
    this.#forgettingUntilMs.set(node, nowMs + underwayMs);
  }
}

interface Amounts {
  readonly [name: string]: number;
}

/** In thousandths, as they are counted. */
function isSame(a: Amounts, b: Amounts): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every(name => Math.round((a[name] ?? 0) * 1000) === Math.round((b[name] ?? -1) * 1000));
}

/** States of tasks that an agent has. */
const told: ReadonlySet<TaskState> = new Set([
  'TASK_STARTING',
  'TASK_RUNNING',
  'TASK_KILLING',
  'TASK_FINISHED',
  'TASK_FAILED',
]);

/** The longest that partitions and delays keep a message. */
const underwayMs = 200_000;
