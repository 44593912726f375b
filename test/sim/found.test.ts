// What seeds have found, retold as short stories, so that it stays mended. Each opens with what went wrong.
import test from 'ava';
import type { SchedulerCall, SchedulerEvent } from '../../src/protocol/scheduler-api.js';
import type { RawProgram } from '../../src/sim/index.js';
import { World } from '../../src/sim/index.js';
import { cluster } from '../../src/testing/index.js';
import { closeCodes } from '../../src/transport/transport.js';

/** A scheduler that says what the test says, and keeps what it hears. */
function puppet(
  world: World,
  name: string,
): { readonly heard: SchedulerEvent[]; readonly say: (call: SchedulerCall) => void; connected: () => boolean } {
  const heard: SchedulerEvent[] = [];
  let say: (call: SchedulerCall) => void = () => {};
  let connected = false;
  world.addRawScheduler(name, (_env, send): RawProgram => {
    say = send;
    return {
      on: event => heard.push(event),
      onConnected: () => {
        connected = true;
      },
    };
  });
  return { heard, say: call => say(call), connected: () => connected };
}

let linkIds = 3_000_000_000;

/** A connection to the master outside the network, with its handshake done. */
function knock(
  world: World,
  kind: 'scheduler' | 'agent',
): {
  readonly say: (message: object) => void;
  readonly end: () => void;
  readonly types: () => unknown[];
  readonly open: () => boolean;
} {
  const heard: object[] = [];
  let open = true;
  linkIds += 1;
  const handler = world.master.accept(
    {
      id: linkIds,
      remote: 'by-hand',
      send: message => heard.push(message),
      close: () => {
        open = false;
      },
    },
    `/v1/${kind}`,
  );
  handler?.onMessage({ type: '$HELLO', protocol: 1, kind, version: 'by hand' });
  return {
    say: message => handler?.onMessage(message),
    end: () => handler?.onEnd({ code: closeCodes.lost, reason: 'ended by hand' }),
    types: () => heard.map(message => (message as { type?: unknown }).type),
    open: () => open,
  };
}

test('a task stayed TASK_UNREACHABLE for ever when its agent came back and it had ended', t => {
  const c = cluster({ agents: 1, seed: 2 });
  const framework = c.connect({ name: 'one', failoverTimeoutMs: 3_600_000 });
  const states: string[] = [];
  framework.updates$.subscribe(({ state }) => states.push(state));
  framework.offers$.subscribe(offer => {
    if (states.length === 0) {
      framework.accept(offer, [
        { type: 'LAUNCH', tasks: [{ taskId: 'a', name: 'a', command: 'serve', resources: { cpus: 1, mem: 32 } }] },
      ]);
    }
  });
  c.run('5s');
  c.powerOff('agent-1');
  t.true(c.runUntil(() => states.includes('TASK_UNREACHABLE'), '200s'));
  c.restart('agent-1');
  t.true(c.runUntil(() => states.includes('TASK_FAILED'), '60s'));
  framework.reconcile([{ taskId: 'a' }]);
  c.run('1s');
  t.deepEqual(states.slice(-2), ['TASK_FAILED', 'TASK_FAILED'], 'and reconciliation says the same');
});

test('a SUPPRESS was undone by an UPDATE_FRAMEWORK sent before it, once that was durable', t => {
  const world = new World({ seed: 4 });
  const master = world.addMaster();
  const { say, heard, connected } = puppet(world, 'puppet');
  world.runUntil(connected);
  const framework = { name: 'puppet', roles: ['a'] };
  say({ type: 'SUBSCRIBE', framework });
  world.run('1s');
  const [subscribed] = heard;
  const id = subscribed?.type === 'SUBSCRIBED' ? subscribed.frameworkId : '';
  master.disk.latencyMs = [500, 500];
  say({ type: 'UPDATE_FRAMEWORK', framework: { ...framework, id, labels: { x: 'y' } }, callId: 1 });
  say({ type: 'SUPPRESS' });
  world.run('2s');
  t.true(heard.some(event => event.type === 'ANSWERED' && event.problems.length === 0));
  world.addAgent();
  world.run('10s');
  t.deepEqual(
    heard.filter(event => event.type === 'OFFERS'),
    [],
  );
  say({ type: 'REVIVE' });
  world.run('1s');
  t.is(heard.filter(event => event.type === 'OFFERS').length, 1);
});

