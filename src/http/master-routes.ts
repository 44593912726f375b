// The master's routes: its views as JSON with filters, the event feed; operators' calls are in operator-routes.
import { ProfferError, shown } from '../base/errors.js';
import type { MasterViews, OperatorDesk } from '../master/views.js';
import type { AgentActivity, FrameworkView, HealthView, OperationView, TaskView } from '../protocol/operator-api.js';
import { operationStates } from '../protocol/entities.js';
import { isTerminal, taskStates } from '../protocol/task-state.js';
import { explainRoute } from './explain-route.js';
import type { EventFeeds } from './feed.js';
import type { PrometheusMetrics } from './metrics-page.js';
import { operatorRoutes } from './operator-routes.js';
import type { HttpAnswer, Query, QuerySpec, Route } from './route.js';
import { json } from './route.js';

/** What the routes need of the master. */
export interface MasterSource extends OperatorDesk {
  readonly views: MasterViews;
  health(): HealthView;
  /** Brings gauges up to date before the page is made. */
  refreshMetrics(): void;
}

const page: QuerySpec = { limit: 'count', offset: 'count' };
const agentStates = ['REGISTERED', 'DISCONNECTED', 'UNREACHABLE', 'GONE', 'REMOVED'];
const activities: readonly AgentActivity[] = ['ACTIVE', 'DEACTIVATED', 'DRAINING', 'DRAINED'];
const frameworkStates = ['ACTIVE', 'DISCONNECTED', 'RECOVERED', 'COMPLETED'];

/** All of the master's routes. */
export function masterRoutes(master: MasterSource, feeds: EventFeeds, metrics: PrometheusMetrics): readonly Route[] {
  return [
    { method: 'GET', path: '/health', handle: () => health(master) },
    { method: 'GET', path: '/state', handle: () => json(master.views.state()) },
    {
      method: 'GET',
      path: '/metrics',
      handle: () => {
        master.refreshMetrics();
        return metrics.answer();
      },
    },
    { method: 'GET', path: '/events', handle: () => feeds.answer() },
    {
      method: 'GET',
      path: '/agents',
      query: { ...page, state: agentStates, activity: activities, hostname: 'texts' },
      handle: ({ query }) =>
        list(query, master.views.agents(), [
          [query.texts('state'), agent => agent.liveness],
          [query.texts('activity'), agent => agent.activity],
          [query.texts('hostname'), agent => agent.hostname],
        ]),
    },
    {
      method: 'GET',
      path: '/frameworks',
      query: { ...page, state: frameworkStates, name: 'texts', role: 'texts' },
      handle: ({ query }) =>
        list(query, allFrameworks(master.views), [
          [query.texts('state'), framework => framework.state],
          [query.texts('name'), framework => [framework.id, framework.name]],
          [query.texts('role'), framework => framework.roles],
        ]),
    },
    {
      method: 'GET',
      path: '/roles',
      query: { ...page, role: 'texts' },
      handle: ({ query }) => list(query, master.views.roles(), [[query.texts('role'), role => role.name]]),
    },
    {
      method: 'GET',
      path: '/offers',
      query: { ...page, framework: 'texts', agent: 'texts', role: 'texts' },
      handle: ({ query }) =>
        list(query, master.views.offers(), [
          [query.texts('framework'), offer => [offer.frameworkId, offer.frameworkName]],
          [query.texts('agent'), offer => offer.agentId],
          [query.texts('role'), offer => offer.role],
        ]),
    },
    {
      method: 'GET',
      path: '/operations',
      query: { ...page, agent: 'texts', state: operationStates },
      handle: ({ query }) =>
        list(query, master.views.operations(), [
          [query.texts('agent'), operation => operation.agentId],
          [query.texts('state'), operation => operation.state],
        ]),
    },
    {
      method: 'GET',
      path: '/operations/:uuid',
      handle: ({ params }) => json(oneOperation(master.views, params['uuid'] ?? '')),
    },
    {
      method: 'GET',
      path: '/tasks',
      query: {
        ...page,
        framework: 'texts',
        agent: 'texts',
        role: 'texts',
        state: taskStates,
        ended: 'flag',
        prefix: 'text',
      },
      handle: ({ query }) => tasks(query, allTasks(master.views)),
    },
    {
      method: 'GET',
      path: '/tasks/:taskId',
      query: { framework: 'text' },
      handle: ({ params, query }) =>
        json(oneTask(allTasks(master.views), params['taskId'] ?? '', query.text('framework'))),
    },
    {
      method: 'GET',
      path: '/quota',
      query: { ...page, role: 'texts' },
      handle: ({ query }) => list(query, master.views.quota(), [[query.texts('role'), quota => quota.role]]),
    },
    {
      method: 'GET',
      path: '/weights',
      query: { ...page, role: 'texts' },
      handle: ({ query }) => list(query, master.views.weights(), [[query.texts('role'), weight => weight.role]]),
    },
    { method: 'GET', path: '/maintenance', handle: () => json(master.views.maintenance()) },
    explainRoute(() => master.views),
    ...operatorRoutes(master),
  ];
}

