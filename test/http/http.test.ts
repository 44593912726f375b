// The HTTP surface as clients meet it: the master's views and calls, the event feed, and every kind of bad request.
import { connect } from 'node:net';
import test from 'ava';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { problem, ProfferError } from '../../src/base/errors.js';
import { silentLogger } from '../../src/env/log.js';
import { systemClock } from '../../src/env/system-clock.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { EventFeeds } from '../../src/http/feed.js';
import type { MasterSource } from '../../src/http/master-routes.js';
import { masterRoutes } from '../../src/http/master-routes.js';
import { PrometheusMetrics } from '../../src/http/metrics-page.js';
import type { FeedSink } from '../../src/http/route.js';
import type { HttpServer } from '../../src/http/server.js';
import { bodyBytesMax, httpApp, serveHttp } from '../../src/http/server.js';
import type {
  ClusterEvent,
  FrameworkView,
  OperationView,
  OperatorCall,
  StateView,
  TaskView,
} from '../../src/protocol/operator-api.js';

function taskView(id: string, more: Partial<TaskView> = {}): TaskView {
  return {
    id,
    name: id,
    frameworkId: 'm-0001',
    frameworkName: 'web',
    agentId: 'm-S0',
    hostname: 'localhost',
    agentPort: 5051,
    role: '*',
    state: 'TASK_RUNNING',
    resources: { cpus: 1 },
    labels: {},
    launchedAtMs: 0,
    statuses: [],
    ...more,
  };
}

const master = { id: 'm', hostname: 'localhost', port: 5050, version: '1' };
const live = [
  taskView('a.1'),
  taskView('a.2', { role: 'ads' }),
  taskView('same', { frameworkId: 'm-0002', frameworkName: 'jobs' }),
];
const ended = [taskView('old', { state: 'TASK_FINISHED' }), taskView('same', { state: 'TASK_FAILED' })];
const state = { master, agents: [], frameworks: [], tasks: live } as unknown as StateView;

/** A master of constant views that notes what operators ask and refuses unknown tasks. */
function source(more: { readonly subscribe?: MasterSource['views']['subscribe'] } = {}): {
  source: MasterSource;
  calls: OperatorCall[];
} {
  const calls: OperatorCall[] = [];
  const of = { type: 'RESERVE', consumed: { cpus: 1 }, produced: { 'cpus(ads,dynamic)': 1 }, askedAtMs: 1 } as const;
  const operations = [
    { ...of, uuid: 'm/1', agentId: 'm-S0', state: 'OPERATION_FAILED', message: 'no', endedAtMs: 2 },
    { ...of, uuid: 'm/2', agentId: 'm-S1', state: 'OPERATION_PENDING' },
  ] satisfies OperationView[];
  const framework = { id: 'm-0001', name: 'web', roles: ['*', 'ads'], state: 'ACTIVE' } as unknown as FrameworkView;
  return {
    calls,
    source: {
      views: {
        master,
        state: () => state,
        agents: () => [],
        frameworks: () => [framework],
        completedFrameworks: () => [{ ...framework, id: 'm-0000', state: 'COMPLETED' }],
        roles: () => [],
        tasks: () => live,
        completedTasks: () => ended,
        offers: () => [],
        operations: () => operations,
        quota: () => [],
        weights: () => [],
        maintenance: () => ({ windows: [], machines: [] }),
        explain: () => {
          throw new ProfferError('UNKNOWN_ROLE', 'nobody is in the role');
        },
        subscribe: more.subscribe ?? (() => () => {}),
      },
      health: () => ({ healthy: true, leader: true, master, uptimeMs: 1 }),
      refreshMetrics: () => {},
      operate: (call, answer) => {
        calls.push(call);
        answer(
          call.type === 'KILL' && call.taskId === 'nobody' ? [problem('taskId', 'UNKNOWN_TASK', 'no such task')] : [],
        );
      },
    },
  };
}

function app(given = source()): ReturnType<typeof httpApp> {
  const feeds = new EventFeeds(new VirtualClock(), listener => given.source.views.subscribe(listener));
  return httpApp({ routes: masterRoutes(given.source, feeds, new PrometheusMetrics()), log: silentLogger });
}

