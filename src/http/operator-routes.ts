// The routes of operators' calls: one POST for each. In: JSON bodies. Out: calls to the master, its answers.
import { problem, problemsError, ProfferError, shown } from '../base/errors.js';
import type { OperatorDesk } from '../master/views.js';
import type { AcceptedView, OperatorCall } from '../protocol/operator-api.js';
import { validateOperatorCall } from '../protocol/validate.js';
import type { HttpAnswer, Route } from './route.js';

/** Where a call goes, and a body for hints. */
interface CallRoute<Type extends OperatorCall['type']> {
  readonly path: string;
  /** 200: done when it is answered; 202: under way. */
  readonly status: 200 | 202;
  readonly example: Omit<Extract<OperatorCall, { type: Type }>, 'type'>;
}

const reservation = { role: 'ads' };
const resources = { cpus: 2, mem: 1024 };
const reserved = { 'cpus(ads,dynamic)': 2, 'mem(ads,dynamic)': 1024 };
const agentId = 'A-S0';
const volume = { agentId, role: 'ads', volumeId: 'db-0', disk: 512 };
const window = { hostnames: ['node-1'], unavailability: { startMs: 4_102_444_800_000, durationMs: 3_600_000 } };

/** Every call of an operator. */
export const operatorCalls: { readonly [Type in OperatorCall['type']]: CallRoute<Type> } = {
  KILL: { path: '/kill', status: 202, example: { taskId: 'web.1' } },
  TEARDOWN: { path: '/teardown', status: 202, example: { frameworkId: 'F-0001' } },
  UPDATE_QUOTA: {
    path: '/quota',
    status: 200,
    example: { quotas: [{ role: 'ads', limits: { cpus: 10, mem: 20_480 } }] },
  },
  UPDATE_WEIGHTS: { path: '/weights', status: 200, example: { weights: [{ role: 'ads', weight: 2 }] } },
  RESERVE: { path: '/reserve', status: 202, example: { agentId, resources, reservation } },
  UNRESERVE: { path: '/unreserve', status: 202, example: { agentId, resources: reserved } },
  CREATE_VOLUMES: {
    path: '/volumes/create',
    status: 202,
    example: { agentId, role: 'ads', volumes: [{ id: 'db-0', disk: 1024, containerPath: 'data' }] },
  },
  DESTROY_VOLUMES: {
    path: '/volumes/destroy',
    status: 202,
    example: { agentId, role: 'ads', volumeIds: ['db-0'] },
  },
  GROW_VOLUME: { path: '/volumes/grow', status: 202, example: volume },
  SHRINK_VOLUME: { path: '/volumes/shrink', status: 202, example: volume },
  UPDATE_MAINTENANCE: { path: '/maintenance', status: 200, example: { windows: [window] } },
  START_MAINTENANCE: { path: '/maintenance/start', status: 202, example: { hostnames: ['node-1'] } },
  STOP_MAINTENANCE: { path: '/maintenance/stop', status: 200, example: { hostnames: ['node-1'] } },
  DRAIN_AGENT: { path: '/drain', status: 202, example: { agentId, gracePeriodMs: 30_000 } },
  DEACTIVATE_AGENT: { path: '/deactivate', status: 200, example: { agentId } },
  REACTIVATE_AGENT: { path: '/reactivate', status: 200, example: { agentId } },
  MARK_AGENT_GONE: { path: '/gone', status: 202, example: { agentId } },
};

/** The routes of all of them. */
export function operatorRoutes(desk: OperatorDesk): Route[] {
  return (Object.keys(operatorCalls) as OperatorCall['type'][]).map(type => ({
    method: 'POST',
    path: operatorCalls[type].path,
    handle: ({ body }) => operate(desk, callOf(type, body), operatorCalls[type].status),
  }));
}

function operate(desk: OperatorDesk, call: OperatorCall, status: number): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    desk.operate(call, (problems, operation) => {
      const body: AcceptedView = operation === undefined ? { accepted: true } : { accepted: true, operation };
      if (problems.length === 0) resolve({ type: 'JSON', status, body });
      else reject(problemsError(problems));
    });
  });
}

/** The call of this path; the body may leave its `type` out. */
function callOf(type: OperatorCall['type'], body: unknown): OperatorCall {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    const what = body === undefined || body === null ? 'is missing' : `${shown(body)} is not an object`;
    const hint = `send content-type: application/json and for example ${JSON.stringify(operatorCalls[type].example)}`;
    throw problemsError([problem('body', 'INVALID_CALL', what, hint)]);
  }
  const checked = validateOperatorCall({ type, ...body });
  if (!checked.ok) throw problemsError(checked.problems);
  if (checked.value.type === type) return checked.value;
  throw new ProfferError('INVALID_CALL', `${shown(checked.value.type)} is not possible here`, {
    path: 'type',
    hint: `leave it out, or send ${type}`,
  });
}
