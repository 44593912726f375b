// The server itself: what every answer carries, paths that do not exist, who may ask, bounds on requests; streams and callbacks; the process.
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { errorCodes, ProfferError } from 'proffer';
import { LogLevels } from '../../../../frameworks/marathon/api/log-levels.js';
import { serveApi } from '../../../../frameworks/marathon/api/server.js';
import { loggerTo } from '../../../../src/env/log.js';
import { VirtualClock } from '../../../../src/env/virtual-clock.js';
import type { Marathon } from '../../../../frameworks/marathon/service/marathon.js';
import { Rig } from './rig.js';

test('every answer names the leader and is not to be kept', async t => {
  const rig = await Rig.start(t);
  for (const path of ['/v2/apps', '/v2/apps/none', '/ping', '/nothing', '/v2/apps/%zz']) {
    const { headers } = await rig.get(path);
    t.is(headers['cache-control'], 'no-cache, no-store, must-revalidate', path);
    t.is(headers['x-marathon-leader'], rig.server.url, path);
  }
});

test('ids are found with doubled slashes, escaped ones, and none at the end', async t => {
  const rig = await Rig.start(t);
  await rig.app({ id: '/t/a', cmd: 'x' });
  for (const path of ['/v2/apps//t/a', '/v2/apps/t/a/', '//v2//apps//t//a', '/v2/apps/%2Ft%2Fa', '/v2/apps//t/a?_=1'])
    t.is((await rig.get(path)).json?.app.id, '/t/a', path);
  t.is((await rig.get('/v2/apps/t/../t/a')).status, 404);
});

test('a path that is not there is 404, one that cannot be read 400, another method 405', async t => {
  const rig = await Rig.start(t);
  for (const path of [
    '/nothing',
    '/v2',
    '/v2/nothing',
    '/v2/deployments/x/y',
    '/v2/plugins/x',
    '/v2/tasks/x',
    '/v1/apps',
  ]) {
    const { status, json } = await rig.get(path);
    t.is(status, 404, path);
    t.deepEqual(json, { message: 'URI not found' }, path);
  }
  for (const path of ['/v2/apps/%zz', '/v2/apps/%', '/v2/apps/%ff']) t.is((await rig.get(path)).status, 400, path);
  t.is((await rig.get('/v2/apps/%00')).status, 404);
  t.is((await rig.get(`/v2/apps/${'x'.repeat(9000)}`)).status, 404);
  const wrong = await rig.delete('/v2/apps');
  t.is(wrong.status, 405);
  t.is(wrong.headers.allow, 'GET, POST, PUT, PATCH, HEAD, OPTIONS');
  t.is(wrong.json.message, 'Method Not Allowed');
  const options = await rig.ask('OPTIONS', '/v2/apps//t/a/restart');
  t.is(options.status, 204);
  t.is(options.headers.allow, 'POST, OPTIONS');
  for (const path of ['/v2/apps', '/v2/events']) t.is((await rig.ask('HEAD', path)).text, '', path);
  t.is((await rig.ask('PROPFIND', '/v2/apps')).status, 405);
});

test('bodies are JSON whatever they are called', async t => {
  const rig = await Rig.start(t);
  const types = ['application/json', 'application/x-www-form-urlencoded', 'text/plain; charset=utf-8'];
  for (const [index, type] of types.entries()) {
    const { status } = await rig.ask('POST', '/v2/apps', { id: `/a${index}`, cmd: 'x' }, { 'content-type': type });
    t.is(status, 201, type);
    rig.settle();
  }
  t.is((await rig.post('/v2/apps', { id: '/none', cmd: 'x' })).status, 201);
  t.is((await rig.ask('POST', '/v2/apps', { id: '/b', cmd: 'x' }, { 'content-type': 'garbage' })).status, 415);
  t.is((await rig.ask('DELETE', '/v2/apps/a0', undefined, { 'content-type': 'application/json' })).status, 200);
  t.is((await rig.ask('DELETE', '/v2/apps/a1', 'what?', { 'content-type': 'application/json' })).status, 200);
});