const host = { host: 'localhost:5050' };

interface Shape {
  code: string;
  message: string;
  path: string;
  hint?: string;
}

test('lists can be filtered and paged, and say how many there were', async t => {
  const server = app();
  const ids = async (url: string): Promise<string[]> => {
    const reply = await server.inject({ url, headers: host });
    t.is(reply.statusCode, 200, url);
    return reply.json<{ id: string }[]>().map(one => one.id);
  };
  t.deepEqual(await ids('/tasks'), ['a.1', 'a.2', 'same', 'old', 'same']);
  t.deepEqual(await ids('/tasks?ended=false'), ['a.1', 'a.2', 'same']);
  t.deepEqual(await ids('/tasks?state=TASK_FINISHED&state=TASK_FAILED'), ['old', 'same']);
  t.deepEqual(await ids('/tasks?framework=jobs'), ['same']);
  t.deepEqual(await ids('/tasks?prefix=a.&role=ads'), ['a.2']);
  t.deepEqual(await ids('/tasks?limit=2&offset=1'), ['a.2', 'same']);
  t.deepEqual(await ids('/frameworks'), ['m-0001', 'm-0000']);
  t.deepEqual(await ids('/frameworks?state=ACTIVE&role=ads'), ['m-0001']);
  t.is((await server.inject({ url: '/tasks?limit=1', headers: host })).headers['x-total-count'], '5');
});

test('operations of operators are listed, and each is found by its uuid', async t => {
  const server = app();
  const get = (url: string): Promise<LightMyRequestResponse> => server.inject({ url, headers: host });
  const uuids = async (url: string): Promise<string[]> => (await get(url)).json<OperationView[]>().map(one => one.uuid);
  t.deepEqual(await uuids('/operations'), ['m/1', 'm/2']);
  t.deepEqual(await uuids('/operations?agent=m-S1'), ['m/2']);
  t.deepEqual(await uuids('/operations?state=OPERATION_FAILED'), ['m/1']);
  t.like((await get('/operations/m%2F1')).json<OperationView>(), { state: 'OPERATION_FAILED', message: 'no' });
  const none = await get('/operations/m-O9');
  t.is(none.statusCode, 404);
  t.like(none.json<Shape>(), { code: 'NOT_FOUND', path: 'uuid' });
});

test('one task is found by its id, and two of that name have to be told apart', async t => {
  const server = app();
  const get = (url: string): Promise<LightMyRequestResponse> => server.inject({ url, headers: host });
  t.is((await get('/tasks/a.1')).json<TaskView>().id, 'a.1');
  const none = await get('/tasks/zzz');
  t.is(none.statusCode, 404);
  t.like(none.json<Shape>(), { code: 'UNKNOWN_TASK', path: 'taskId' });
  const both = await get('/tasks/same');
  t.is(both.statusCode, 409);
  t.is(both.json<Shape>().code, 'AMBIGUOUS_TASK');
  t.is((await get('/tasks/same?framework=m-0002')).json<TaskView>().state, 'TASK_RUNNING');
});

test('operator calls reach the master, and its problems come back', async t => {
  const given = source();
  const server = app(given);
  const post = (url: string, body: object | string): Promise<LightMyRequestResponse> =>
    server.inject({ method: 'POST', url, headers: { ...host, 'content-type': 'application/json' }, payload: body });
  t.is((await post('/kill', { taskId: 'a.1', gracePeriodMs: 10 })).statusCode, 202);
  t.is((await post('/teardown', { frameworkId: 'm-0001' })).statusCode, 202);
  t.deepEqual(given.calls, [
    { type: 'KILL', taskId: 'a.1', gracePeriodMs: 10 },
    { type: 'TEARDOWN', frameworkId: 'm-0001' },
  ]);
  const refused = await post('/kill', { taskId: 'nobody' });
  t.is(refused.statusCode, 404);
  t.like(refused.json<Shape>(), { code: 'UNKNOWN_TASK', path: 'taskId' });
});