function allFrameworks(views: MasterViews): readonly FrameworkView[] {
  return [...views.frameworks(), ...views.completedFrameworks()];
}

/** Live ones, then ended ones. */
function allTasks(views: MasterViews): readonly TaskView[] {
  return [...views.tasks(), ...views.completedTasks()];
}

function health(master: MasterSource): HttpAnswer {
  const view = master.health();
  return { type: 'JSON', status: view.healthy ? 200 : 503, body: view };
}

type Filter<T> = readonly [wanted: readonly string[] | undefined, of: (item: T) => string | readonly string[]];

/** The part of `items` asked for; how many there were before the page was cut is in `x-total-count`. */
function list<T>(query: Query, items: readonly T[], filters: readonly Filter<T>[]): HttpAnswer {
  const asked = filters.filter(([wanted]) => wanted !== undefined);
  const found =
    asked.length === 0 ? items : items.filter(item => asked.every(([wanted, of]) => matches(wanted ?? [], of(item))));
  const offset = query.count('offset') ?? 0;
  const limit = query.count('limit');
  const cut =
    offset === 0 && limit === undefined ? found : found.slice(offset, limit === undefined ? undefined : offset + limit);
  return json(cut, { 'x-total-count': String(found.length) });
}

function matches(wanted: readonly string[], value: string | readonly string[]): boolean {
  return typeof value === 'string' ? wanted.includes(value) : value.some(one => wanted.includes(one));
}

function tasks(query: Query, all: readonly TaskView[]): HttpAnswer {
  const prefix = query.text('prefix') ?? '';
  const ended = query.flag('ended');
  const some =
    prefix === '' && ended === undefined
      ? all
      : all.filter(task => task.id.startsWith(prefix) && (ended === undefined || isTerminal(task.state) === ended));
  return list(query, some, [
    [query.texts('framework'), task => [task.frameworkId, task.frameworkName]],
    [query.texts('agent'), task => task.agentId],
    [query.texts('role'), task => task.role],
    [query.texts('state'), task => task.state],
  ]);
}

function oneOperation(views: MasterViews, uuid: string): OperationView {
  const found = views.operations().find(operation => operation.uuid === uuid);
  if (found !== undefined) return found;
  throw new ProfferError('NOT_FOUND', `no operation of an operator has the uuid ${shown(uuid)}`, {
    path: 'uuid',
    hint: 'GET /operations lists them; of those that have ended only the last are known, and none that ended under an earlier master',
  });
}

function oneTask(all: readonly TaskView[], id: string, framework: string | undefined): TaskView {
  const found = all.filter(
    task =>
      task.id === id && (framework === undefined || framework === task.frameworkId || framework === task.frameworkName),
  );
  const [task, second] = found;
  if (task === undefined) {
    throw new ProfferError('UNKNOWN_TASK', `no task has the id ${shown(id)}`, {
      path: 'taskId',
      hint: 'GET /tasks lists them; the oldest ended tasks are forgotten',
    });
  }
  if (second !== undefined) {
    const frameworks = found.map(one => one.frameworkId).join(', ');
    throw new ProfferError('AMBIGUOUS_TASK', `several frameworks have a task ${shown(id)}: ${frameworks}`, {
      path: 'taskId',
      hint: 'add ?framework=ID',
    });
  }
  return task;
}
