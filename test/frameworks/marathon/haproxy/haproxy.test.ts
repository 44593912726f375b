// A real HAProxy under load: instances are swapped and killed, configurations loaded and refused, HAProxy itself killed and taken over; no request is lost.
import { once } from 'node:events';
import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync, existsSync, unlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Clock, ProfferError } from 'proffer';
import { firstValueFrom } from 'rxjs';
import { filter } from 'rxjs/operators';
import { silentLogger } from '../../../../src/env/log.js';
import { systemClock } from '../../../../src/env/system-clock.js';
import { ask, forWorker, processesIn, sessionsIn } from '../../../../frameworks/marathon/haproxy/control.js';
import type { Processes } from '../../../../frameworks/marathon/haproxy/control.js';
import type { Applied } from '../../../../frameworks/marathon/haproxy/fleet.js';
import type { HaproxyOptions } from '../../../../frameworks/marathon/haproxy/options.js';
import { runHaproxy } from '../../../../frameworks/marathon/haproxy/run.js';
import type { RunningHaproxy } from '../../../../frameworks/marathon/haproxy/run.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import type { AppDefinition, AppHealthCheck } from '../../../../frameworks/marathon/model/app.js';
import { eventually } from '../../../support/cli.js';
import { testWithHaproxy } from '../../../support/haproxy.js';
import { isRunning } from '../../../support/processes.js';
import { at, listening, SmallView } from '../discovery/small-view.js';
import { freePort, freePorts, Load, WebServer } from './load.js';

const haproxyTest = testWithHaproxy(test);

const health: AppHealthCheck = {
  protocol: 'MESOS_HTTP',
  path: '/health',
  ignoreHttp1xx: false,
  ipProtocol: 'IPv4',
  gracePeriodMs: 3000,
  intervalMs: 1000,
  timeoutMs: 1000,
  delayMs: 0,
  maxConsecutiveFailures: 3,
};

/** An HAProxy, the app behind it, and its instances as processes. */
class Scene {
  readonly view = new SmallView();
  readonly dir: string;
  readonly servers = new Map<string, WebServer>();
  readonly #t: ExecutionContext;
  #running: RunningHaproxy | undefined;

  constructor(t: ExecutionContext) {
    this.#t = t;
    this.dir = mkdtempSync(join(tmpdir(), 'proffer-haproxy-'));
    t.teardown(async () => {
      await this.#running?.stop();
      await Promise.all([...this.servers.values()].map(server => server.kill()));
      rmSync(this.dir, { recursive: true, force: true });
    });
  }

  async run(more: Partial<HaproxyOptions> = {}): Promise<RunningHaproxy> {
    this.#running = await runHaproxy(this.view, {
      clock: systemClock,
      log: silentLogger,
      dir: this.dir,
      reloadMs: 100,
      ...more,
    });
    return this.#running;
  }

  async instance(app: AppDefinition, name: string): Promise<Instance> {
    const server = await WebServer.start(name);
    this.servers.set(name, server);
    return { ...at(app, name, '127.0.0.1', [server.port]), healthy: true };
  }

  load(port: number, clients = 8, method: 'GET' | 'POST' = 'GET'): Load {
    const load = new Load(port, clients, method);
    this.#t.teardown(() => load.stop());
    return load;
  }

  async processes(): Promise<Processes> {
    const found = processesIn(await ask(join(this.dir, 'master.sock'), 'show proc'));
    if (found === undefined) throw new Error('HAProxy does not answer');
    return found;
  }
}

/** Does something, and waits until HAProxy has heard of it. */
async function until(haproxy: RunningHaproxy, type: Applied['type'], act: () => void): Promise<Applied> {
  const heard = firstValueFrom(haproxy.applied$.pipe(filter(applied => applied.type === type)));
  act();
  return heard;
}