test('every bad request gets one clear error, and never 500', async t => {
  const server = app();
  const json = { ...host, 'content-type': 'application/json' };
  const rows: readonly (readonly [what: string, request: InjectOptions, status: number, message: RegExp])[] = [
    ['bad JSON', { method: 'POST', url: '/kill', headers: json, payload: '{"taskId":\n oops}' }, 400, /body:2:2: /],
    ['deep JSON', { method: 'POST', url: '/kill', headers: json, payload: '['.repeat(100_000) }, 400, /deeper than 64/],
    [
      'a proto key',
      { method: 'POST', url: '/kill', headers: json, payload: '{"__proto__":{"taskId":"x"}}' },
      400,
      /__proto__/,
    ],
    [
      'a key twice',
      { method: 'POST', url: '/kill', headers: json, payload: '{"taskId":"a","taskId":"b"}' },
      400,
      /given twice/,
    ],
    ['no body', { method: 'POST', url: '/kill', headers: json }, 400, /^body: is missing$/],
    ['no body, no type', { method: 'POST', url: '/teardown', headers: host }, 400, /^body: is missing$/],
    ['an array', { method: 'POST', url: '/kill', headers: json, payload: '[]' }, 400, /^body: \[\] is not an object$/],
    ['null', { method: 'POST', url: '/kill', headers: json, payload: 'null' }, 400, /^body: is missing$/],
    ['an unknown field', { method: 'POST', url: '/kill', headers: json, payload: '{"taskid":"a"}' }, 400, /taskid/],
    ['a wrong type', { method: 'POST', url: '/kill', headers: json, payload: '{"taskId":7}' }, 400, /7/],
    [
      'another call',
      { method: 'POST', url: '/kill', headers: json, payload: '{"type":"TEARDOWN","frameworkId":"f"}' },
      400,
      /TEARDOWN/,
    ],
    [
      'not JSON',
      { method: 'POST', url: '/kill', headers: { ...host, 'content-type': 'text/xml' }, payload: '<a/>' },
      415,
      /not JSON/,
    ],
    [
      'a large body',
      { method: 'POST', url: '/kill', headers: json, payload: ' '.repeat(bodyBytesMax + 1) },
      413,
      /exceeds/,
    ],
    ['an unknown key', { url: '/tasks?framwork=x', headers: host }, 400, /framwork/],
    ['a bad number', { url: '/tasks?limit=-1', headers: host }, 400, /-1/],
    ['a bad state', { url: '/tasks?state=RUNNING', headers: host }, 400, /TASK_RUNNING/],
    ['a key twice', { url: '/tasks?limit=1&limit=2', headers: host }, 400, /twice/],
    ['a query where none is', { url: '/health?x', headers: host }, 400, /unknown/],
    ['a bad escape', { url: '/tasks/%zz', headers: host }, 400, /percent escape/],
    ['nothing there', { url: '/task', headers: host }, 404, /nothing is at/],
    ['a slash too many', { url: '//tasks', headers: host }, 404, /nothing is at/],
    ['dots', { url: '/tasks/%2e%2e/%2e%2e', headers: host }, 404, /nothing is at/],
    ['a NUL', { url: '/tasks/%00', headers: host }, 404, /no task/],
    ['a wrong method', { method: 'DELETE', url: '/tasks', headers: host }, 405, /DELETE/],
    ['POST to a view', { method: 'POST', url: '/state', headers: json, payload: '{}' }, 405, /POST/],
    ['a foreign Host', { url: '/state', headers: { host: 'evil.example:5050' } }, 403, /evil\.example/],
    ['a foreign page', { url: '/state', headers: { ...host, origin: 'http://evil.example' } }, 403, /evil\.example/],
    ['a sandboxed page', { url: '/state', headers: { ...host, origin: 'null' } }, 403, /null/],
  ];
  for (const [what, request, status, message] of rows) {
    const reply = await server.inject(request);
    t.is(reply.statusCode, status, `${what}: ${reply.body}`);
    const shape = reply.json<Shape>();
    t.regex(shape.message, message, what);
    t.deepEqual(
      Object.keys(shape).filter(key => !['code', 'message', 'path', 'hint', 'problems'].includes(key)),
      [],
      what,
    );
  }
  t.is(
    (await server.inject({ url: '/tasks?framwork=x', headers: host })).json<Shape>().hint,
    'did you mean framework?',
  );
  t.regex(
    (await server.inject({ method: 'POST', url: '/kill', headers: host })).json<Shape>().hint ?? '',
    /application\/json.* \{"taskId":"web\.1"\}$/,
  );
  t.is((await server.inject({ url: '/state', headers: { ...host, origin: 'http://localhost:5050' } })).statusCode, 200);
});

