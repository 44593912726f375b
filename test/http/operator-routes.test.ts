// Operators' calls over HTTP: each has its path, what is wrong with one is told at once, and what they set can be read.
import test from 'ava';
import type { LightMyRequestResponse } from 'fastify';
import { silentLogger } from '../../src/env/log.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import { EventFeeds } from '../../src/http/feed.js';
import type { MasterSource } from '../../src/http/master-routes.js';
import { masterRoutes } from '../../src/http/master-routes.js';
import { PrometheusMetrics } from '../../src/http/metrics-page.js';
import { operatorCalls } from '../../src/http/operator-routes.js';
import { httpApp } from '../../src/http/server.js';
import type { OperatorCall } from '../../src/protocol/operator-api.js';

const quota = { role: 'ads', limits: { cpus: 4 }, guarantees: {}, consumed: { cpus: 1 } };
const headers = { host: 'localhost:5050', 'content-type': 'application/json' };

interface Shape {
  code: string;
  path: string;
  hint?: string;
}

/** A server in front of a master that takes every call and notes it. */
type Operate = MasterSource['operate'];

function rig(answers: Operate = (_call, answer) => answer([])): {
  readonly calls: OperatorCall[];
  readonly server: ReturnType<typeof httpApp>;
} {
  const calls: OperatorCall[] = [];
  const master = {
    views: {
      quota: () => [quota, { ...quota, role: 'web' }],
      weights: () => [{ role: 'ads', weight: 2 }],
      maintenance: () => ({ windows: [], machines: [] }),
    },
    operate: (call, answer) => {
      calls.push(call);
      answers(call, answer);
    },
  } as Pick<MasterSource, 'operate'> as MasterSource;
  const feeds = new EventFeeds(new VirtualClock(), () => () => {});
  return {
    calls,
    server: httpApp({ routes: masterRoutes(master, feeds, new PrometheusMetrics()), log: silentLogger }),
  };
}

test('each call of an operator has a path of its own, and the example told for it is a valid one', async t => {
  const { calls, server } = rig();
  const types = Object.keys(operatorCalls) as OperatorCall['type'][];
  for (const type of types) {
    const { path, status, example } = operatorCalls[type];
    const reply = await server.inject({ method: 'POST', url: path, headers, payload: example });
    t.is(reply.statusCode, status, `${path}: ${reply.body}`);
    t.deepEqual(calls.at(-1), { type, ...example } as OperatorCall);
    const empty = await server.inject({ method: 'POST', url: path, headers, payload: {} });
    t.is(empty.statusCode, 400, path);
    const none = await server.inject({ method: 'POST', url: path, headers });
    t.true((none.json<Shape>().hint ?? '').endsWith(JSON.stringify(example)), none.body);
  }
  t.is(calls.length, types.length);
  t.is(new Set(types.map(type => operatorCalls[type].path)).size, types.length);
});

test('what an operator’s call lacks is told at once, each with its place', async t => {
  const { server } = rig();
  const post = (url: string, payload: object): Promise<LightMyRequestResponse> =>
    server.inject({ method: 'POST', url, headers, payload });
  const drain = await post('/drain', { agentId: 7, gracePeriodMs: -1, markgone: true });
  t.is(drain.statusCode, 400);
  t.deepEqual(
    drain.json<{ problems: { path: string }[] }>().problems.map(({ path }) => path),
    ['drainAgent.agentId', 'drainAgent.gracePeriodMs', 'drainAgent.markgone'],
  );
  const window = { hostnames: ['one'], unavailability: { startMs: 1 } };
  const twice = await post('/maintenance', { windows: [window, window] });
  t.like(twice.json<Shape>(), { code: 'INVALID_CALL', path: 'updateMaintenance.windows[1].hostnames[0]' });
  const quota = await post('/quota', { quotas: [{ role: 'ads', limits: { cpus: 1 }, guarantees: { cpus: 2 } }] });
  t.is(quota.json<Shape>().code, 'INVALID_QUOTA');
});

test('an answer names the operation whose outcome is to be looked for', async t => {
  const { server } = rig((call, answer) => answer([], call.type === 'RESERVE' ? 'm-O1' : undefined));
  const post = (type: 'RESERVE' | 'UPDATE_WEIGHTS'): Promise<LightMyRequestResponse> =>
    server.inject({ method: 'POST', url: operatorCalls[type].path, headers, payload: operatorCalls[type].example });
  t.deepEqual((await post('RESERVE')).json<unknown>(), { accepted: true, operation: 'm-O1' });
  t.deepEqual((await post('UPDATE_WEIGHTS')).json<unknown>(), { accepted: true });
});

test('quota, weights and the maintenance schedule can be read', async t => {
  const { server } = rig();
  const get = async (url: string): Promise<unknown> =>
    (await server.inject({ url, headers: { host: headers.host } })).json<unknown>();
  t.deepEqual(await get('/quota?role=ads'), [quota]);
  t.deepEqual(await get('/weights'), [{ role: 'ads', weight: 2 }]);
  t.deepEqual(await get('/weights?role=web'), []);
  t.deepEqual(await get('/maintenance'), { windows: [], machines: [] });
});
