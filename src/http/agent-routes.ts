// The agent's routes: its state, and the sandboxes of its tasks.
import { ProfferError, shown } from '../base/errors.js';
import type { Clock } from '../env/clock.js';
import type { PrometheusMetrics } from './metrics-page.js';
import type { HttpAnswer, HttpRequest, Query, Route } from './route.js';
import { json } from './route.js';
import { openInSandbox, readFrom } from './sandbox-files.js';

/** Where a task's files are. */
export interface TaskSandbox {
  readonly frameworkId: string;
  readonly path: string;
  /** Whether the task has ended; asked again while a file is followed. */
  readonly ended: () => boolean;
}

/** What the routes need of the agent. */
export interface AgentSource {
  health(): object;
  state(): object;
  containers(): object;
  /** Sandboxes of the tasks with this id, one per framework; running and ended ones. */
  sandboxes(taskId: string): readonly TaskSandbox[];
}

/** How often a followed file is looked at. */
const followIntervalMs = 100;

/** All of the agent's routes. */
export function agentRoutes(agent: AgentSource, clock: Clock, metrics: PrometheusMetrics): readonly Route[] {
  const files = {
    method: 'GET',
    query: { framework: 'text', offset: 'offset', length: 'count', follow: 'flag' },
    handle: (request: HttpRequest) => file(agent, clock, request),
  } as const;
  return [
    { method: 'GET', path: '/health', handle: () => json(agent.health()) },
    { method: 'GET', path: '/state', handle: () => json(agent.state()) },
    { method: 'GET', path: '/containers', handle: () => json(agent.containers()) },
    { method: 'GET', path: '/metrics', handle: () => metrics.answer() },
    { ...files, path: '/tasks/:taskId/files' },
    { ...files, path: '/tasks/:taskId/files/*' },
  ];
}

async function file(agent: AgentSource, clock: Clock, { params, query }: HttpRequest): Promise<HttpAnswer> {
  const sandbox = sandboxOf(agent, params['taskId'] ?? '', query.text('framework'));
  const item = await openInSandbox(sandbox.path, params['*'] ?? '');
  if (item.type === 'DIRECTORY') {
    try {
      return json(await item.list());
    } finally {
      await item.handle.close();
    }
  }
  const offset = startOf(query, item.sizeBytes);
  const follow = query.flag('follow') === true ? { ended: sandbox.ended, wait: () => pause(clock) } : undefined;
  // Without follow: up to the end as it is now, so that the length is known.
  const length = Math.min(
    query.count('length') ?? Number.MAX_SAFE_INTEGER,
    follow === undefined ? Math.max(0, item.sizeBytes - offset) : Number.MAX_SAFE_INTEGER,
  );
  return {
    type: 'BYTES',
    // Whatever a task printed is text to a browser, never a page.
    contentType: 'text/plain; charset=utf-8',
    headers: { 'x-file-bytes': String(item.sizeBytes), 'x-file-offset': String(offset) },
    chunks: readFrom(item.handle, offset, length, follow),
  };
}

function startOf(query: Query, sizeBytes: number): number {
  const offset = query.count('offset') ?? 0;
  return offset < 0 ? Math.max(0, sizeBytes + offset) : offset;
}

function pause(clock: Clock): Promise<void> {
  return new Promise(resolve => {
    clock.after(followIntervalMs, resolve);
  });
}

function sandboxOf(agent: AgentSource, taskId: string, frameworkId: string | undefined): TaskSandbox {
  const found = agent
    .sandboxes(taskId)
    .filter(sandbox => frameworkId === undefined || sandbox.frameworkId === frameworkId);
  const [sandbox, second] = found;
  if (sandbox === undefined) {
    throw new ProfferError('UNKNOWN_TASK', `this agent has no task ${shown(taskId)}`, {
      path: 'taskId',
      hint: 'the master’s GET /tasks says which agent has it',
    });
  }
  if (second !== undefined) {
    throw new ProfferError('AMBIGUOUS_TASK', `several frameworks have a task ${shown(taskId)} here`, {
      path: 'taskId',
      hint: 'add ?framework=ID',
    });
  }
  return sandbox;
}
