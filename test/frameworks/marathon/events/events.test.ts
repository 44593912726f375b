// Events as clients meet them: their JSON, the stream over a real socket, and addresses they are posted to.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { silentLogger } from '../../../../src/env/log.js';
import { VirtualClock } from '../../../../src/env/virtual-clock.js';
import { EventBus, Published } from '../../../../frameworks/marathon/events/bus.js';
import { callbackProblem, Callbacks } from '../../../../frameworks/marathon/events/callbacks.js';
import type { CallbackOptions } from '../../../../frameworks/marathon/events/callbacks.js';
import { eventTypes } from '../../../../frameworks/marathon/events/event.js';
import type { EventBodies, EventType, MarathonEvent, Telling } from '../../../../frameworks/marathon/events/event.js';
import { eventJson } from '../../../../frameworks/marathon/events/event-json.js';
import { EventStreams, frameOf, typesIn } from '../../../../frameworks/marathon/events/streams.js';
import type { StreamOptions } from '../../../../frameworks/marathon/events/streams.js';
import { emptyGroup } from '../../../../frameworks/marathon/model/group.js';
import { planDeployment } from '../../../../frameworks/marathon/plan/plan.js';
import { holds } from '../../../support/property.js';
import { app, pod, treeOf } from '../records/specs.js';

const at = Date.parse('2024-01-31T12:00:00.000Z');
const plan = planDeployment(emptyGroup(), treeOf(app('/web', at), pod('/p', at)), { id: 'd1' });
const planJson = {
  id: 'd1',
  version: '2024-01-31T12:00:00.000Z',
  steps: [
    {
      actions: [
        { action: 'StartApplication', app: '/web' },
        { action: 'StartPod', pod: '/p' },
      ],
    },
    {
      actions: [
        { action: 'ScaleApplication', app: '/web' },
        { action: 'ScalePod', pod: '/p' },
      ],
    },
  ],
};
const stepJson = planJson.steps[1];
const ofInstance = { instanceId: 'web.instance-1', runSpecId: '/web', runSpecVersion: at };
const ofDeployment = { plan, step: 1 };
const version = '2024-01-31T12:00:00.000Z';

