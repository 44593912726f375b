// The number of instances follows what they have to do.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import type { TaskId } from 'proffer';
import { AgentUrls } from '../../../../frameworks/marathon/autoscale/agent-urls.js';
import { Autoscaler } from '../../../../frameworks/marathon/autoscale/autoscaler.js';
import type { Counter, Scaled } from '../../../../frameworks/marathon/autoscale/autoscaler.js';
import { counterIn } from '../../../../frameworks/marathon/autoscale/counter.js';
import { decide } from '../../../../frameworks/marathon/autoscale/decide.js';
import type { Load, ScalingDecision, ScalingView } from '../../../../frameworks/marathon/autoscale/decide.js';
import { httpCounter } from '../../../../frameworks/marathon/autoscale/http-counter.js';
import { Loads } from '../../../../frameworks/marathon/autoscale/loads.js';
import type { Count } from '../../../../frameworks/marathon/autoscale/loads.js';
import type { Autoscaling } from '../../../../frameworks/marathon/model/app.js';
import { systemEnv } from '../../../../src/env/system-env.js';
import { VirtualClock } from '../../../../src/env/virtual-clock.js';
import { holds } from '../../../support/property.js';
import { app as sample, noon, place, running } from '../machine/samples.js';
import { app, appRefusal, Tree } from '../model/reading.js';
import { Site } from '../service/site.js';

const autoscaling: Autoscaling = {
  minInstances: 2,
  maxInstances: 10,
  target: { metric: 'cpus', value: 0.5 },
  scaleUpCooldownMs: 60_000,
  scaleDownCooldownMs: 300_000,
};

function look(instances: number, loads: readonly Load[], more: Partial<ScalingView> = {}): ScalingDecision {
  const never = Number.NEGATIVE_INFINITY;
  return decide({
    autoscaling,
    instances,
    loads,
    findings: [],
    lastScalingAt: never,
    since: never,
    now: noon,
    ...more,
  });
}

test('definitions: defaults, and everything that is wrong with one', t => {
  const target = { metric: 'requests', value: 100 };
  const read = app({ id: '/a', cmd: 'x', autoscaling: { maxInstances: 5, target } }).autoscaling;
  t.deepEqual(read, {
    minInstances: 1,
    maxInstances: 5,
    target: { metric: 'requests', value: 100, portIndex: 0, path: '/metrics', counter: 'http_requests_total' },
    scaleUpCooldownMs: 60_000,
    scaleDownCooldownMs: 300_000,
  });
  t.is(app({ id: '/a', cmd: 'x', autoscaling: 'disabled' }).autoscaling, undefined);
  const refused = (given: unknown, more: object = {}): string[] =>
    Object.keys(appRefusal({ id: '/a', cmd: 'x', autoscaling: given, ...more }).errors).toSorted();
  t.deepEqual(refused(7), ['/autoscaling']);
  t.deepEqual(refused({ target }), ['/autoscaling/maxInstances']);
  t.deepEqual(refused({ minInstances: 6, maxInstances: 5, target }), ['/autoscaling/minInstances']);
  t.deepEqual(refused({ maxInstances: 5, target }, { instances: '*' }), ['/autoscaling']);
  t.deepEqual(refused({ maxInstances: 5, target: { metric: 'luck', value: 0 } }), [
    '/autoscaling/target/metric',
    '/autoscaling/target/value',
  ]);
  t.deepEqual(refused({ maxInstances: 5, target: { metric: 'cpus', value: 1, path: '/m' } }), [
    '/autoscaling/target/path',
  ]);
  t.deepEqual(refused({ maxInstances: 5, target: { ...target, portIndex: 3, path: 'a b', counter: '7 up' } }), [
    '/autoscaling/target/counter',
    '/autoscaling/target/path',
    '/autoscaling/target/portIndex',
  ]);
});

test('a change of it leaves instances alone', t => {
  const tree = new Tree();
  tree.post({ id: '/a', cmd: 'x' });
  const { lastConfigChangeAt } = tree.app('/a').versionInfo;
  tree.put('/a', { autoscaling: { maxInstances: 5, target: { metric: 'cpus', value: 0.5 } } });
  t.is(tree.app('/a').autoscaling?.maxInstances, 5);
  t.is(tree.app('/a').versionInfo.lastConfigChangeAt, lastConfigChangeAt);
  t.is(tree.app('/a').versionInfo.version, tree.version);
});