test('HEAD, OPTIONS and Allow are as HTTP wants them', async t => {
  const server = app();
  const head = await server.inject({ method: 'HEAD', url: '/tasks', headers: host });
  t.is(head.statusCode, 200);
  t.is(head.body, '');
  const options = await server.inject({ method: 'OPTIONS', url: '/tasks', headers: host });
  t.is(options.statusCode, 204);
  t.is(options.headers['allow'], 'GET, HEAD, OPTIONS');
  t.is((await server.inject({ method: 'GET', url: '/kill', headers: host })).headers['allow'], 'POST, OPTIONS');
});

test('the metrics page has what components counted', async t => {
  const metrics = new PrometheusMetrics();
  const given = source().source;
  const routes = masterRoutes(given, new EventFeeds(new VirtualClock(), () => () => {}), metrics);
  const server = httpApp({ routes, log: silentLogger });
  metrics.counter('proffer_calls_total', 'calls', ['type']).inc(2, { type: 'KILL' });
  metrics.counter('proffer_calls_total', 'calls', ['type']).inc(1, { type: 'KILL' });
  metrics.gauge('proffer_agents', 'agents').set(3);
  metrics.histogram('proffer_run_seconds', 'runs', [0.1, 1]).observe(0.5);
  const page = await server.inject({ url: '/metrics', headers: host });
  t.regex(page.headers['content-type'] as string, /^text\/plain/);
  for (const line of [
    'proffer_calls_total{type="KILL"} 3',
    'proffer_agents 3',
    'proffer_run_seconds_bucket{le="1"} 1',
  ]) {
    t.true(page.body.includes(line), `${line}\n${page.body}`);
  }
});

class Sink implements FeedSink {
  readonly texts: string[] = [];
  bufferedBytes = 0;
  fate = 'open';
  write(text: string): void {
    this.texts.push(text);
  }
  end(): void {
    this.fate = 'ended';
  }
  destroy(): void {
    this.fate = 'cut';
  }
  get types(): string[] {
    return this.texts.map(text => /^event: (\w+)\ndata: \{.*\}\n\n$/.exec(text)?.[1] ?? text);
  }
}

function feedRig(options: ConstructorParameters<typeof EventFeeds>[2] = {}): {
  clock: VirtualClock;
  feeds: EventFeeds;
  tell: (event: ClusterEvent) => void;
  open: () => { sink: Sink; leave: () => void };
  listening: () => number;
} {
  const clock = new VirtualClock();
  const listeners = new Set<(event: ClusterEvent) => void>();
  const feeds = new EventFeeds(
    clock,
    listener => {
      listener({ type: 'SNAPSHOT', state });
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    options,
  );
  return {
    clock,
    feeds,
    tell: event => {
      for (const listener of listeners) listener(event);
    },
    open: () => {
      const sink = new Sink();
      const answer = feeds.answer();
      return { sink, leave: answer.type === 'FEED' ? answer.open(sink) : () => {} };
    },
    listening: () => listeners.size,
  };
}

const change: ClusterEvent = { type: 'AGENT_REMOVED', agentId: 'm-S0', why: 'test' };

test('a feed begins with the snapshot, then has every change in order, and a heartbeat every 15 s', t => {
  const { clock, tell, open, listening } = feedRig();
  const { sink, leave } = open();
  tell(change);
  clock.advance(15_000);
  t.deepEqual(sink.types, ['SNAPSHOT', 'AGENT_REMOVED', 'HEARTBEAT']);
  leave();
  tell(change);
  t.is(sink.texts.length, 3);
  t.is(listening(), 0);
});

test('who does not read is cut off; a large snapshot alone is no offence', t => {
  const { tell, open } = feedRig({ bufferedBytesMax: 100 });
  const { sink } = open();
  sink.bufferedBytes = sink.texts[0]?.length ?? 0;
  tell(change);
  t.is(sink.fate, 'open');
  sink.bufferedBytes += 200;
  tell(change);
  t.is(sink.fate, 'cut');
});

test('of too many feeds the oldest leaves', t => {
  const { feeds, open, listening } = feedRig({ subscribersMax: 2 });
  const [first, second] = [open(), open(), open()];
  t.is(first?.sink.fate, 'ended');
  t.is(second?.sink.fate, 'open');
  t.is(feeds.size, 2);
  t.is(listening(), 2);
  feeds.close();
  t.is(listening(), 0);
});

/** Sends raw bytes and resolves with everything that came back when the server hung up, or after `until` matched. */
function raw(server: HttpServer, bytes: string, until?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(server.port, server.host, () => socket.write(bytes));
    const done = (): void => {
      socket.destroy();
      resolve(text);
    };
    socket.on('data', chunk => {
      text += chunk.toString();
      if (until?.test(text) === true) done();
    });
    socket.on('close', done);
    socket.on('error', error => (text === '' ? reject(error) : done()));
  });
}