test('a body that is no JSON is told where it stops being it', async t => {
  const rig = await Rig.start(t);
  const details = async (body: string | Buffer): Promise<string> => {
    const { status, json } = await rig.post('/v2/apps', body);
    t.is(status, 400);
    t.is(json.message, 'Invalid JSON');
    return (json as unknown as { readonly details: string }).details;
  };
  t.regex(await details('{"id": "/a",\n "cmd" "x"}'), /line 2, column 8/);
  t.regex(await details('{"id": "/a"'), /line 1, column 12|end of JSON input/);
  t.regex(await details('['.repeat(100_000)), /deeper than 64 levels at line 1, column 65/);
  t.is(await details(Buffer.from([0x7b, 0xff, 0x7d])), 'the body is not UTF-8');
  for (const body of ['', '  '])
    t.is((await rig.put('/v2/apps/a', body)).json.message, 'Please specify data in JSON format');
  t.is((await rig.post('/v2/apps', `{"id": "/a", "cmd": "${'[{"'.repeat(0)}${'['.repeat(99)}"}`)).status, 201);
  for (const body of ['7', 'null', '[]', '"x"']) t.is((await rig.post('/v2/apps', body)).status, 400, body);
  const reserved = await rig.post('/v2/apps', '{"id": "/b", "cmd": "x", "env": {"__proto__": "x"}}');
  t.is(reserved.status, 400);
  t.is(reserved.json.details[0].path, '/env');
});

test('switches are true or false, in letters of any case', async t => {
  const rig = await Rig.start(t);
  await rig.app({ id: '/a', cmd: 'x' });
  t.is((await rig.put('/v2/apps/a?force=False', { instances: 1 })).status, 200);
  t.is((await rig.put('/v2/apps/a?force=TRUE', { instances: 1 })).status, 200);
  const { status, json } = await rig.put('/v2/apps/a?force=perhaps', { instances: 1 });
  t.is(status, 400);
  t.is(json.message, 'the query parameter force must be true or false, "perhaps" is given');
});

test('a body that is too large is refused', async t => {
  const rig = await Rig.start(t, { api: { bodyBytesMax: 1000 } });
  const { status, json } = await rig.post('/v2/apps', { id: '/a', cmd: 'x'.repeat(1000) });
  t.is(status, 413);
  t.is(json.message, 'the body exceeds 1000 bytes');
});

test('pages of other sites may not ask, and those that are allowed may only read', async t => {
  const rig = await Rig.start(t, { api: { allowedOrigins: ['https://ui.example'], allowedHosts: ['box.example'] } });
  const from = (origin: string, method = 'GET', host?: string): ReturnType<Rig['ask']> =>
    rig.ask(method, '/v2/apps', undefined, host === undefined ? { origin } : { origin, host });
  t.is((await from('https://evil.example')).status, 403);
  const allowed = await from('https://ui.example');
  t.is(allowed.status, 200);
  t.is(allowed.headers['access-control-allow-origin'], 'https://ui.example');
  t.is((await from('https://ui.example', 'POST')).status, 403);
  const preflight = await from('https://ui.example', 'OPTIONS');
  t.is(preflight.status, 204);
  t.is(preflight.headers['access-control-allow-methods'], 'GET, HEAD, OPTIONS');
  t.is((await from(rig.server.url)).status, 200);
  t.is((await rig.ask('GET', '/v2/apps', undefined, { host: 'rebound.example' })).status, 403);
  t.is((await rig.ask('GET', '/v2/apps', undefined, { host: 'box.example:8080' })).status, 200);
  await t.throwsAsync(serveApi(rig.site.marathon, { port: 0, host: '0.0.0.0' }), { code: 'FORBIDDEN' });
});

test('requests beyond the bound are refused, and streams do not count', async t => {
  const held: (() => void)[] = [];
  const waiting = (marathon: Marathon): Marathon =>
    new Proxy(marathon, {
      get: (target, name) => {
        if (name !== 'cancel') return Reflect.get(target, name) as unknown;
        return () => new Promise<boolean>(resolve => held.push(() => resolve(false)));
      },
    });
  const rig = await Rig.start(t, { api: { requestsMax: 1 }, between: waiting });
  const stream = await rig.open('GET', '/v2/events');
  t.is((await rig.get('/ping')).status, 200);
  const first = rig.delete('/v2/deployments/x?force=true');
  while (held.length === 0) await new Promise(setImmediate);
  const { status, json } = await rig.get('/ping');
  t.is(status, 503);
  t.is(json.message, 'Too many concurrent requests! Allowed: 1.');
  held.forEach(release => release());
  t.is((await first).status, 404);
  t.is((await rig.get('/ping')).status, 200);
  stream.destroy();
});