/** Of each type what it carries, and what clients read. */
const samples: { readonly [T in EventType]: readonly [EventBodies[T], object] } = {
  api_post_event: [
    { clientIp: '::1', uri: '/v2/apps', appDefinition: { id: '/web' } },
    { clientIp: '::1', uri: '/v2/apps', appDefinition: { id: '/web' } },
  ],
  pod_created_event: [
    { clientIp: '::1', uri: '/v2/pods' },
    { clientIp: '::1', uri: '/v2/pods' },
  ],
  pod_updated_event: [
    { clientIp: '::1', uri: '/v2/pods//p' },
    { clientIp: '::1', uri: '/v2/pods//p' },
  ],
  pod_deleted_event: [
    { clientIp: '::1', uri: '/v2/pods//p' },
    { clientIp: '::1', uri: '/v2/pods//p' },
  ],
  scheduler_registered_event: [
    { frameworkId: 'F1', master: 'box:5050' },
    { frameworkId: 'F1', master: 'box:5050' },
  ],
  scheduler_reregistered_event: [{ master: 'box:5050' }, { master: 'box:5050' }],
  scheduler_disconnected_event: [{}, {}],
  subscribe_event: [
    { clientIp: '::1', callbackUrl: 'http://a/' },
    { clientIp: '::1', callbackUrl: 'http://a/' },
  ],
  unsubscribe_event: [
    { clientIp: '::1', callbackUrl: 'http://a/' },
    { clientIp: '::1', callbackUrl: 'http://a/' },
  ],
  event_stream_attached: [{ remoteAddress: '::1' }, { remoteAddress: '::1' }],
  event_stream_detached: [{ remoteAddress: '::1' }, { remoteAddress: '::1' }],
  add_health_check_event: [
    { appId: '/web', version: at, healthCheck: { protocol: 'TCP' } },
    { appId: '/web', version, healthCheck: { protocol: 'TCP' } },
  ],
  remove_health_check_event: [{ appId: '/web' }, { appId: '/web' }],
  failed_health_check_event: [
    { appId: '/web', instanceId: 'web.instance-1', healthCheck: { protocol: 'TCP' } },
    { appId: '/web', taskId: 'web.instance-1', instanceId: 'web.instance-1', healthCheck: { protocol: 'TCP' } },
  ],
  health_status_changed_event: [
    { appId: '/web', instanceId: 'web.instance-1', version: at, alive: true },
    { appId: '/web', instanceId: 'web.instance-1', version, alive: true },
  ],
  unhealthy_instance_kill_event: [
    { appId: '/web', taskId: 't', instanceId: 'i', version: at, reason: 'r', host: 'box', slaveId: 'S1' },
    { appId: '/web', taskId: 't', instanceId: 'i', version, reason: 'r', host: 'box', slaveId: 'S1' },
  ],
  group_change_success: [
    { groupId: '/g', version: at },
    { groupId: '/g', version },
  ],
  group_change_failed: [
    { groupId: '/g', version: at, reason: 'locked' },
    { groupId: '/g', version, reason: 'locked' },
  ],
  deployment_info: [ofDeployment, { plan: planJson, currentStep: stepJson }],
  deployment_step_success: [ofDeployment, { plan: planJson, currentStep: stepJson }],
  deployment_step_failure: [ofDeployment, { plan: planJson, currentStep: stepJson }],
  deployment_success: [{ plan }, { id: 'd1', plan: planJson }],
  deployment_failed: [
    { plan, reason: 'cancelled' },
    { id: 'd1', plan: planJson, reason: 'cancelled' },
  ],
  deployment_stalled: [
    { ...ofDeployment, sinceMs: 300_000, waitingFor: ['1 instance to be healthy'] },
    { id: 'd1', plan: planJson, currentStep: stepJson, sinceSeconds: 300, waitingFor: ['1 instance to be healthy'] },
  ],
  app_terminated_event: [{ appId: '/web' }, { appId: '/web' }],
  status_update_event: [
    {
      slaveId: 'S1',
      taskId: 't',
      taskStatus: 'TASK_RUNNING',
      message: '',
      appId: '/web',
      host: 'box',
      ipAddresses: ['10.0.0.1', 'fe80::1'],
      ports: [31_000],
      version: at,
    },
    {
      slaveId: 'S1',
      taskId: 't',
      taskStatus: 'TASK_RUNNING',
      message: '',
      appId: '/web',
      host: 'box',
      ipAddresses: [
        { ipAddress: '10.0.0.1', protocol: 'IPv4' },
        { ipAddress: 'fe80::1', protocol: 'IPv6' },
      ],
      ports: [31_000],
      version,
    },
  ],
  framework_message_event: [
    { executorId: 'e', slaveId: 'S1', message: 'aGk=' },
    { executorId: 'e', slaveId: 'S1', message: 'aGk=' },
  ],
  instance_changed_event: [
    { ...ofInstance, condition: 'Scheduled' },
    {
      instanceId: 'web.instance-1',
      runSpecId: '/web',
      runSpecVersion: version,
      condition: 'Scheduled',
      agentId: null,
      host: null,
    },
  ],
  instance_health_changed_event: [
    ofInstance,
    { instanceId: 'web.instance-1', runSpecId: '/web', runSpecVersion: version, healthy: null },
  ],
  unknown_instance_terminated_event: [
    { instanceId: 'web.instance-1', runSpecId: '/web', condition: 'Killed' },
    { instanceId: 'web.instance-1', runSpecId: '/web', condition: 'Killed' },
  ],
};

