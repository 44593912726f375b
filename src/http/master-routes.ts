// The master's routes: its views as JSON with filters, the event feed, and the operator's calls.
import type { Problem } from '../base/errors.js';
import { problem, problemsError, ProfferError, shown } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import type {
  AgentView,
  FrameworkView,
  HealthView,
  OfferView,
  OperatorCall,
  RoleView,
  StateView,
  TaskView,
} from '../protocol/operator-api.js';
import { isTerminal, taskStates } from '../protocol/task-state.js';
import type { EventFeeds } from './feed.js';
import type { PrometheusMetrics } from './metrics-page.js';
import type { HttpAnswer, Query, QuerySpec, Route } from './route.js';
import { json } from './route.js';

/** What the routes need of the master. */
export interface MasterSource {
  health(): HealthView;
  state(): StateView;
  agents(): readonly AgentView[];
  /** Connected, disconnected and recovered ones, then completed ones. */
  frameworks(): readonly FrameworkView[];
  roles(): readonly RoleView[];
  /** Live ones, then ended ones. */
  tasks(): readonly TaskView[];
  offers(): readonly OfferView[];
  operate(call: OperatorCall, answer: (problems: readonly Problem[]) => void): void;
}

const page: QuerySpec = { limit: 'count', offset: 'count' };
const agentStates = ['REGISTERED', 'DISCONNECTED', 'UNREACHABLE', 'GONE', 'REMOVED'];
const frameworkStates = ['ACTIVE', 'DISCONNECTED', 'RECOVERED', 'COMPLETED'];

/** All of the master's routes. */
export function masterRoutes(master: MasterSource, feeds: EventFeeds, metrics: PrometheusMetrics): readonly Route[] {
  return [
    { method: 'GET', path: '/health', handle: () => health(master) },
    { method: 'GET', path: '/state', handle: () => json(master.state()) },
    { method: 'GET', path: '/metrics', handle: () => metrics.answer() },
    { method: 'GET', path: '/events', handle: () => feeds.answer() },
    {
      method: 'GET',
      path: '/agents',
      query: { ...page, state: agentStates, hostname: 'texts' },
      handle: ({ query }) =>
        list(query, master.agents(), [
          [query.texts('state'), agent => agent.liveness],
          [query.texts('hostname'), agent => agent.hostname],
        ]),
    },
    {
      method: 'GET',
      path: '/frameworks',
      query: { ...page, state: frameworkStates, name: 'texts', role: 'texts' },
      handle: ({ query }) =>
        list(query, master.frameworks(), [
          [query.texts('state'), framework => framework.state],
          [query.texts('name'), framework => framework.name],
          [query.texts('role'), framework => framework.roles],
        ]),
    },
    {
      method: 'GET',
      path: '/roles',
      query: { ...page, role: 'texts' },
      handle: ({ query }) => list(query, master.roles(), [[query.texts('role'), role => role.name]]),
    },
    {
      method: 'GET',
      path: '/offers',
      query: { ...page, framework: 'texts', agent: 'texts', role: 'texts' },
      handle: ({ query }) =>
        list(query, master.offers(), [
          [query.texts('framework'), offer => [offer.frameworkId, offer.frameworkName]],
          [query.texts('agent'), offer => offer.agentId],
          [query.texts('role'), offer => offer.role],
        ]),
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
      handle: ({ query }) => tasks(query, master.tasks()),
    },
    {
      method: 'GET',
      path: '/tasks/:taskId',
      query: { framework: 'text' },
      handle: ({ params, query }) => json(oneTask(master.tasks(), params['taskId'] ?? '', query.text('framework'))),
    },
    { method: 'POST', path: '/kill', handle: ({ body }) => operate(master, killCall(body)) },
    { method: 'POST', path: '/teardown', handle: ({ body }) => operate(master, teardownCall(body)) },
  ];
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

function operate(master: MasterSource, call: OperatorCall): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    master.operate(call, problems => {
      if (problems.length === 0) resolve({ type: 'JSON', status: 202, body: { accepted: true } });
      else reject(problemsError(problems));
    });
  });
}

function killCall(body: unknown): OperatorCall {
  const fields = bodyFields(body, { taskId: 'text', frameworkId: 'text?', gracePeriodMs: 'count?' });
  return { type: 'KILL', ...fields } as OperatorCall;
}

function teardownCall(body: unknown): OperatorCall {
  return { type: 'TEARDOWN', ...bodyFields(body, { frameworkId: 'text' }) } as OperatorCall;
}

type FieldKind = 'text' | 'text?' | 'count?';

/** The fields of a call, checked; every violation at once. */
function bodyFields(body: unknown, spec: { readonly [name: string]: FieldKind }): { readonly [name: string]: unknown } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    const example = JSON.stringify(
      Object.fromEntries(
        Object.keys(spec)
          .slice(0, 1)
          .map(name => [name, '…']),
      ),
    );
    throw new ProfferError('INVALID_CALL', `the body is ${shown(body)}, not an object`, {
      path: 'body',
      hint: `send ${example}`,
    });
  }
  const problems: Problem[] = [];
  for (const name of Object.keys(body)) {
    if (!Object.hasOwn(spec, name)) {
      const names = Object.keys(spec);
      problems.push(
        problem(
          `body.${name.slice(0, 64)}`,
          'INVALID_CALL',
          'this field is unknown',
          didYouMean(name, names) ?? `known: ${names.join(', ')}`,
        ),
      );
    }
  }
  for (const [name, kind] of Object.entries(spec)) {
    const value = (body as Record<string, unknown>)[name];
    if (value === undefined && kind.endsWith('?')) continue;
    const fine =
      kind === 'count?'
        ? Number.isSafeInteger(value) && (value as number) >= 0
        : typeof value === 'string' && value !== '';
    if (!fine) {
      const due = kind === 'count?' ? 'a whole number from 0' : 'a text that is not empty';
      problems.push(
        problem(
          `body.${name}`,
          'INVALID_CALL',
          value === undefined ? `is missing; it must be ${due}` : `${shown(value)} is not ${due}`,
        ),
      );
    }
  }
  if (problems.length > 0) throw problemsError(problems);
  return body as { readonly [name: string]: unknown };
}
