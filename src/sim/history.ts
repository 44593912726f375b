// What happened in a world, in one total order: what checkers look at and what the journal says. In: taps at sessions, hosts and faults.
// Out: events to checkers, each also as one dense line.
import type { TakenBack } from '../allocator/model.js';
import { assertNever } from '../base/assert.js';
import type { Problem } from '../base/errors.js';
import type { AgentId } from '../base/ids.js';
import type { ContainerExit } from '../containerizer/containerizer.js';
import type { AgentCall, AgentEvent } from '../protocol/agent-api.js';
import type { ValidatedSchedulerCall } from '../protocol/checked.js';
import { tasksOf } from '../protocol/operations.js';
import type { OperationStatus } from '../protocol/entities.js';
import type { OperatorCall } from '../protocol/operator-api.js';
import type { SchedulerCall, SchedulerEvent } from '../protocol/scheduler-api.js';
import type { LiveContainer } from './containers.js';
import type { ExecutorTask } from './executor-program.js';

/** Identifies a session at the master: one for each connection of a framework or an agent. */
export type SessionId = number;

/** One thing that happened. `node` is the scheduler, agent or host concerned. */
export type HistoryEvent =
  /** Sessions as the master sees them. */
  | {
      readonly type: 'SESSION';
      readonly kind: 'SCHEDULER' | 'AGENT';
      readonly session: SessionId;
      readonly node: string;
      readonly open: boolean;
    }
  /** The master takes a call: told before it acts on it. */
  | {
      readonly type: 'SCHEDULER_CALL';
      readonly session: SessionId;
      readonly node: string;
      readonly call: ValidatedSchedulerCall;
    }
  | { readonly type: 'AGENT_CALL'; readonly session: SessionId; readonly node: string; readonly call: AgentCall }
  /** The master says something. */
  | {
      readonly type: 'SCHEDULER_EVENT';
      readonly session: SessionId;
      readonly node: string;
      readonly event: SchedulerEvent;
    }
  | { readonly type: 'AGENT_EVENT'; readonly session: SessionId; readonly node: string; readonly event: AgentEvent }
  /** A message that did not pass validation reached the master. */
  | { readonly type: 'INVALID'; readonly session: SessionId; readonly node: string; readonly paths: readonly string[] }
  /** The master takes an operator's call: told before it acts on it; and answers. */
  | { readonly type: 'OPERATOR_CALL'; readonly node: string; readonly call: OperatorCall }
  | {
      readonly type: 'OPERATOR_ANSWER';
      readonly node: string;
      readonly call: OperatorCall;
      readonly problems: readonly Problem[];
    }
  /** A scheduler hears an event of the master, before it acts on it; or sends a call. */
  | { readonly type: 'HEARD'; readonly node: string; readonly event: SchedulerEvent }
  | { readonly type: 'SAID'; readonly node: string; readonly call: SchedulerCall }
  /** What is true on a host, whatever messages claim. */
  | { readonly type: 'CONTAINER_STARTED'; readonly node: string; readonly container: LiveContainer }
  | {
      readonly type: 'CONTAINER_ENDED';
      readonly node: string;
      readonly container: LiveContainer;
      readonly exit: ContainerExit;
    }
  /** And inside an executor. */
  | {
      readonly type: 'EXECUTOR_TASK_STARTED' | 'EXECUTOR_TASK_ENDED';
      readonly node: string;
      readonly task: ExecutorTask;
    }
  /** A process of a node starts or ends. */
  | { readonly type: 'PROCESS'; readonly node: string; readonly kind: NodeKind; readonly up: boolean }
  /** A master ends by itself: it cannot write, or does not lead any more. */
  | { readonly type: 'STEPS_DOWN'; readonly node: string; readonly why: string }
  /** The registry is copied as it is now; or the newest copy takes its place. */
  | { readonly type: 'REGISTRY'; readonly node: string; readonly what: 'COPIED' | 'RESTORED' }
  /** A master that another has followed does something all the same. */
  | { readonly type: 'STALE'; readonly node: string; readonly what: string }
  /** An agent or a scheduler takes a master for the one that leads: told when it first says something that counts. */
  | { readonly type: 'FOLLOWS'; readonly node: string; readonly epoch: number }
  /** An agent has been registered, and goes by its id from now on. */
  | { readonly type: 'GOES_BY'; readonly node: string; readonly agentId: AgentId }
  /** The allocator wants offers back for clients that wait. */
  | { readonly type: 'TAKES_BACK'; readonly node: string; readonly offers: readonly TakenBack[] }
  /** A machine lost its power: all that ran there is gone. */
  | { readonly type: 'REBOOT'; readonly node: string }
  /** A fault begins (or, with `healed`, ends). */
  | { readonly type: 'FAULT'; readonly node: string; readonly fault: string; readonly healed: boolean };