test('every event has Marathon’s members', t => {
  t.is(eventTypes.length, 30);
  for (const type of eventTypes) {
    const [body, json] = samples[type];
    const event = { type, at, ...body } as MarathonEvent;
    t.deepEqual(eventJson(event), { ...json, eventType: type, timestamp: version }, type);
  }
  const { slaveId: _, ...without } = samples.unhealthy_instance_kill_event[0];
  t.false(
    'slaveId' in eventJson({ type: 'unhealthy_instance_kill_event', at, ...without }),
    'none is left out, not null',
  );
});

function newBus(): { readonly bus: EventBus; readonly clock: VirtualClock } {
  const clock = new VirtualClock();
  return { bus: new EventBus({ clock, log: silentLogger }), clock };
}

test('listeners hear what they asked for, in order, whatever another one does', t => {
  const { bus } = newBus();
  const heard: string[] = [];
  bus.subscribe(({ event }) => {
    if (event.type === 'app_terminated_event') bus.publish({ type: 'scheduler_disconnected_event' });
    throw new Error('I always fail');
  });
  bus.subscribe(({ event }) => heard.push(`all ${event.type}`));
  const stop = bus.subscribe(
    ({ event }) => heard.push(`some ${event.type}`),
    new Set(['scheduler_disconnected_event']),
  );
  bus.publish({ type: 'app_terminated_event', appId: '/a' });
  stop();
  bus.publish({ type: 'scheduler_disconnected_event' });
  t.deepEqual(heard, [
    'all app_terminated_event',
    'all scheduler_disconnected_event',
    'some scheduler_disconnected_event',
    'all scheduler_disconnected_event',
  ]);
});

// Streams

/** A server with `GET /v2/events`, as the API will have it. */
async function eventServer(t: ExecutionContext, options: StreamOptions = {}) {
  const { bus, clock } = newBus();
  const streams = new EventStreams(bus, { clock, log: silentLogger }, options);
  const { port } = await listening(t, request => {
    const types = typesIn(new URL(request.url ?? '/', 'http://any').searchParams);
    return response => streams.serve(response, { remoteAddress: '127.0.0.1', types });
  });
  return { bus, clock, streams, port };
}

type Answer = (response: Parameters<EventStreams['serve']>[0]) => void;