test('a SUBSCRIBE that arrived late over an older connection took the framework from the newer one', t => {
  const world = new World({ seed: 6 });
  world.addMaster();
  world.run(100);
  const framework = { name: 'late', roles: ['*'], failoverTimeoutMs: 600_000 };
  const first = knock(world, 'scheduler');
  first.say({ type: 'SUBSCRIBE', framework });
  world.run(100);
  const id = [...(world.master.cluster?.frameworks.keys() ?? [])][0] ?? '';
  first.end();
  const older = knock(world, 'scheduler');
  const newer = knock(world, 'scheduler');
  newer.say({ type: 'SUBSCRIBE', framework: { ...framework, id } });
  world.run(100);
  older.say({ type: 'SUBSCRIBE', framework: { ...framework, id } });
  world.run(100);
  t.deepEqual(newer.types(), ['$WELCOME', 'SUBSCRIBED', 'HEARTBEAT']);
  t.deepEqual(older.types(), ['$WELCOME', 'ERROR']);
  t.deepEqual([older.open(), newer.open()], [false, true]);
});

test('a registration that arrived late over an older connection booked what was offered meanwhile, and the master fell over', t => {
  const world = new World({ seed: 6 });
  world.addMaster();
  const { say, heard, connected } = puppet(world, 'puppet');
  world.runUntil(connected);
  say({ type: 'SUBSCRIBE', framework: { name: 'puppet', roles: ['*'], failoverTimeoutMs: 600_000 } });
  const first = knock(world, 'agent');
  const agent = {
    hostname: 'h',
    port: 0,
    resources: { cpus: 2 },
    attributes: {},
    containerizers: ['PROCESS'],
    version: 'x',
  };
  const register = { type: 'REGISTER', agent, frameworks: [], tasks: [], executors: [], more: false };
  first.say(register);
  world.run(500);
  const [agentId = ''] = world.master.cluster?.agents.keys() ?? [];
  const [frameworkId = ''] = world.master.cluster?.frameworks.keys() ?? [];
  t.is(heard.filter(event => event.type === 'OFFERS').length, 1, 'all of the agent is on offer');
  const tasks = [
    {
      frameworkId,
      task: { taskId: 'x', name: 'x', command: { value: 'x' }, resources: { cpus: 1 } },
      state: 'TASK_RUNNING',
    },
  ];
  const older = knock(world, 'agent');
  const newer = knock(world, 'agent');
  newer.say({ ...register, agentId });
  world.run(100);
  older.say({ ...register, agentId, tasks });
  world.run(100);
  t.false(older.open(), 'it comes late');
  t.is(world.master.cluster?.frameworks.get(frameworkId)?.tasks.size, 0);
  newer.say({ ...register, agentId, tasks });
  world.run(500);
  t.is(world.master.cluster?.frameworks.get(frameworkId)?.tasks.size, 1);
  t.true(
    heard.some(event => event.type === 'RESCIND'),
    'the offer is taken back before the task is booked',
  );
  world.audit();
});

test('an agent was turned away for good when its registration arrived twice', t => {
  const world = new World({ seed: 9 });
  const { disk } = world.addMaster();
  world.run(100);
  disk.latencyMs = [50, 50];
  const agent = {
    hostname: 'h',
    port: 0,
    resources: { cpus: 2 },
    attributes: {},
    containerizers: ['PROCESS'],
    version: 'x',
  };
  const register = { type: 'REGISTER', agent, frameworks: [], tasks: [], executors: [], more: false };
  const door = knock(world, 'agent');
  door.say(register);
  door.say(register);
  world.run(200);
  t.false(door.open());
  t.deepEqual(door.types(), ['$WELCOME'], 'no REFUSED, after which an agent stops trying');
});