test('what takes too long is answered 503', async t => {
  const never = (marathon: Marathon): Marathon =>
    new Proxy(marathon, {
      get: (target, name) => (name === 'cancel' ? () => new Promise(() => {}) : (Reflect.get(target, name) as unknown)),
    });
  const clock = new VirtualClock();
  const rig = await Rig.start(t, { between: never });
  const server = await serveApi(never(rig.site.marathon), {
    port: 0,
    answerMs: 1000,
    env: { clock, log: loggerTo(() => {}) },
  });
  t.teardown(() => server.close());
  const sent = fetch(`${server.url}/v2/deployments/x?force=true`, { method: 'DELETE' });
  const pending = { is: true };
  void sent.finally(() => (pending.is = false));
  while (pending.is) {
    await new Promise(setImmediate);
    clock.advance(100);
  }
  t.is((await sent).status, 503);
});

test('a store that has failed is told as what it is', async t => {
  const failed = (marathon: Marathon): Marathon =>
    new Proxy(marathon, {
      get: (target, name) => {
        if (name !== 'change') return Reflect.get(target, name) as unknown;
        return () => Promise.reject(new ProfferError('STORE_FAILED', 'the disk is full', { hint: 'make room' }));
      },
    });
  const rig = await Rig.start(t, { between: failed });
  const { status, json } = await rig.post('/v2/apps', { id: '/a', cmd: 'x' });
  t.is(status, errorCodes.STORE_FAILED.http);
  t.deepEqual<unknown, unknown>(json, { message: 'the disk is full', details: 'make room' });
});

test('streams are as many as may be', async t => {
  const rig = await Rig.start(t, { api: { streamsMax: 1 } });
  const first = await rig.open('GET', '/v2/events');
  t.is((await rig.get('/v2/events')).status, 503);
  first.destroy();
});

test('a bug is told as one, and logged in full', async t => {
  const lines: string[] = [];
  const broken = (marathon: Marathon): Marathon =>
    new Proxy(marathon, {
      get: (target, name) => {
        if (name === 'queue')
          return () => {
            throw new TypeError('a bug');
          };
        return Reflect.get(target, name) as unknown;
      },
    });
  const rig = await Rig.start(t, { between: broken });
  const log = loggerTo((level, message, { error }) => lines.push(`${level} ${message} ${String(error)}`));
  const server = await serveApi(broken(rig.site.marathon), { port: 0, env: { clock: new VirtualClock(), log } });
  t.teardown(() => server.close());
  const answer = await fetch(`${server.url}/v2/queue`);
  t.is(answer.status, 500);
  t.deepEqual(await answer.json(), { message: 'a bug' });
  t.regex(lines.join('\n'), /^error a request failed TypeError: a bug\n/);
});

test('a port that is taken is said so', async t => {
  const rig = await Rig.start(t);
  const port = Number(new URL(rig.server.url).port);
  await t.throwsAsync(serveApi(rig.site.marathon, { port }), { code: 'ADDRESS_IN_USE', message: /is taken/ });
});

test('bytes that are no request are answered, and cut', async t => {
  const rig = await Rig.start(t);
  const socket = connect(Number(new URL(rig.server.url).port), '127.0.0.1');
  socket.end('what is this\r\n\r\n');
  t.regex(await text(socket), /^HTTP\/1\.1 400 /);
  t.is((await rig.get('/ping')).status, 200);
});

/** The events that a stream has sent, up to the one that ends it. */
async function events(
  stream: IncomingMessage,
  last: string,
): Promise<{ type: string; data: { [name: string]: unknown } }[]> {
  let got = '';
  const found = (): string[] => got.split('\r\n\r\n').slice(0, -1);
  for await (const chunk of stream) {
    got += String(chunk);
    if (found().some(frame => frame.includes(`event: ${last}\r\n`))) break;
  }
  return found().flatMap(frame => {
    const match = /^event: (\w+)\r\ndata: (.*)$/.exec(frame.trimStart());
    return match === null
      ? []
      : [{ type: match[1] ?? '', data: JSON.parse(match[2] ?? '') as { [name: string]: unknown } }];
  });
}