export type NodeKind = 'MASTER' | 'AGENT' | 'SCHEDULER';

/** The line of an event: who talks to whom, and what matters of it. Columns are those of the journal. */
export function lineOf(event: HistoryEvent): string {
  switch (event.type) {
    case 'SESSION':
      return `session ${event.session} ${event.kind === 'AGENT' ? 'agent' : 'scheduler'} ${event.open ? 'open' : 'end'}`;
    case 'SCHEDULER_CALL':
      return `>M ${callLine(event.call)}`;
    case 'AGENT_CALL':
      return `>M ${agentCallLine(event.call)}`;
    case 'SCHEDULER_EVENT':
      return `<M ${eventLine(event.event)}`;
    case 'AGENT_EVENT':
      return `<M ${agentEventLine(event.event)}`;
    case 'INVALID':
      return `>M invalid ${event.paths.join(',')}`;
    case 'OPERATOR_CALL':
      return `>M ${JSON.stringify(event.call)}`;
    case 'OPERATOR_ANSWER':
      return `<M ${event.call.type} ${event.problems.map(each => each.code).join(',') || 'ok'}`;
    case 'HEARD':
      return `hears ${eventLine(event.event)}`;
    case 'SAID':
      return `says ${callLine(event.call)}`;
    case 'CONTAINER_STARTED':
      return `container ${event.container.spec.name} started`;
    case 'CONTAINER_ENDED':
      return `container ${event.container.spec.name} ended ${event.exit.signal ?? event.exit.exitCode ?? ''}${event.exit.oomKilled ? ' oom' : ''}`;
    case 'EXECUTOR_TASK_STARTED':
      return `executor's task ${event.task.taskId} started`;
    case 'EXECUTOR_TASK_ENDED':
      return `executor's task ${event.task.taskId} ended`;
    case 'PROCESS':
      return event.up ? 'process up' : 'process down';
    case 'STEPS_DOWN':
      return `steps down: ${event.why}`;
    case 'REGISTRY':
      return `registry ${event.what.toLowerCase()}`;
    case 'STALE':
      return `stale: ${event.what}`;
    case 'FOLLOWS':
      return `follows the master of epoch ${event.epoch}`;
    case 'GOES_BY':
      return `goes by ${event.agentId}`;
    case 'TAKES_BACK':
      return `takes back ${event.offers.map(({ frameworkId, agentId, waiting }) => `${agentId} from ${frameworkId} for ${waiting.frameworkId}`).join(', ')}`;
    case 'REBOOT':
      return 'power lost';
    case 'FAULT':
      return `${event.healed ? 'healed' : 'fault'} ${event.fault}`;
    default:
      return assertNever(event, 'history event');
  }
}

function callLine(call: SchedulerCall): string {
  switch (call.type) {
    case 'SUBSCRIBE':
      return `SUBSCRIBE ${call.framework.name} ${call.framework.id ?? 'new'} ${call.framework.roles.join(',')}`;
    case 'ACCEPT':
      return `ACCEPT ${call.offerIds.join(',')} ${call.operations
        .map(
          o =>
            `${o.type}[${tasksOf(o)
              .map(task => task.taskId)
              .join(',')}]`,
        )
        .join(' ')}`;
    case 'DECLINE':
      return `DECLINE ${call.offerIds.join(',')} ${call.filters?.refuseMs ?? ''}`;
    case 'REVIVE':
    case 'SUPPRESS':
      return `${call.type} ${call.roles?.join(',') ?? 'all'}`;
    case 'KILL':
      return `KILL ${call.taskId}`;
    case 'ACKNOWLEDGE':
      return `ACKNOWLEDGE ${call.taskId} ${call.uuid}`;
    case 'RECONCILE':
      return `RECONCILE ${call.tasks.length === 0 ? 'all' : call.tasks.length}`;
    case 'ACCEPT_INVERSE_OFFERS':
    case 'DECLINE_INVERSE_OFFERS':
      return `${call.type} ${call.inverseOfferIds.join(',')}`;
    case 'ACKNOWLEDGE_OPERATION':
      return `ACKNOWLEDGE_OPERATION ${call.operationId} ${call.uuid}`;
    case 'RECONCILE_OPERATIONS':
      return `RECONCILE_OPERATIONS ${call.operations.length === 0 ? 'all' : call.operations.length}`;
    case 'TEARDOWN':
    case 'SHUTDOWN':
    case 'MESSAGE':
    case 'REQUEST':
    case 'UPDATE_FRAMEWORK':
      return call.type;
    default:
      return assertNever(call, 'call');
  }
}