test('a framework ended for good when the first it heard of a master was not a welcome', t => {
  const world = new World({ seed: 11 });
  const listener = world.network.local.listen('master', link => {
    link.send({ type: '$HEARTBEAT', sent: 0 });
    return { onMessage: () => {}, onEnd: () => {} };
  });
  const node = world.addScheduler('unlucky', { info: { name: 'unlucky', roles: ['*'] } }, () => {});
  world.run('3s');
  t.false(node.framework?.connected);
  listener.close();
  world.addMaster();
  t.true(world.runUntil(() => node.framework?.connected === true, '120s'));
});

test('an agent broke off every registration with a patient master because an impatient one had come before', t => {
  const world = new World({ seed: 12 });
  const master = { id: 'hasty', hostname: 'hasty', port: 5050, version: 'x' };
  const listener = world.network.local.listen('master', link => {
    link.send({ type: '$WELCOME', protocol: 1, epoch: 0, heartbeatIntervalMs: 15_000 });
    link.send({ type: 'REGISTERED', agentId: 'hasty-S0', master, pingTimeoutMs: 1, reconcile: [] });
    return { onMessage: () => {}, onEnd: () => {} };
  });
  const node = world.addAgent();
  world.run('3s');
  listener.close();
  // Longer than the five milliseconds that the hasty one had left the agent to wait.
  world.addMaster().disk.latencyMs = [200, 200];
  t.true(world.runUntil(() => node.agent?.registered === true, '120s'));
});

test('an agent fell over a launch for a framework without an id', t => {
  const world = new World({ seed: 13 });
  const master = { id: 'm', hostname: 'm', port: 5050, version: 'x' };
  const task = { taskId: 'a', name: 'a', command: { value: 'true' }, resources: { cpus: 1 } };
  world.network.local.listen('master', link => {
    link.send({ type: '$WELCOME', protocol: 1, epoch: 0, heartbeatIntervalMs: 15_000 });
    link.send({ type: 'REGISTERED', agentId: 'm-S0', master, pingTimeoutMs: 5000, reconcile: [] });
    link.send({ type: 'LAUNCH', framework: { name: 'nameless', roles: ['*'] }, tasks: [task] });
    link.send({ type: 'LAUNCH', framework: { id: 'm-0000', name: 'named', roles: ['*'] }, tasks: [task] });
    return { onMessage: () => {}, onEnd: () => {} };
  });
  const node = world.addAgent();
  world.run('3s');
  t.deepEqual(
    node.agent?.tasks('a').map(({ frameworkId, state }) => `${frameworkId} ${state}`),
    ['m-0000 TASK_FINISHED'],
  );
});

test('who had never had a task could end it a second time, once its end was acknowledged', t => {
  const c = cluster({ agents: 1, seed: 14 });
  const framework = c.connect({ name: 'one' });
  const states: string[] = [];
  framework.updates$.subscribe(({ state }) => states.push(state));
  framework.offers$.subscribe(offer => {
    if (states.length > 0) return;
    framework.accept(offer, [
      { type: 'LAUNCH', tasks: [{ taskId: 'a', name: 'a', command: 'true', resources: { cpus: 1, mem: 32 } }] },
    ]);
  });
  t.true(c.runUntil(() => states.includes('TASK_FINISHED'), '60s'));
  c.run('1s');
  const liar = knock(c.world, 'agent');
  const agent = { hostname: 'h', port: 0, resources: {}, attributes: {}, containerizers: ['PROCESS'], version: 'x' };
  liar.say({ type: 'REGISTER', agent, frameworks: [], tasks: [], executors: [], more: false });
  c.run('1s');
  const status = { taskId: 'a', state: 'TASK_FAILED', source: 'AGENT', timestampMs: 1, uuid: 'made-up' };
  liar.say({ type: 'STATUS_UPDATE', frameworkId: framework.id, status, latestState: 'TASK_FAILED' });
  c.run('1s');
  t.deepEqual(states, ['TASK_RUNNING', 'TASK_FINISHED']);
  t.true(liar.types().includes('ACKNOWLEDGE'), 'it has no reason to say it again');
});