async function listening(
  t: ExecutionContext,
  handle: (request: IncomingMessage) => Answer,
): Promise<{ port: number; server: Server }> {
  const server = createServer((request, response) => handle(request)(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, server };
}

/** A client that keeps what it reads. */
class Reader {
  readonly socket: Socket;
  #text = '';
  #wake = (): void => {};

  constructor(port: number, query = '') {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('latin1');
    this.socket.on('data', (chunk: string) => {
      this.#text += chunk;
      this.#wake();
    });
    this.socket.on('error', () => {});
    this.socket.write(`GET /v2/events${query} HTTP/1.1\r\nHost: x\r\n\r\n`);
  }

  /** Everything so far, once it has `what`. */
  async until(what: string | RegExp): Promise<string> {
    while (typeof what === 'string' ? !this.#text.includes(what) : !what.test(this.#text)) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
    return this.#text;
  }

  /** Names of the events so far. */
  get names(): string[] {
    return [...this.#text.matchAll(/event: (\w+)\r\n/g)].map(match => match[1] ?? '');
  }
}

test('a stream is CRLF lines, begins with its own attachment, and stays alive', async t => {
  const { bus, clock, port } = await eventServer(t);
  const reader = new Reader(port);
  await reader.until('event_stream_attached');
  bus.publish({ type: 'app_terminated_event', appId: '/a' });
  const text = await reader.until('"/a"');
  t.regex(text, /^HTTP\/1\.1 200 OK\r\ncontent-type: text\/event-stream;charset=utf-8\r\n/);
  t.regex(
    text,
    /event: event_stream_attached\r\ndata: \{"remoteAddress":"127\.0\.0\.1","eventType":"event_stream_attached","timestamp":"[^"]+"\}\r\n\r\n/,
  );
  t.regex(text, /event: app_terminated_event\r\ndata: \{"appId":"\/a",[^\r\n]*\}\r\n\r\n/);
  t.false(/[^\r]\n/.test(text.split('\r\n\r\n').slice(1).join('\r\n\r\n')), 'no bare line feed');
  clock.advance(10_000);
  await reader.until(/\r\n2\r\n\r\n\r\n$/);
  reader.socket.destroy();
});

test('a filter lets only what was asked for through, and who leaves is told of', async t => {
  const { bus, port, streams } = await eventServer(t);
  const all = new Reader(port);
  await all.until('event_stream_attached');
  const some = new Reader(port, '?event_type=deployment_success&event_type=app_terminated_event&event_type=nonsense');
  await all.until(/event_stream_attached[^]*event_stream_attached[^]*event_stream_attached/);
  bus.publish({ type: 'deployment_info', plan, step: 0 });
  bus.publish({ type: 'deployment_success', plan });
  bus.publish({ type: 'app_terminated_event', appId: '/a' });
  await some.until('"/a"');
  t.deepEqual(some.names, ['deployment_success', 'app_terminated_event']);
  t.is(streams.size, 2);
  some.socket.destroy();
  await all.until('event_stream_detached');
  t.is(streams.size, 1);
  t.deepEqual(all.names, [
    'event_stream_attached',
    'event_stream_attached',
    'deployment_info',
    'deployment_success',
    'app_terminated_event',
    'event_stream_detached',
  ]);
  streams.close();
  await once(all.socket, 'close');
});

for (const [what, options] of [
  ['events', { waitingMax: 50 }],
  ['bytes', { waitingBytesMax: 300_000 }],
] as const) {
  test(`a client that does not read is dropped when too many ${what} wait for it, and nobody else notices`, async t => {
    const { bus, port } = await eventServer(t, options);
    const reader = new Reader(port, '?event_type=app_terminated_event');
    await reader.until('HTTP/1.1 200');
    reader.socket.pause();
    const heard: string[] = [];
    bus.subscribe(({ event }) => heard.push(event.type));
    const appId = `/${'a'.repeat(60_000)}`;
    let told = 0;
    while (!heard.includes('event_stream_detached') && told < 10_000) {
      bus.publish({ type: 'app_terminated_event', appId });
      told += 1;
      await new Promise(resolve => {
        setImmediate(resolve);
      });
    }
    t.is(heard.at(-1), 'event_stream_detached');
    t.is(heard.length, told + 1);
    reader.socket.destroy();
  });
}

test('whatever an event carries, its frame is read as that event', t => {
  holds(
    t,
    fc.property(fc.constantFrom(...eventTypes), fc.string({ unit: 'binary' }), (type, text) => {
      const event = { type, at, ...samples[type][0], appId: text, message: text } as MarathonEvent;
      const frame = frameOf(new Published(event));
      const lines = frame.split('\r\n');
      assert.deepEqual(lines.slice(2), ['', ''], 'two lines, then a blank one');
      assert.equal(lines[0], `event: ${type}`);
      assert.ok(!/[\r\n]/.test(lines.join('')), 'line ends are escaped');
      assert.deepEqual(
        JSON.parse((lines[1] ?? '').slice('data: '.length)),
        JSON.parse(JSON.stringify(eventJson(event))),
      );
    }),
  );
});

// Callbacks

/** A server that takes posts; `hold` answers none. */
class Receiver {
  readonly bodies: { readonly eventType: string; readonly appId?: string }[] = [];
  status = 200;
  hold = false;
  #wake = (): void => {};
  url = '';

  async listen(t: ExecutionContext): Promise<this> {
    const { port } = await listening(t, request => response => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        this.bodies.push(JSON.parse(Buffer.concat(chunks).toString()) as Receiver['bodies'][number]);
        this.#wake();
        if (!this.hold) response.writeHead(this.status).end();
      });
    });
    this.url = `http://127.0.0.1:${port}/hook`;
    return this;
  }

  async until(count: number): Promise<void> {
    while (this.bodies.length < count) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  get apps(): (string | undefined)[] {
    return this.bodies.map(({ appId }) => appId);
  }
}

function newCallbacks(t: ExecutionContext, options: CallbackOptions = {}) {
  const { bus, clock } = newBus();
  const callbacks = new Callbacks(bus, { clock, log: silentLogger }, options);
  t.teardown(() => callbacks.close());
  const end = (n: number): Telling => ({ type: 'app_terminated_event', appId: `/${n}` });
  return { bus, clock, callbacks, end };
}

test('events are posted in order to all who asked; one that never answers delays nobody', async t => {
  const { bus, callbacks, end } = newCallbacks(t, { waitingMax: 3 });
  const good = await new Receiver().listen(t);
  const dead = await new Receiver().listen(t);
  dead.hold = true;
  t.true(callbacks.add(dead.url));
  t.true(callbacks.add(good.url));
  t.false(callbacks.add(good.url));
  t.deepEqual(callbacks.urls(), [dead.url, good.url]);
  for (let n = 0; n < 10; n += 1) {
    bus.publish(end(n));
    await good.until(n + 1);
  }
  t.deepEqual(good.apps, ['/0', '/1', '/2', '/3', '/4', '/5', '/6', '/7', '/8', '/9']);
  t.is(good.bodies[0]?.eventType, 'app_terminated_event');
  await dead.until(1);
  t.deepEqual(dead.apps, ['/0'], 'one at a time');
});

test('a callback that was away hears what fits its queue, later and later after failures', async t => {
  const { bus, clock, callbacks, end } = newCallbacks(t, { waitingMax: 2, timeoutMs: 5000 });
  const receiver = await new Receiver().listen(t);
  receiver.hold = true;
  callbacks.add(receiver.url);
  for (let n = 0; n < 5; n += 1) bus.publish(end(n));
  await receiver.until(1);
  // The first never gets its answer; the others had no room.
  receiver.hold = false;
  receiver.status = 500;
  clock.advance(5000);
  await waits(clock, 1000);
  await receiver.until(2);
  receiver.status = 204;
  await waits(clock, 2000);
  await receiver.until(3);
  t.deepEqual(receiver.apps, ['/0', '/3', '/4']);
  bus.publish(end(9));
  await receiver.until(4);
  t.true(callbacks.remove(receiver.url));
  t.false(callbacks.remove(receiver.url));
  bus.publish(end(10));
  t.deepEqual(receiver.apps, ['/0', '/3', '/4', '/9']);
});

test('an address nobody answers at is tried again without end', async t => {
  const { bus, clock, callbacks, end } = newCallbacks(t);
  const receiver = await new Receiver().listen(t);
  callbacks.add('http://127.0.0.1:1/none');
  callbacks.add(receiver.url);
  for (let n = 0; n < 3; n += 1) bus.publish(end(n));
  await receiver.until(3);
  await waits(clock, 1000);
  await waits(clock, 2000);
  t.deepEqual(receiver.apps, ['/0', '/1', '/2']);
});

test('only http addresses can be called', t => {
  t.is(callbackProblem('http://a:80/x'), undefined);
  t.is(callbackProblem('https://a/'), undefined);
  for (const url of ['', 'a', 'file:///etc/passwd', 'ftp://a/'])
    t.regex(callbackProblem(url) ?? '', /is not an http address/);
});

/** Until something waits for exactly so long; then it is time. */
async function waits(clock: VirtualClock, ms: number): Promise<void> {
  while (clock.nextDue() !== clock.now() + ms) {
    await new Promise(resolve => {
      setImmediate(resolve);
    });
  }
  clock.advance(ms);
}