test('the number is in proportion to the average, within bounds, and stays where it is close enough', t => {
  t.is(look(4, [1, 1, 1, 1]).scaleTo, 8);
  t.is(look(4, [1, 1, 1, 1]).why, 'cpus 1 on average of 4, target 0.5');
  t.is(look(4, [0.9, 0.1, 0.9, 0.9]).scaleTo, 6);
  t.is(look(4, [2, 2, 2, 2]).scaleTo, 10);
  t.is(look(4, [0.25, 0.25, 0.25, 0.25]).scaleTo, 2);
  t.is(look(4, [0, 0, 0, 0]).scaleTo, 2);
  t.is(look(4, [0.54, 0.54, 0.54, 0.54]).scaleTo, undefined);
  t.is(look(1, []).scaleTo, 2, 'bounds hold whatever is known');
  t.is(look(12, [0.5]).scaleTo, 10);
});

test('who is not known is thought of with caution, both ways', t => {
  t.is(look(4, [undefined, undefined, undefined, undefined]).scaleTo, undefined);
  t.is(look(4, [1, 1, undefined, undefined]).scaleTo, undefined, 'the two that idle may make up for it');
  t.is(look(4, [2, 2, undefined, undefined]).scaleTo, 8);
  t.is(look(4, [0, 0, undefined, undefined]).scaleTo, 2);
  t.is(look(4, [0.4, undefined, undefined, undefined]).scaleTo, undefined);
  t.is(look(4, [2, 2]).scaleTo, 8, 'nor is who does not serve yet');
});

test('cooldowns: up after the last change; down when less was enough all the time', t => {
  const busy = [1, 1, 1, 1];
  const idle = [0.1, 0.1, 0.1, 0.1];
  t.is(look(4, busy, { lastScalingAt: noon - 59_000 }).scaleTo, undefined);
  t.is(look(4, busy, { lastScalingAt: noon - 60_000 }).scaleTo, 8);
  t.is(look(4, idle, { lastScalingAt: noon - 299_000 }).scaleTo, undefined);
  t.is(look(4, idle, { since: noon - 299_000 }).scaleTo, undefined, 'nobody knows what was needed before');
  t.is(look(4, idle, { findings: [{ at: noon - 200_000, wanted: 3 }] }).scaleTo, 3);
  t.is(look(4, idle, { findings: [{ at: noon - 200_000, wanted: 4 }] }).scaleTo, undefined);
  t.is(look(4, idle, { findings: [{ at: noon - 301_000, wanted: 4 }] }).scaleTo, 2);
});

test('whatever the loads, the number stays within bounds, and goes in their direction', t => {
  const load = fc.option(fc.double({ min: 0, max: 20, noNaN: true }), { nil: undefined });
  holds(
    t,
    fc.property(fc.integer({ min: 2, max: 10 }), fc.array(load, { maxLength: 12 }), (instances, loads) => {
      const { scaleTo } = look(instances, loads);
      if (scaleTo === undefined) return;
      assert.ok(Number.isInteger(scaleTo) && scaleTo >= 2 && scaleTo <= 10 && scaleTo !== instances);
      const known = loads.filter(each => each !== undefined);
      const average = known.reduce((sum, each) => sum + each, 0) / known.length;
      assert.equal(scaleTo > instances, average > 0.5, `${average} of ${known.length}, ${instances} → ${scaleTo}`);
    }),
  );
});

test('counters are found among other metrics, and their samples added up', t => {
  const text = `# HELP http_requests_total So many.
# TYPE http_requests_total counter
http_requests_total_created 1
other_http_requests_total 7
http_requests_total{code="200",path="/a}b\\"c"} 40 1395066363000
http_requests_total{code="500"} 2.5
http_requests_total 1e1
http_requests_total{code="x"} NaN
`;
  t.is(counterIn(text, 'http_requests_total'), 52.5);
  t.is(counterIn(text, 'http_requests'), undefined);
  t.is(counterIn('', 'x'), undefined);
  t.is(counterIn('x{a="', 'x'), undefined);
  t.is(counterIn('x 3', 'x'), 3);
});