test('bytes that are no good request are answered over the raw socket, and others are served on', async t => {
  const { source: given } = source();
  const feeds = new EventFeeds(systemClock, listener => given.views.subscribe(listener));
  const server = await serveHttp({
    routes: masterRoutes(given, feeds, new PrometheusMetrics()),
    port: 0,
    log: silentLogger,
  });
  try {
    t.regex(await raw(server, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 .*not an HTTP request/s);
    t.regex(
      await raw(server, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`),
      /^HTTP\/1\.1 431 .*exceed 16384/s,
    );
    t.regex(
      await raw(server, 'POST /kill HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}'),
      /^HTTP\/1\.1 400/,
    );
    t.regex(await raw(server, 'GET /health HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400/);
    t.regex(
      await raw(server, 'GET /health HTTP/1.1\r\nHost: localhost\r\nhost: evil.example\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1\.1 400 .*"message":"Host: is given 2 times"/s,
    );
    t.regex(
      await raw(server, 'GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1\.1 403/,
    );
    t.regex(
      await raw(server, 'TRACE /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1\.1 40[45]/,
    );
    t.regex(
      await raw(server, 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1\.1 200 .*"healthy":true/s,
    );
  } finally {
    feeds.close();
    await server.close();
  }
});

test('events stream over a real socket, and end with the server', async t => {
  const listeners = new Set<(event: ClusterEvent) => void>();
  const { source: given } = source({
    subscribe: listener => {
      listener({ type: 'SNAPSHOT', state });
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  });
  const feeds = new EventFeeds(systemClock, listener => given.views.subscribe(listener));
  const server = await serveHttp({
    routes: masterRoutes(given, feeds, new PrometheusMetrics()),
    port: 0,
    log: silentLogger,
  });
  const response = await fetch(`${server.url}/events`);
  t.is(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  let text = '';
  const reader = response.body?.getReader();
  for (;;) {
    const chunk = await reader?.read();
    if (chunk?.value === undefined) break;
    text += Buffer.from(chunk.value).toString();
    if (text.includes('SNAPSHOT') && !text.includes('AGENT_REMOVED'))
      for (const listener of listeners) listener(change);
    if (text.includes('AGENT_REMOVED')) feeds.close();
  }
  t.regex(text, /^event: SNAPSHOT\ndata: .*\n\nevent: AGENT_REMOVED\ndata: .*\n\n$/);
  t.is(listeners.size, 0);
  await server.close();
});

test('only loopback is served, and a taken port is named', async t => {
  const routes = masterRoutes(
    source().source,
    new EventFeeds(new VirtualClock(), () => () => {}),
    new PrometheusMetrics(),
  );
  const error = await t.throwsAsync(serveHttp({ routes, host: '0.0.0.0', port: 0, log: silentLogger }));
  t.like(error, { code: 'FORBIDDEN', path: 'host' });
  const first = await serveHttp({ routes, port: 0, log: silentLogger });
  const taken = await t.throwsAsync(serveHttp({ routes, port: first.port, log: silentLogger }));
  t.like(taken, { code: 'ADDRESS_IN_USE', path: 'port' });
  t.regex(taken.message, new RegExp(`port ${first.port} `));
  await first.close();
});