function eventLine(event: SchedulerEvent): string {
  switch (event.type) {
    case 'SUBSCRIBED':
      return `SUBSCRIBED ${event.frameworkId}`;
    case 'OFFERS':
      return `OFFERS ${event.offers.map(offer => `${offer.id}@${offer.agentId}`).join(',')}`;
    case 'RESCIND':
      return `RESCIND ${event.offerIds.join(',')} ${event.why}`;
    case 'UPDATE': {
      const { taskId, state, reason, uuid } = event.status;
      return `UPDATE ${taskId} ${state} ${reason ?? '-'} ${uuid ?? '-'}`;
    }
    case 'INVERSE_OFFERS':
      return `INVERSE_OFFERS ${event.inverseOffers.map(offer => `${offer.id}@${offer.agentId}`).join(',')}`;
    case 'RESCIND_INVERSE_OFFERS':
      return `RESCIND_INVERSE_OFFERS ${event.inverseOfferIds.join(',')}`;
    case 'UPDATE_OPERATION':
      return `UPDATE_OPERATION ${operationText(event.status)}`;
    case 'FAILURE':
      return `FAILURE ${event.agentId} ${event.executorId ?? ''}`;
    case 'ERROR':
      return `ERROR ${event.problems.map(problem => problem.code).join(',')}${event.fatal ? ' fatal' : ''}`;
    case 'ANSWERED':
      return `ANSWERED ${event.callId} ${event.problems.map(problem => problem.code).join(',')}`;
    case 'MESSAGE':
    case 'HEARTBEAT':
      return event.type;
    default:
      return assertNever(event, 'event');
  }
}

function agentCallLine(call: AgentCall): string {
  switch (call.type) {
    case 'REGISTER':
      return `REGISTER ${call.agentId ?? 'new'} [${call.tasks.map(({ task, state }) => `${task.taskId}:${state}`).join(',')}]${call.part === undefined ? '' : ` part ${call.part}`}${call.more ? ' more' : ''}`;
    case 'STATUS_UPDATE':
      return `STATUS_UPDATE ${call.status.taskId} ${call.status.state} ${call.status.uuid ?? '-'} latest ${call.latestState}`;
    case 'EXECUTOR_EXITED':
      return `EXECUTOR_EXITED ${call.executorId} ${call.status}`;
    case 'OPERATION_STATUS':
      return `OPERATION_STATUS ${operationText(call.status)}`;
    case 'UPDATE_RESOURCES':
      return `UPDATE_RESOURCES ${Object.keys(call.resources).join(',')}`;
    case 'UNREGISTER':
    case 'PONG':
    case 'MESSAGE':
      return call.type;
    default:
      return assertNever(call, 'agent call');
  }
}

function agentEventLine(event: AgentEvent): string {
  switch (event.type) {
    case 'REGISTERED':
      return `REGISTERED ${event.agentId} reconcile ${event.reconcile.map(task => task.taskId).join(',')}`;
    case 'REFUSED':
      return `REFUSED ${event.problems.map(problem => problem.code).join(',')}`;
    case 'LAUNCH':
      return `LAUNCH ${event.tasks.map(task => task.taskId).join(',')}`;
    case 'KILL':
      return `KILL ${event.taskId}`;
    case 'ACKNOWLEDGE':
      return `ACKNOWLEDGE ${event.taskId} ${event.uuid}`;
    case 'SHUTDOWN_FRAMEWORK':
    case 'UPDATE_FRAMEWORK':
      return `${event.type} ${event.type === 'UPDATE_FRAMEWORK' ? event.framework.name : event.frameworkId}`;
    case 'APPLY_OPERATION':
      return `APPLY_OPERATION ${event.kind} ${event.operationId ?? '-'} ${event.uuid} ${Object.keys(event.consumed).join('+')} to ${Object.keys(event.produced).join('+')}`;
    case 'ACKNOWLEDGE_OPERATION':
      return `ACKNOWLEDGE_OPERATION ${event.uuid}`;
    case 'DRAIN':
      return `DRAIN ${event.gracePeriodMs ?? ''}`;
    case 'SHUTDOWN_EXECUTOR':
      return `SHUTDOWN_EXECUTOR ${event.executorId}`;
    case 'PING':
    case 'MESSAGE':
    case 'SHUTDOWN':
      return event.type;
    default:
      return assertNever(event, 'agent event');
  }
}

function operationText({ operationId, state, uuid }: OperationStatus): string {
  return `${operationId ?? '-'} ${state} ${uuid ?? '-'}`;
}