test('events are streamed, all or those asked for', async t => {
  const rig = await Rig.start(t);
  const all = await rig.open('GET', '/v2/events');
  t.is(all.headers['content-type'], 'text/event-stream;charset=utf-8');
  t.is(all.headers['x-marathon-leader'], rig.server.url);
  const some = await rig.open('GET', '/v2/events?event_type=deployment_success&event_type=deployment_failed');
  await rig.app({ id: '/a', cmd: 'x' });
  const got = await events(all, 'deployment_success');
  const types = got.map(({ type }) => type);
  t.deepEqual(types.slice(0, 2), ['event_stream_attached', 'event_stream_attached']);
  for (const type of ['api_post_event', 'group_change_success', 'deployment_info', 'status_update_event'])
    t.true(types.includes(type), type);
  const data: { readonly [name: string]: unknown } = got.find(({ type }) => type === 'deployment_success')?.data ?? {};
  t.like(data, { eventType: 'deployment_success' });
  t.deepEqual(Object.keys(data['plan'] as object), ['id', 'version', 'steps']);
  t.deepEqual(
    (await events(some, 'deployment_success')).map(({ type }) => type),
    ['deployment_success'],
  );
});

async function listener(
  t: ExecutionContext,
): Promise<{ url: string; next: () => Promise<{ [name: string]: unknown }> }> {
  const got: { [name: string]: unknown }[] = [];
  const server = createServer((request, response) => {
    void text(request).then(body => {
      got.push(JSON.parse(body) as { [name: string]: unknown });
      response.end();
      server.emit('posted');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const next = async (): Promise<{ [name: string]: unknown }> => {
    while (got.length === 0) await once(server, 'posted');
    return got.shift() ?? {};
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hear`, next };
}

test('addresses subscribe to events, and are called after a restart of the server', async t => {
  const rig = await Rig.start(t);
  const { url, next } = await listener(t);
  const path = `/v2/eventSubscriptions?callbackUrl=${encodeURIComponent(url)}`;
  const added = await rig.post(path);
  t.is(added.status, 200);
  t.like(added.json, { eventType: 'subscribe_event', callbackUrl: url, clientIp: '127.0.0.1' });
  t.like(await next(), { eventType: 'subscribe_event', callbackUrl: url });
  t.deepEqual((await rig.get('/v2/eventSubscriptions')).json, { callbackUrls: [url] });
  const second = await serveApi(rig.site.marathon, { port: 0 });
  t.teardown(() => second.close());
  rig.site.marathon.events.publish({ type: 'scheduler_disconnected_event' });
  t.like(await next(), { eventType: 'scheduler_disconnected_event' });
  t.like(await next(), { eventType: 'scheduler_disconnected_event' }, 'by the other server');
  await second.close();
  t.is((await rig.delete(path)).json.eventType, 'unsubscribe_event');
  t.deepEqual((await rig.get('/v2/eventSubscriptions')).json, { callbackUrls: [] });
  t.is((await rig.post('/v2/eventSubscriptions')).status, 400);
  t.is((await rig.post('/v2/eventSubscriptions?callbackUrl=ftp://x')).status, 422);
});

test('the process says who it is', async t => {
  const rig = await Rig.start(t, { api: { config: { marathon: { framework_name: 'm' }, http: { http_port: 8080 } } } });
  const { json: info } = await rig.get('/v2/info');
  const at = rig.server.url.replace('http://', '');
  t.like(info, { name: 'marathon', elected: true, leader: at, http_config: { http_port: 8080, https_port: null } });
  t.regex(info.version, /^1\.11\.\d+$/);
  t.regex(info.buildref, /^proffer-\d/);
  t.is(typeof info.frameworkId, 'string');
  t.like(info.marathon_config, {
    framework_name: 'm',
    mesos_role: 'marathon',
    local_port_min: 10_000,
    features: [],
    hostname: null,
  });
  t.is(info.zookeeper_config.zk, null);
  t.deepEqual((await rig.get('/v2/plugins')).json, { plugins: [] });
  t.deepEqual((await rig.get('/v2/leader')).json, { leader: at });
  t.is((await rig.get('/config')).json.marathon.framework_name, 'm');
  t.is((await rig.get('/')).headers.location, '/ui/');
});

test('ping is answered in the type that is asked for', async t => {
  const rig = await Rig.start(t);
  const ping = async (accept?: string): Promise<string> => {
    const {
      status,
      headers,
      text: body,
    } = await rig.ask('GET', '/ping', undefined, accept === undefined ? {} : { accept });
    return `${status} ${headers['content-type'] ?? ''} ${body}`;
  };
  t.is(await ping(), '200 text/plain pong');
  t.is(await ping('*/*'), '200 text/plain pong');
  t.is(await ping('text/html'), '200 text/html pong');
  t.is(await ping('application/json'), '200 application/json "pong"');
  t.is(await ping('image/png'), '204  ');
});

test('the leader gives way when asked to, after it has answered', async t => {
  const rig = await Rig.start(t);
  const refused = await rig.delete('/v2/leader?backup=file:///b');
  t.is(refused.status, 422);
  t.is(refused.json.details[0].path, '/backup');
  const { status, json } = await rig.delete('/v2/leader');
  t.is(status, 200);
  t.deepEqual(json, { message: 'Leadership abdicated' });
  t.true(rig.site.framework.connected);
  t.true(rig.site.c.runUntil(() => !rig.site.framework.connected, '2s'));
});

test('nobody leads', async t => {
  const rig = await Rig.start(t, { api: { leader: () => undefined } });
  t.deepEqual((await rig.get('/v2/leader')).json, { message: 'There is no leader' });
  t.is((await rig.delete('/v2/leader')).status, 404);
  t.like((await rig.get('/v2/info')).json, { elected: false, leader: null });
  t.false('x-marathon-leader' in (await rig.get('/ping')).headers);
});

test('counts are given as JSON and for Prometheus', async t => {
  const rig = await Rig.start(t);
  await rig.app({ id: '/t/a', cmd: 'x', instances: 2 });
  const { json } = await rig.get('/metrics');
  t.is(json.version, '4.0.0');
  t.like(json.gauges, {
    'marathon.apps.active.gauge': { value: 1 },
    'marathon.groups.active.gauge': { value: 2 },
    'marathon.instances.running.gauge': { value: 2 },
    'marathon.deployments.active.gauge': { value: 0 },
    'marathon.http.requests.active.gauge': { value: 1 },
  });
  t.true((json.counters['marathon.http.responses.size.counter.bytes']?.count ?? 0) > 100);
  const { text: page, headers } = await rig.get('/metrics/prometheus');
  t.is(headers['content-type'], 'text/plain; version=0.0.4');
  t.regex(page, /^# TYPE marathon_apps_active_gauge gauge\nmarathon_apps_active_gauge 1$/m);
});

test('levels of loggers are shown and set, for a while or for good', async t => {
  const clock = new VirtualClock();
  const levels = new LogLevels(clock);
  const said: string[] = [];
  const log = levels.named(
    'marathon.core',
    loggerTo((level, message) => said.push(`${level} ${message}`)),
  );
  const rig = await Rig.start(t, { api: { levels } });
  t.deepEqual((await rig.get('/logging')).json, { 'marathon.core': 'INFO', 'marathon.api': 'INFO' });
  log.debug('not heard');
  const change = { logger: 'marathon.core', level: 'debug', durationSeconds: 10 };
  t.deepEqual((await rig.post('/logging', change)).json, change);
  log.child({ a: 1 }).debug('heard');
  clock.advance(10_000);
  log.debug('not heard');
  log.info('heard');
  t.deepEqual(said, ['debug heard', 'info heard']);
  t.is((await rig.post('/logging', { logger: 'x', level: 'info' })).status, 422);
  t.is((await rig.post('/logging', { logger: 'marathon.core', level: 'loud' })).status, 422);
  t.is((await rig.post('/logging', { logger: 'marathon.core' })).status, 422);
});

test('the files of a web UI are served, and nothing beside them', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'proffer-ui-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  mkdirSync(join(dir, 'ui/js'), { recursive: true });
  writeFileSync(join(dir, 'secret'), 'secret');
  writeFileSync(join(dir, 'ui/index.html'), '<p>hello');
  writeFileSync(join(dir, 'ui/js/main.js'), 'call("../v2/apps")');
  symlinkSync(join(dir, 'secret'), join(dir, 'ui/link'));
  const rig = await Rig.start(t, { api: { uiDir: join(dir, 'ui') } });
  t.is((await rig.get('/ui')).headers.location, '/ui/');
  const page = await rig.get('/ui/');
  t.is(page.text, '<p>hello');
  t.is(page.headers['content-type'], 'text/html; charset=utf-8');
  t.is((await rig.get('/ui/js/main.js')).text, 'call("../v2/apps")');
  for (const path of ['/ui/none', '/ui/js', '/ui/link', '/ui/../secret', '/ui/%2e%2e/secret', '/ui/%00'])
    t.is((await rig.get(path)).status, 404, path);
  const bare = await Rig.start(t);
  t.is((await bare.get('/ui/')).status, 404);
});