test('rates come of two counts; a counter that has gone back, or stood still in time, is none', t => {
  const loads = new Loads();
  const promised = { cpus: 0.5, mem: 100, disk: 0, gpus: 0 };
  const take = (at: number, total: number, memBytes = 0): Load[] =>
    loads.take(new Map([['a', { at, total, memBytes }]]), ['a', 'b'], autoscaling.target, promised);
  t.deepEqual(take(0, 100), [undefined, undefined]);
  t.deepEqual(take(10_000, 2600), [0.5, undefined], '2.5 s of cpu time in 10 s are half of half a cpu');
  t.deepEqual(take(20_000, 100), [undefined, undefined]);
  t.deepEqual(take(20_000, 200), [undefined, undefined]);
  t.deepEqual(take(30_000, 200), [0, undefined]);
  const mem = new Loads();
  const count = new Map<string, Count>([['a', { at: 0, memBytes: 50 * 1024 * 1024 }]]);
  t.deepEqual(mem.take(count, ['a'], { metric: 'mem', value: 0.8 }, promised), [0.5]);
});

/** Says that each task has had its share of so many requests a second. */
class Crowd implements Counter {
  perSecond = 0;
  #totals = new Map<TaskId, number>();
  #at = 0;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  count(scaled: readonly Scaled[]): Promise<ReadonlyMap<TaskId, Count>> {
    const tasks = scaled.flatMap(({ instances }) => instances.flatMap(each => each.tasks.map(({ id }) => id)));
    const at = this.#now();
    for (const id of tasks) {
      const more = (this.perSecond * (at - this.#at)) / 1000 / tasks.length;
      this.#totals.set(id, (this.#totals.get(id) ?? 0) + more);
    }
    this.#at = at;
    return Promise.resolve(new Map(tasks.map(id => [id, { at, total: this.#totals.get(id) ?? 0 }])));
  }
}

test('a crowd comes and goes: instances come soon, and go when they were not needed for long', async t => {
  const site = new Site({ seed: 41 });
  const env = site.c.env('autoscaler');
  const crowd = new Crowd(() => env.clock.wallMs());
  const target = { metric: 'requests', value: 100 };
  await site.deploy({
    id: '/web',
    cmd: 'serve',
    cpus: 0.1,
    mem: 16,
    instances: 1,
    autoscaling: { maxInstances: 8, target, scaleUpCooldownSeconds: 30, scaleDownCooldownSeconds: 120 },
  });
  const scaler = new Autoscaler(site.marathon, { env, counter: crowd, intervalMs: 3_600_000 });
  const counts: number[] = [];
  const watch = async (seconds: number): Promise<number> => {
    for (let passed = 0; passed < seconds; passed += 15) {
      site.c.run('15s');
      await site.c.settled(scaler.look());
      site.settle();
      counts.push(site.c.running());
    }
    return counts.at(-1) ?? 0;
  };
  t.is(await watch(60), 1);
  crowd.perSecond = 480;
  t.is(await watch(150), 5);
  const [own] = site.of('/web');
  crowd.perSecond = 150;
  t.is(await watch(60), 5, 'not at once');
  t.is(await watch(240), 2);
  crowd.perSecond = 100_000;
  t.is(await watch(150), 8, 'never more than allowed');
  t.true(
    site.of('/web').some(({ id }) => id === own?.id),
    'nobody was replaced',
  );
  t.is(counts.filter((count, at) => count !== (counts[at - 1] ?? count)).length, 3, counts.join(' '));
  scaler.close();
});

test('what a user changes meanwhile is not overwritten', async t => {
  const site = new Site({ seed: 42 });
  const env = site.c.env('autoscaler');
  const target = { metric: 'requests', value: 100 };
  const autoscaled = {
    id: '/web',
    cmd: 'serve',
    cpus: 0.1,
    mem: 16,
    instances: 1,
    autoscaling: { maxInstances: 8, target },
  };
  await site.deploy(autoscaled);
  site.c.run('120s');
  const crowd = new Crowd(() => env.clock.wallMs());
  crowd.perSecond = 500;
  let user: Promise<unknown> = Promise.resolve();
  let counted = 0;
  const counter: Counter = {
    count: scaled => {
      counted += 1;
      if (counted === 2) user = site.put({ ...autoscaled, instances: 7 });
      return crowd.count(scaled);
    },
  };
  const scaler = new Autoscaler(site.marathon, { env, counter, intervalMs: 3_600_000 });
  for (let looks = 0; looks < 2; looks += 1) {
    site.c.run('15s');
    await site.c.settled(scaler.look());
  }
  await site.c.settled(user);
  site.settle();
  t.is(site.c.running(), 7);
  scaler.close();
});

test('agents and instances are asked over HTTP; who does not answer is not known', async t => {
  const served: string[] = [];
  const server = createServer((request, response) => {
    served.push(request.url ?? '');
    if (request.url === '/containers') {
      const statistics = { timestampMs: 5, cpuTimeMs: 70, memBytes: 9 };
      response.end(JSON.stringify([{ taskId: 'web.instance-a._app.1', statistics }, { taskId: 'x', statistics }, {}]));
    } else if (request.url === '/m') response.end('hits 12\n');
    else response.writeHead(503).end();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const counter = httpCounter({
    env: systemEnv(),
    agentUrl: agentId => Promise.resolve(agentId === 'a1' ? `http://127.0.0.1:${port}` : undefined),
    timeoutMs: 2000,
  });
  const at = (agent: string) => ({ ...place(agent), hostname: '127.0.0.1' });
  const cpus = { ...sample(), autoscaling };
  const requests = (path: string): Scaled['app'] => ({
    ...sample({ id: '/api' }),
    autoscaling: { ...autoscaling, target: { metric: 'requests', value: 1, portIndex: 0, path, counter: 'hits' } },
  });
  const withPort = (name: string): Scaled['instances'][number] => {
    const instance = running(requests('/m'), name, at('a1'));
    return { ...instance, tasks: instance.tasks.map(task => ({ ...task, hostPorts: [port] })) };
  };
  const counts = await counter.count([
    { app: cpus, instances: [running(cpus, 'a', at('a1')), running(cpus, 'b', at('a2'))] },
    { app: requests('/m'), instances: [withPort('c')] },
    { app: requests('/broken'), instances: [withPort('d')] },
  ]);
  t.deepEqual(served.toSorted(), ['/broken', '/containers', '/m']);
  t.deepEqual(counts.get('web.instance-a._app.1'), { at: 5, total: 70, memBytes: 9 });
  t.deepEqual(
    Array.from(counts.values(), ({ total = 0 }) => total).toSorted((a, b) => a - b),
    [12, 70],
  );
});

test('agents are found by the list of the leading master, asked for when one is new', async t => {
  let asked = 0;
  const list = [{ id: 'a1', hostname: 'one', port: 5051, total: {} }];
  const server = createServer((request, response) => {
    asked += 1;
    if (request.url === '/agents') response.end(JSON.stringify(list));
    else response.writeHead(404).end();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const clock = new VirtualClock();
  const view: { master: string | undefined } = { master: undefined };
  const urls = new AgentUrls(view, clock);
  t.is(await urls.of('a1'), undefined, 'there is no master');
  view.master = `127.0.0.1:${port}`;
  t.deepEqual(await Promise.all([urls.of('a1'), urls.of('a1')]), ['http://one:5051', 'http://one:5051']);
  t.is(asked, 1);
  list.push({ id: 'a2', hostname: 'two', port: 1, total: {} });
  t.is(await urls.of('a2'), undefined, 'not asked again at once');
  clock.advance(10_000);
  t.is(await urls.of('a2'), 'http://two:1');
  list[1] = { id: 'a2', hostname: '::1', port: 2, total: {} };
  clock.advance(29_999);
  t.is(await urls.of('a2'), 'http://two:1');
  clock.advance(1);
  t.is(await urls.of('a2'), 'http://[::1]:2', 'it was started again');
  clock.advance(10_000);
  list.length = 0;
  list.push({ id: 'a3' } as never);
  await t.throwsAsync(urls.of('a3'), { message: /hostname/ });
});