/** An instance that answers when it is told to. */
async function holding(
  t: ExecutionContext,
  app: AppDefinition,
): Promise<{ readonly slow: Server; readonly held: (() => void)[]; readonly instance: Instance }> {
  const held: (() => void)[] = [];
  const slow = createServer(socket => {
    socket.on('error', () => {});
    socket.on('data', () => held.push(() => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow')));
  });
  slow.listen(0, '127.0.0.1');
  await once(slow, 'listening');
  t.teardown(() => slow.close());
  const where = slow.address();
  const port = typeof where === 'object' && where !== null ? where.port : 0;
  return { slow, held, instance: at(app, 'slow', '127.0.0.1', [port]) };
}

/** Looks at what is in hand are counted by the pauses between them. */
function counted(): { readonly clock: Clock; readonly looks: () => number } {
  let looks = 0;
  const after: Clock['after'] = (delayMs, run) => {
    if (delayMs === 50) looks += 1;
    return systemClock.after(delayMs, run);
  };
  return { clock: { ...systemClock, after }, looks: () => looks };
}

haproxyTest('instances are swapped one by one, one is killed by force, an app comes: no request fails', async t => {
  const scene = new Scene(t);
  const port = await freePort();
  const web = listening([port], { healthChecks: [health] });
  let instances = await Promise.all(['a', 'b', 'c'].map(name => scene.instance(web, name)));
  scene.view.put(web, ...instances);
  const haproxy = await scene.run();
  const { workers: first } = await scene.processes();
  const load = scene.load(port);
  // Nobody asks twice for these: none may be in hand when an instance is killed.
  const posts = scene.load(port, 4, 'POST');
  await load.more(80);
  t.deepEqual([...load.take().keys()].sort(), ['a', 'b', 'c']);

  // A rolling update: one new, one old drained and killed, three times.
  for (const [old, name] of [
    ['a', 'd'],
    ['b', 'e'],
    ['c', 'f'],
  ] as const) {
    const added = await scene.instance(web, name);
    await until(haproxy, 'SERVERS', () => scene.view.put(web, ...instances, added));
    const leaving = instances.find(({ id }) => id.endsWith(`-${old}`));
    t.truthy(leaving);
    if (leaving === undefined) return;
    // As Marathon does it: its end is known before it is told.
    const known = { ...leaving, goal: 'Decommissioned' as const };
    instances = [...instances.filter(each => each !== leaving), added];
    scene.view.put(web, ...instances, known);
    await haproxy.drain([known]);
    await scene.servers.get(old)?.kill();
    scene.view.put(web, ...instances);
    load.take();
    await load.more(50);
    t.false(load.take().has(old), `${old} is asked no more`);
  }
  await load.more(50);
  t.deepEqual([...load.take().keys()].sort(), ['d', 'e', 'f']);
  t.deepEqual((await scene.processes()).workers, first, 'without a reload');

  await posts.stop();
  t.deepEqual(posts.failures, []);
  t.true(posts.answered > 50);

  // Nobody knew it before.
  await scene.servers.get('d')?.kill();
  await load.more(120);
  const [, ...rest] = instances;
  await until(haproxy, 'SERVERS', () => scene.view.put(web, ...rest));

  // A new app is a new configuration, with connections open all the while; and servers come and go after it.
  const other = listening([await freePort()], { id: '/other' });
  await until(haproxy, 'RELOADED', () => scene.view.put(other));
  t.notDeepEqual((await scene.processes()).workers, first);
  const last = await scene.instance(web, 'g');
  await until(haproxy, 'SERVERS', () => scene.view.put(web, last));
  await haproxy.drain(rest);
  for (const name of ['e', 'f']) await scene.servers.get(name)?.kill();
  load.take();
  await load.more(80);
  t.deepEqual([...load.take().keys()], ['g']);
  await load.stop();
  t.deepEqual(load.failures, []);
  t.true(load.answered > 300);
});

haproxyTest('an instance is not given up before what it has in hand is answered, or time is over', async t => {
  const scene = new Scene(t);
  const port = await freePort();
  const web = listening([port], { labels: { HAPROXY_0_MODE: 'http' } });
  const { slow, held, instance } = await holding(t, web);
  scene.view.put(web, instance);
  const { clock, looks } = counted();
  const haproxy = await scene.run({ drainMs: 20_000, clock });
  const load = scene.load(port, 1);
  await new Promise(resolve => slow.once('connection', socket => socket.once('data', resolve)));
  let drained = false;
  const draining = haproxy.drain([instance]).then(() => {
    drained = true;
  });
  await eventually('five looks', () => looks() >= 5 || drained);
  t.false(drained);
  const stopped = load.stop();
  held.shift()?.();
  await draining;
  await stopped;
  t.is(load.take().get('slow'), 1);

  // Nor is it waited for for ever.
  await haproxy.stop();
  const again = { ...instance, id: `${instance.id}-again` };
  scene.view.put(web, again);
  const next = await scene.run({ drainMs: 200 });
  const late = scene.load(port, 1);
  await new Promise(resolve => slow.once('connection', socket => socket.once('data', resolve)));
  await next.drain([again]);
  t.is(late.answered, 0);
  held.shift()?.();
  await late.stop();
  t.deepEqual(late.failures, []);
});

haproxyTest('what is in hand since before HAProxy was taken over is waited for too', async t => {
  const scene = new Scene(t);
  const port = await freePort();
  const web = listening([port], { labels: { HAPROXY_0_MODE: 'http' } });
  const { slow, held, instance } = await holding(t, web);
  scene.view.put(web, instance);
  const haproxy = await scene.run();
  const load = scene.load(port, 1);
  await new Promise(resolve => slow.once('connection', socket => socket.once('data', resolve)));
  const stopped = load.stop();
  await haproxy.stop({ leave: true });

  // Its end was decided meanwhile: the next Marathon never routes to it.
  const known = { ...instance, goal: 'Decommissioned' as const };
  scene.view.put(web, known, await scene.instance(web, 'new'));
  const { clock, looks } = counted();
  const next = await scene.run({ drainMs: 20_000, clock });
  let drained = false;
  const draining = next.drain([known]).then(() => {
    drained = true;
  });
  await eventually('five looks', () => looks() >= 5 || drained);
  t.false(drained);
  held.shift()?.();
  await draining;
  await stopped;
  t.is(load.take().get('slow'), 1);
  t.deepEqual(load.failures, []);
});

haproxyTest('an instance that was given up comes back, with connections to it all the while', async t => {
  const scene = new Scene(t);
  const port = await freePort();
  const web = listening([port], { healthChecks: [health] });
  const one = await scene.instance(web, 'one');
  const two = await scene.instance(web, 'two');
  scene.view.put(web, one, two);
  const haproxy = await scene.run();
  const { workers } = await scene.processes();
  const load = scene.load(port, 4);
  for (let turn = 0; turn < 3; turn += 1) {
    await until(haproxy, 'SERVERS', () => scene.view.put(web, one, { ...two, healthy: false }));
    await load.more(10);
    load.take();
    await load.more(20);
    t.deepEqual([...load.take().keys()], ['one']);
    await until(haproxy, 'SERVERS', () => scene.view.put(web, one, two));
    while (!load.take().has('two')) await load.more(10);
  }
  // Nor is it taken away later, by whoever thinks that it is still to go.
  await haproxy.drain([]);
  load.take();
  await load.more(40);
  t.is(load.take().size, 2);
  await load.stop();
  t.deepEqual(load.failures, []);
  t.deepEqual((await scene.processes()).workers, workers);
});

haproxyTest('many come and go at once', async t => {
  const scene = new Scene(t);
  const port = await freePort();
  const web = listening([port], { healthChecks: [{ ...health, intervalMs: 20_000 }] });
  // All of them are the same server.
  const one = await scene.instance(web, 'one');
  const many = Array.from({ length: 180 }, (_, n) => ({ ...one, id: `web.instance-n${n}` }));
  scene.view.put(web, ...many.slice(0, 120));
  const haproxy = await scene.run();
  const load = scene.load(port, 4);
  await load.more(20);
  const added = await until(haproxy, 'SERVERS', () => scene.view.put(web, ...many));
  t.deepEqual(added, { type: 'SERVERS', added: 60, removed: 0 });
  const leaving = many.slice(0, 150);
  await haproxy.drain(leaving);
  scene.view.put(web, ...many.slice(150));
  await load.more(20);
  await eventually('150 servers fewer', async () => {
    const { workers } = await scene.processes();
    const stat = await ask(join(scene.dir, 'master.sock'), forWorker(workers[0] ?? 0, `show stat web_${port} 4 -1`));
    return sessionsIn(stat).size === 30;
  });
  // More than are worth a command each.
  const others = many.slice(0, 70).map(each => ({ ...each, id: `${each.id}-other` }));
  await until(haproxy, 'RELOADED', () => scene.view.put(web, ...many.slice(150), ...others));
  await load.more(20);
  await load.stop();
  t.deepEqual(load.failures, []);
});

/** The answer to one request. */
async function reply(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<IncomingMessage & { text: string }> {
  const request = get({ host: '127.0.0.1', port, path, headers, agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const part of response) text += String(part);
  return Object.assign(response, { text });
}

haproxyTest('host names, paths, cookies, passwords and networks do what labels say', async t => {
  const scene = new Scene(t);
  const [httpPort = 0, shopPort = 0, apiPort = 0, innerPort = 0, rawPort = 0] = await freePorts(5);
  const labels = (own: Record<string, string>): Record<string, string> => ({ HAPROXY_0_VHOST: 'shop.example', ...own });
  const shop = listening([shopPort], { id: '/shop', labels: labels({ HAPROXY_0_STICKY: 'true' }) });
  const api = listening([apiPort], {
    id: '/api',
    labels: labels({ HAPROXY_0_PATH: '-i /API /v2', HAPROXY_0_USE_HSTS: 'true' }),
  });
  const inner = listening([innerPort], {
    id: '/inner',
    labels: {
      HAPROXY_0_AUTH: 'members:anna:$5$saltsalt$qPxpzNUeGXrZdxUPbDyjdRLrLeRDXpTVJGLbTbNlGr9',
      HAPROXY_0_VHOST: 'inner.example',
      HAPROXY_0_BALANCE: 'uri',
    },
  });
  const raw = listening([rawPort], {
    id: '/raw',
    labels: { HAPROXY_0_MODE: 'http', HAPROXY_0_BACKEND_NETWORK_ALLOWED_ACL: '10.9.0.0/16 2001:db8::/32' },
  });
  const names = ['a', 'b'];
  scene.view
    .put(shop, ...(await Promise.all(names.map(name => scene.instance(shop, name)))))
    .put(api, await scene.instance(api, 'api'), at(api, 'six', '::1', [1]))
    .put(inner)
    .put(raw, await scene.instance(raw, 'raw'));
  const haproxy = await scene.run({ httpPort });
  t.deepEqual(haproxy.refused, []);
  const Host = 'shop.example:80';
  t.is((await reply(httpPort, '/', { Host: 'other.example' })).statusCode, 503);
  const first = await reply(httpPort, '/', { Host });
  t.true(names.includes(first.text));
  const Cookie = first.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  t.regex(Cookie, /^proffer_server=[ab]\.1$/);
  for (let turn = 0; turn < 4; turn += 1) t.is((await reply(httpPort, '/', { Host, Cookie })).text, first.text);
  const versioned = await reply(httpPort, '/api/x', { Host });
  t.is(versioned.text, 'api');
  t.is(versioned.headers['strict-transport-security'], 'max-age=15768000');
  t.is((await reply(apiPort, '/')).text, 'api', 'and at its own port');
  const locked = await reply(httpPort, '/', { Host: 'inner.example' });
  t.is(locked.statusCode, 401);
  t.regex(locked.headers['www-authenticate'] ?? '', /realm="members"/);
  t.is((await reply(rawPort, '/')).statusCode, 403);

  // A cookie cannot be added to an HAProxy that runs: it loads anew.
  const more = await scene.instance(shop, 'c');
  await until(haproxy, 'RELOADED', () => scene.view.put(shop, more));
  t.is((await reply(shopPort, '/')).text, 'c');
});

/** Time at five times its speed, for what is tried again after a while. */
const hurried: Clock = {
  now: () => systemClock.now() * 5,
  wallMs: () => systemClock.wallMs(),
  after: (delayMs, run) => systemClock.after(delayMs / 5, run),
  soon: run => systemClock.soon(run),
};

haproxyTest('a port that another program has is left out until it is free', async t => {
  const scene = new Scene(t);
  const squatter = createServer();
  squatter.listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  const taken = squatter.address();
  const port = typeof taken === 'object' && taken !== null ? taken.port : 0;
  const web = listening([port, await freePort()]);
  scene.view.put(web);
  const haproxy = await scene.run({ clock: hurried });
  t.deepEqual(haproxy.refused, [{ appId: '/web', portIndex: 0, why: `port ${port} is taken by another program` }]);
  const { workers } = await scene.processes();
  await until(haproxy, 'RELOADED', () => squatter.close());
  t.deepEqual(haproxy.refused, []);
  t.notDeepEqual((await scene.processes()).workers, workers);
});

haproxyTest(
  'a configuration that HAProxy refuses leaves the last one in force, and servers still come and go',
  async t => {
    const scene = new Scene(t);
    const port = await freePort();
    const web = listening([port], { healthChecks: [health] });
    const one = await scene.instance(web, 'one');
    scene.view.put(web, one);
    const command = join(scene.dir, 'picky');
    const mood = join(scene.dir, 'bad-mood');
    writeFileSync(
      command,
      `#!/bin/sh\nif [ "$1" = -c ] && [ -e ${mood} ]; then echo '[ALERT]    (7) : config : not today' >&2; exit 1; fi\nexec haproxy "$@"\n`,
      { mode: 0o755 },
    );
    const haproxy = await scene.run({ command, clock: hurried });
    const load = scene.load(port, 2);
    await load.more(20);
    writeFileSync(mood, '');
    const other = listening([await freePort()], { id: '/other' });
    const kept = await until(haproxy, 'KEPT', () => scene.view.put(other));
    t.deepEqual(kept, { type: 'KEPT', why: 'config : not today' });
    t.is(haproxy.problem, 'config : not today');
    const two = await scene.instance(web, 'two');
    // The new one is taken; the file that was refused is not tried at once again.
    scene.view.put(web, one, two);
    while (!load.take().has('two')) await load.more(10);
    unlinkSync(mood);
    await until(haproxy, 'RELOADED', () => {});
    t.is(haproxy.problem, undefined);
    await load.stop();
    t.deepEqual(load.failures, []);
  },
);

haproxyTest(
  'HAProxy is started again when it has died, taken over when we had, and ends when it is told to',
  async t => {
    const scene = new Scene(t);
    const port = await freePort();
    const web = listening([port], { healthChecks: [health] });
    const one = await scene.instance(web, 'one');
    scene.view.put(web, one);
    const haproxy = await scene.run();
    const { master } = await scene.processes();
    await until(haproxy, 'STARTED', () => process.kill(master, 'SIGKILL'));
    const second = await scene.processes();
    t.not(second.master, master);
    const load = scene.load(port, 4);
    await load.more(50);

    // We go, it stays; what has changed meanwhile is made good.
    await haproxy.stop({ leave: true });
    await load.more(50);
    const two = await scene.instance(web, 'two');
    scene.view.put(web, one, two);
    const next = await scene.run();
    t.is((await scene.processes()).master, second.master);
    t.deepEqual(next.refused, [], 'its own ports are not in its way');
    load.take();
    while (!load.take().has('two')) await load.more(10);
    await load.stop();
    t.deepEqual(load.failures, []);
    await next.stop();
    t.false(isRunning(second.master));
    t.false(existsSync(join(scene.dir, 'haproxy.cfg.next')));
  },
);

haproxyTest('what keeps HAProxy from starting is said', async t => {
  const scene = new Scene(t);
  scene.view.put(listening([await freePort()]));
  const https = { port: await freePort(), certificates: join(scene.dir, 'missing.pem') };
  const refused = await t.throwsAsync<ProfferError>(() => scene.run({ https }));
  t.is(refused?.code, 'CONFIG');
  t.regex(refused?.message ?? '', /missing\.pem/);
  const absent = await t.throwsAsync<ProfferError>(() => scene.run({ command: '/nonexistent/haproxy' }));
  t.is(absent?.code, 'USAGE');
  t.regex(absent?.hint ?? '', /apt-get install haproxy/);
});
