// Offers and instances: where one may go, what it takes there, what its tasks are told.
import test from 'ava';
import { bagOf, commandOf, contains, describeResources, formatResources } from 'proffer';
import type { PlacementConstraint, TaskSpec } from 'proffer';
import { seededRandom } from '../../../../src/env/random.js';
import type { Instance, Place } from '../../../../frameworks/marathon/machine/instance.js';
import { amountText, comparable, fieldText } from '../../../../frameworks/marathon/match/fields.js';
import { constraintNo, groupNo } from '../../../../frameworks/marathon/match/constraints.js';
import { matchInstance } from '../../../../frameworks/marathon/match/match.js';
import type { Contender, Fit, MatchContext, NoFit } from '../../../../frameworks/marathon/match/match.js';
import { Placements } from '../../../../frameworks/marathon/match/placements.js';
import { pickPorts } from '../../../../frameworks/marathon/match/ports.js';
import { matchRound } from '../../../../frameworks/marathon/match/round.js';
import { Spread, spreadPatienceMs } from '../../../../frameworks/marathon/match/spread.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import type { PortNeed } from '../../../../frameworks/marathon/model/spec.js';
import {
  after,
  app,
  constraint,
  container,
  fresh,
  noon,
  open,
  place,
  pod,
  running,
  status,
  versionOf,
} from '../machine/samples.js';

function context(changes: Partial<MatchContext> = {}): MatchContext {
  return {
    now: noon,
    frameworkId: 'marathon',
    random: seededRandom(7),
    versionText: version => new Date(version).toISOString(),
    ...changes,
  };
}

function contender(spec: RunSpec, instances: readonly Instance[] = [], agents = 0): Contender {
  return { spec, placed: Placements.of(spec, instances), spread: new Spread(), agents };
}

function tried(spec: RunSpec, on = open({ cpus: 4, mem: 4096, disk: 100, ports: [[31000, 31010]] }), changes = {}) {
  return matchInstance(on, fresh(spec), contender(spec), context(changes));
}

function fits(result: Fit | NoFit): Fit {
  if (result.type === 'NO') throw new Error(result.reasons.join());
  return result;
}

function reasons(result: Fit | NoFit): readonly string[] {
  return result.type === 'NO' ? result.reasons : [];
}

function envOf(task: TaskSpec | undefined): Readonly<Record<string, string>> {
  return task === undefined ? {} : (commandOf(task)?.env ?? {});
}

function need(port = 0, protocol: PortNeed['protocol'] = 'tcp'): PortNeed {
  return { port, protocol, labels: {} };
}

test('amounts finer than thousandths are rounded, as Mesos does', t => {
  const third = app({
    resources: { cpus: 2 / 3, mem: 32.00049, disk: 0.0001, gpus: 0 },
    resourceLimits: { cpus: 2 / 3, mem: 'unlimited' },
  });
  const [task] = fits(tried(third)).tasks;
  t.deepEqual(task?.resources, { cpus: 0.667, mem: 32 });
  // Else the limit is below what is asked for.
  t.deepEqual(task?.limits, { cpus: 0.667, mem: Number.POSITIVE_INFINITY });
});

test('fields read as Marathon writes them', t => {
  const there = place(
    'a1',
    {
      rack: 'r1',
      level: 2.0004,
      half: 1.0005,
      odd: 1.1005,
      ranges: [
        [5, 9],
        [1, 2],
      ],
      set: ['b', 'a'],
    },
    { region: 'eu', zone: 'z1' },
  );
  const text = (field: string): string | undefined => fieldText(there, field);
  t.is(text('hostname'), 'a1.example');
  t.is(text('@hostname'), 'a1.example');
  t.deepEqual([text('@region'), text('@zone'), text('rack')], ['eu', 'z1', 'r1']);
  t.deepEqual([text('level'), text('half'), text('odd')], ['2', '1', '1.1']);
  t.deepEqual([text('ranges'), text('set')], ['[1-2,5-9]', '{a,b}']);
  t.is(text('toString'), undefined);
  t.deepEqual([amountText(1.00051), amountText(3), amountText(0.0015)], ['1.001', '3', '0.002']);
  t.deepEqual([comparable('2.000'), comparable('r1'), comparable('1e3')], ['2', 'r1', '1e3']);
});

test('each operator says yes and no as Marathon’s do', t => {
  const zone = (name: string, attributes: Place['attributes'] = {}): Place =>
    place(name, attributes, { region: 'eu', zone: name });
  const placedOn = (constraints: readonly PlacementConstraint[], ...places: readonly Place[]): Placements => {
    const spec = app({ constraints, instances: 9 });
    return Placements.of(
      spec,
      places.map((at, index) => running(spec, `i${index}`, at)),
    );
  };
  const says = (one: PlacementConstraint, at: Place, ...others: readonly Place[]): boolean | 'maybe' => {
    const no = constraintNo([one], placedOn([one], ...others), at);
    return no === undefined ? true : no.lasting === 'dynamic' ? 'maybe' : false;
  };
  const [a, b] = [zone('a', { rack: 'r1', level: 2 }), zone('b', { rack: 'r2' })];
  t.is(says(constraint('hostname', 'UNIQUE'), a, b), true);
  t.is(says(constraint('hostname', 'UNIQUE'), a, a), 'maybe');
  t.is(says(constraint('rack', 'UNIQUE'), zone('c', { rack: 'r1' }), a), 'maybe');
  t.is(says(constraint('rack', 'CLUSTER', 'r1'), a), true);
  t.is(says(constraint('rack', 'CLUSTER', 'r1'), b), false);
  t.is(says(constraint('rack', 'CLUSTER'), b), true, 'the first chooses');
  t.is(says(constraint('rack', 'CLUSTER'), b, a), 'maybe');
  t.is(says(constraint('rack', 'LIKE', 'r[12]'), b), true);
  t.is(says(constraint('rack', 'LIKE', 'r'), b), false, 'as a whole');
  t.is(says(constraint('rack', 'UNLIKE', 'r2'), b), false);
  t.is(says(constraint('rack', 'UNLIKE', 'r2'), a), true);
  t.is(says(constraint('@zone', 'MAX_PER', '2'), a, a), true);
  t.is(says(constraint('@zone', 'MAX_PER', '2'), a, a, a), 'maybe');
  t.is(says(constraint('level', 'IS', '2.000'), a), true);
  t.is(says(constraint('rack', 'IS', 'r1'), b), false);
  for (const operator of ['UNIQUE', 'CLUSTER', 'LIKE', 'MAX_PER', 'IS'] as const) {
    t.is(
      says(constraint('none', operator, operator === 'MAX_PER' ? '9' : operator === 'LIKE' ? '.*' : ''), a),
      false,
      operator,
    );
  }
  t.is(says(constraint('none', 'UNLIKE', 'x'), a), true, 'what is missing is unlike everything');
});

test('GROUP_BY with a number of groups gives each its share and the remainder to some', t => {
  const one = constraint('@zone', 'GROUP_BY', '3');
  const spec = app({ constraints: [one], instances: 8 });
  const zone = (name: string): Place => place(`on-${name}`, {}, { region: 'eu', zone: name });
  const allowed = (at: string, counts: Record<string, number>): boolean => {
    const instances = Object.entries(counts).flatMap(([name, count]) =>
      Array.from({ length: count }, (_, index) => running(spec, `${name}${index}`, zone(name))),
    );
    return groupNo([one], Placements.of(spec, instances), zone(at), 8) === undefined;
  };
  t.true(allowed('a', { a: 1 }));
  t.true(allowed('a', { a: 2 }), 'a third by the remainder');
  t.true(allowed('b', { a: 3, b: 2 }), 'and another: 8 is 3 + 3 + 2');
  t.false(allowed('c', { a: 3, b: 3, c: 2 }));
  t.false(allowed('a', { a: 3 }));
  t.true(allowed('c', { a: 3, b: 3 }));
  t.false(allowed('d', { a: 1, b: 1, c: 1 }), 'a fourth was not expected');
});

test('GROUP_BY is an aim: who has waited long enough takes the emptiest group there is', t => {
  const spec = app({ constraints: [constraint('@zone', 'GROUP_BY', '3')], instances: 6 });
  const one = contender(spec);
  const offered = (zone: string, cpus = 4) =>
    open({ cpus, mem: 4096 }, { agentId: `on-${zone}`, hostname: `on-${zone}`, domain: { region: 'eu', zone } });
  let made = 0;
  const place = (zone: string, at: number, cpus?: number): boolean => {
    const instance = fresh(spec, `i${made}`);
    const result = matchInstance(offered(zone, cpus), instance, one, context({ now: noon + at }));
    if (result.type === 'NO') {
      t.deepEqual(result.reasons[0], cpus === undefined || cpus >= 1 ? 'UnfulfilledConstraint' : result.reasons[0]);
      return false;
    }
    one.placed.add(instance.id, result.event.place);
    made += 1;
    return true;
  };
  t.deepEqual([place('a', 0), place('a', 0), place('b', 0), place('b', 0)], [true, true, true, true]);
  t.false(place('a', 1000), 'zone c may still come');
  t.is(one.spread.yieldsAt(), noon + 1000 + spreadPatienceMs);
  t.false(place('b', 2000));
  t.false(place('c', 3000, 0.1), 'zone c is there, but full');
  t.true(place('a', 1000 + spreadPatienceMs), 'long enough');
  t.false(place('a', 1001 + spreadPatienceMs), 'b has fewer');
  t.true(place('b', 1002 + spreadPatienceMs));
});

test('without a number of groups no group is two ahead of the emptiest', t => {
  const spec = app({ constraints: [constraint('rack', 'GROUP_BY')], instances: 6 });
  const on = (rack: string, name: string): Instance => running(spec, name, place(name, { rack }));
  const allowed = (rack: string, ...instances: readonly Instance[]): boolean =>
    groupNo(spec.constraints, Placements.of(spec, instances), place('new', { rack }), 6) === undefined;
  t.true(allowed('r1'));
  t.true(allowed('r1', on('r1', 'a')), 'the only one known');
  t.true(allowed('r2', on('r1', 'a')));
  t.false(allowed('r1', on('r1', 'a'), on('r1', 'b'), on('r2', 'c')));
  t.true(allowed('r2', on('r1', 'a'), on('r1', 'b'), on('r2', 'c')));
});

test('only instances of the present configuration hold a place, unreachable ones too', t => {
  const unique = [constraint('hostname', 'UNIQUE')];
  const spec = app({ constraints: unique, versionInfo: versionOf(2), unreachableStrategy: 'disabled' });
  const outdated = running({ ...spec, versionInfo: versionOf(1) });
  const on = open({ cpus: 4, mem: 512 });
  const result = (instances: readonly Instance[]) =>
    matchInstance(on, fresh(spec, 'new'), contender(spec, instances), context());
  t.is(result([outdated]).type, 'FIT', 'a restart may put the new beside the old');
  const current = running(spec);
  t.deepEqual(reasons(result([current])), ['UnfulfilledConstraint']);
  const away = after(current, noon, { type: 'STATUS', status: status(current, 'TASK_UNREACHABLE') });
  t.deepEqual(reasons(result([away])), ['UnfulfilledConstraint']);
  const failed = after(current, noon, { type: 'STATUS', status: status(current, 'TASK_FAILED') });
  t.is(result([failed]).type, 'FIT');
});

test('one on each agent is a constraint of its own', t => {
  const spec = app({ instances: '*' });
  const others = [running(spec, 'i1', place('a1'))];
  const at = (agentId: string) =>
    matchInstance(open({ cpus: 4, mem: 512 }, { agentId }), fresh(spec, 'new'), contender(spec, others, 2), context());
  t.deepEqual(reasons(at('a1')), ['UnfulfilledConstraint']);
  t.is(at('a2').type, 'FIT');
});

test('the no names Marathon’s reasons in the order of the funnel', t => {
  const big = app({
    resources: { cpus: 8, mem: 9999, disk: 999, gpus: 1 },
    portDefinitions: [{ port: 0, protocol: 'tcp', labels: {} }],
  });
  t.deepEqual(reasons(tried(big, open({ cpus: 1 }))), [
    'InsufficientCpus',
    'InsufficientMemory',
    'InsufficientDisk',
    'InsufficientGpus',
    'InsufficientPorts',
  ]);
  t.deepEqual(reasons(tried(app({ role: 'ads' }))), ['UnfulfilledRole']);
  t.deepEqual(reasons(tried(app({ constraints: [constraint('rack', 'IS', 'r1')] }))), ['UnfulfilledConstraint']);
  const soon = { unavailability: { startMs: noon + 60_000, durationMs: 1000 } };
  const on = open({ cpus: 4, mem: 512 }, soon);
  t.is(tried(app(), on).type, 'FIT', 'not yet');
  t.deepEqual(reasons(tried(app(), on, { now: noon + 60_000 })), ['AgentMaintenance']);
  t.deepEqual(reasons(tried(app(), on, { drainingMs: 60_000 })), ['AgentMaintenance']);
  t.is(tried(app(), on, { now: noon + 61_000 }).type, 'FIT', 'over');
  const gpus = open({ cpus: 4, mem: 512, gpus: 2 });
  t.deepEqual(reasons(tried(app(), gpus)), ['DeclinedScarceResources']);
  t.is(tried(app(), gpus, { gpusAreScarce: false }).type, 'FIT');
  t.is(tried(app({ resources: { cpus: 1, mem: 1, disk: 0, gpus: 1 } }), gpus).type, 'FIT');
});

test('other regions are for those who ask for them', t => {
  const far = open({ cpus: 4, mem: 512 }, { domain: { region: 'us', zone: 'z' } });
  const home = { home: { region: 'eu' } };
  t.deepEqual(reasons(tried(app(), far, home)), ['UnfulfilledConstraint']);
  t.is(tried(app({ constraints: [constraint('@region', 'IS', 'us')] }), far, home).type, 'FIT');
  t.is(tried(app(), far).type, 'FIT');
});

test('images need an engine', t => {
  const docker = { image: 'nginx', forcePullImage: false, privileged: false, parameters: [] };
  const spec = app({ container: { type: 'DOCKER', docker, volumes: [], portMappings: [] } });
  t.deepEqual(reasons(tried(spec, open({ cpus: 4, mem: 512 }, { containerizers: ['PROCESS'] }))), [
    'UnfulfilledConstraint',
  ]);
  t.is(tried(spec).type, 'FIT');
});

test('accepted roles say which resources may be used', t => {
  const on = open({ cpus: 1, 'cpus(ads)': 1, mem: 512, 'mem(ads)': 512 }, { role: 'ads' });
  const cpus = (...acceptedResourceRoles: string[]): unknown => {
    const spec = app({ role: 'ads', acceptedResourceRoles, resources: { cpus: 1, mem: 64, disk: 0, gpus: 0 } });
    const result = tried(spec, on);
    return result.type === 'NO' ? result.reasons : result.tasks[0]?.resources;
  };
  t.deepEqual(cpus(), { 'cpus(ads)': 1, 'mem(ads)': 64 }, 'its own first');
  t.deepEqual(cpus('*'), { cpus: 1, mem: 64 });
  t.deepEqual(cpus('ads'), { 'cpus(ads)': 1, 'mem(ads)': 64 });
  t.deepEqual(cpus('other'), ['InsufficientCpus', 'InsufficientMemory']);
  const two = app({ role: 'ads', resources: { cpus: 1.5, mem: 64, disk: 0, gpus: 0 } });
  t.deepEqual(fits(tried(two, on)).tasks[0]?.resources, { cpus: 0.5, 'cpus(ads)': 1, 'mem(ads)': 64 });
});

test('what is kept for a resident, revocable, or a disk of its own is nobody’s to take', t => {
  const kept = 'cpus(ads,dynamic,marathon_framework_id=marathon,marathon_task_id=db.instance-1)';
  const on = open({ [kept]: 4, 'cpus{revocable}': 4, cpus: 1, mem: 512, 'disk<mount=/mnt/a>': 1000 }, { role: 'ads' });
  t.deepEqual(reasons(tried(app({ role: 'ads', resources: { cpus: 2, mem: 1, disk: 10, gpus: 0 } }), on)), [
    'InsufficientCpus',
    'InsufficientDisk',
  ]);
});

test('ports: named ones are had or not, others are drawn, one number for two protocols is one', t => {
  const left = bagOf({
    ports: [
      [31000, 31004],
      [32000, 32001],
    ],
  });
  const random = seededRandom(1);
  const all = pickPorts([need(), need(), need(31002), need(), need(), need(), need()], left, random);
  t.deepEqual(
    [...(all?.ports ?? [])].sort((a, b) => a - b),
    [31000, 31001, 31002, 31003, 31004, 32000, 32001],
  );
  t.is(formatResources(all?.bag ?? []), formatResources(left));
  t.is(pickPorts([need(30000)], left, random), undefined);
  t.is(
    pickPorts(
      Array.from({ length: 8 }, () => need()),
      left,
      random,
    ),
    undefined,
  );
  const both = pickPorts([need(31000, 'tcp'), need(31000, 'udp')], left, random);
  t.deepEqual(both?.ports, [31000, 31000]);
  t.is(formatResources(both?.bag ?? []), 'ports:[31000-31000]');
  const roles = bagOf({ ports: [[1, 2]], 'ports(ads)': [[5, 5]] });
  t.is(formatResources(pickPorts([need(), need(), need()], roles, random)?.bag ?? []), formatResources(roles));
  const firsts = new Set(Array.from({ length: 60 }, () => pickPorts([need()], left, random)?.ports[0]));
  t.is(firsts.size, 7, 'any of them');
});

test('a task is told who it is, where, and on which ports', t => {
  const spec = app({
    id: '/shop/web',
    env: { GREETING: 'hello', PORT: 'mine', KEY: { secret: 'vault' } },
    labels: { tier: 'front-end', 'my key': 'v', long: 'x'.repeat(600) },
    portDefinitions: [
      { port: 10_000, protocol: 'tcp', name: 'http', labels: { VIP: '1' } },
      { port: 0, protocol: 'udp,tcp', labels: {} },
    ],
  });
  const fit = fits(
    matchInstance(open({ cpus: 2, mem: 512, ports: [[31000, 31001]] }), fresh(spec), contender(spec), context()),
  );
  const [task] = fit.tasks;
  const [first = 0, second = 0] = fit.event.tasks[0]?.hostPorts ?? [];
  t.is(task?.name, 'web.shop');
  t.deepEqual(task?.command, {
    value: 'sleep 1000',
    env: {
      MESOS_TASK_ID: 'shop/web.instance-i1._app.1',
      MARATHON_APP_ID: '/shop/web',
      MARATHON_APP_VERSION: '2026-03-01T12:00:00.001Z',
      MARATHON_APP_RESOURCE_CPUS: '1.0',
      MARATHON_APP_RESOURCE_MEM: '128.0',
      MARATHON_APP_RESOURCE_DISK: '0.0',
      MARATHON_APP_RESOURCE_GPUS: '0',
      MARATHON_APP_ENFORCE_GROUP_ROLE: 'FALSE',
      MARATHON_APP_LABELS: 'TIER MY_KEY',
      MARATHON_APP_LABEL_TIER: 'front-end',
      MARATHON_APP_LABEL_MY_KEY: 'v',
      PORT0: String(first),
      PORT1: String(second),
      PORT_10000: String(first),
      [`PORT_${second}`]: String(second),
      PORT_HTTP: String(first),
      PORTS: `${first},${second}`,
      HOST: 'a1.example',
      GREETING: 'hello',
      PORT: 'mine',
    },
  });
  t.deepEqual(task?.discovery?.ports, [
    { number: first, protocol: 'tcp', name: 'http', labels: { VIP: '1' } },
    { number: second, protocol: 'udp' },
    { number: second, protocol: 'tcp' },
  ]);
  t.deepEqual(fit.left, bagOf({ cpus: 1, mem: 384 }));
});

test('a container with its own network maps ports, and is checked inside', t => {
  const times = { gracePeriodMs: 1, intervalMs: 2, timeoutMs: 3, delayMs: 4, maxConsecutiveFailures: 0 };
  const docker = {
    image: 'nginx',
    forcePullImage: true,
    privileged: false,
    parameters: [{ key: 'dns', value: '1.1.1.1' }],
  };
  const mapping = { servicePort: 10_000, labels: {}, networkNames: [] };
  const spec = app({
    networks: [{ mode: 'container/bridge', labels: {} }],
    container: {
      type: 'DOCKER',
      docker,
      volumes: [{ kind: 'host', containerPath: '/in', hostPath: '/out', mode: 'RO' }],
      portMappings: [
        { ...mapping, containerPort: 80, hostPort: 0, protocol: 'udp,tcp' },
        { ...mapping, containerPort: 0, hostPort: 0, protocol: 'tcp' },
        { ...mapping, containerPort: 9000, protocol: 'tcp' },
      ],
    },
    healthChecks: [
      { ...times, protocol: 'TCP', portIndex: 1, ipProtocol: 'IPv4' },
      { ...times, protocol: 'MESOS_HTTP', portIndex: 0, path: '/health', ignoreHttp1xx: false, ipProtocol: 'IPv4' },
    ],
    taskKillGracePeriodMs: 5000,
    resourceLimits: { cpus: 'unlimited', mem: 256 },
  });
  const fit = fits(tried(spec));
  const [task] = fit.tasks;
  const [one = 0, two = 0] = fit.event.tasks[0]?.hostPorts ?? [];
  t.deepEqual(task?.container, {
    type: 'DOCKER',
    docker: {
      image: 'nginx',
      network: 'BRIDGE',
      portMappings: [
        { hostPort: one, containerPort: 80, protocol: 'udp' },
        { hostPort: one, containerPort: 80, protocol: 'tcp' },
        { hostPort: two, containerPort: two, protocol: 'tcp' },
      ],
      forcePullImage: true,
      privileged: false,
      parameters: [
        { key: 'dns', value: '1.1.1.1' },
        { key: 'label', value: `MESOS_TASK_ID=${task?.taskId}` },
      ],
    },
    volumes: [{ containerPath: '/in', hostPath: '/out', mode: 'RO' }],
  });
  const often = { gracePeriodMs: 1, intervalMs: 2, timeoutMs: 3 };
  t.deepEqual(task?.healthChecks, [
    { probe: { type: 'TCP', port: two }, ...often, delayMs: 0, consecutiveFailures: 0 },
    {
      probe: { type: 'HTTP', port: 80, path: '/health', scheme: 'http' },
      ...often,
      delayMs: 4,
      consecutiveFailures: 1,
    },
  ]);
  t.deepEqual(
    [task?.killPolicy, task?.limits],
    [{ gracePeriodMs: 5000 }, { cpus: Number.POSITIVE_INFINITY, mem: 256 }],
  );
  const env = envOf(task);
  t.like(env, { PORT0: String(one), PORT_80: String(one), PORT1: String(two), PORT2: '9000', PORT_9000: '9000' });
  t.is(env['MARATHON_APP_DOCKER_IMAGE'], 'nginx');
});

test('a pod is a group of tasks that share an offer, each with its own ports', t => {
  const endpoint = { protocol: ['tcp'], networkNames: [], labels: {} };
  const spec = pod({
    containers: [
      container('web', { endpoints: [{ ...endpoint, name: 'http', hostPort: 0 }] }),
      container('side', { endpoints: [{ ...endpoint, name: 'admin', hostPort: 31005 }], env: { A: 'b' } }),
    ],
  });
  const fit = fits(tried(spec));
  t.like(fit.requests.at(-1), { type: 'LAUNCH_GROUP', groupId: 'duo.instance-i1.1' });
  t.deepEqual(
    fit.tasks.map(({ taskId, name }) => [taskId, name]),
    [
      ['duo.instance-i1.web.1', 'web'],
      ['duo.instance-i1.side.1', 'side'],
    ],
  );
  const [web = 0] = fit.event.tasks[0]?.hostPorts ?? [];
  t.deepEqual(fit.tasks[0]?.resources, { cpus: 0.5, mem: 64, ports: [[web, web]] });
  t.deepEqual(fit.tasks[1]?.resources, { cpus: 0.5, mem: 64, ports: [[31005, 31005]] });
  t.not(web, 31005);
  const env = envOf(fit.tasks[1]);
  t.like(env, { A: 'b', ENDPOINT_HTTP: String(web), ENDPOINT_ADMIN: '31005', MARATHON_CONTAINER_ID: 'side' });
});

test('an offer is shared out turn by turn, up to its limits', t => {
  const specs = ['/a', '/b', '/c'].map(id => app({ id, resources: { cpus: 1, mem: 1, disk: 0, gpus: 0 } }));
  const waiting = (spec: RunSpec, count: number) => Array.from({ length: count }, (_, at) => fresh(spec, `i${at}`));
  const [a, b, c] = specs.map((spec, at) => ({ ...contender(spec), waiting: waiting(spec, [9, 2, 9][at] ?? 0) }));
  if (a === undefined || b === undefined || c === undefined) throw new Error('three');
  const big = { ...c, spec: app({ id: '/c', resources: { cpus: 99, mem: 1, disk: 0, gpus: 0 } }) };
  const limits = { instancesMax: 5, tokens: 100 };
  const round = matchRound(open({ cpus: 10, mem: 100 }), [a, b, big], limits, context());
  const count = (one: unknown) => round.starts.filter(({ contender: who }) => who === one).length;
  t.deepEqual([count(a), count(b), round.early], [3, 2, true]);
  t.deepEqual(
    round.refusals.map(({ contender: who, no }) => [who.spec.id, no.reasons]),
    [['/c', ['InsufficientCpus']]],
  );
  const ids = round.starts.map(({ instance }) => instance.id);
  t.is(new Set(ids).size, 5);
  const poor = matchRound(
    open({ cpus: 10, mem: 100 }),
    [{ ...a, placed: new Placements([]) }],
    { instancesMax: 5, tokens: 1 },
    context(),
  );
  t.deepEqual([poor.starts.length, poor.early], [1, true]);
  const all = matchRound(open({ cpus: 10, mem: 100 }), [{ ...b, placed: new Placements([]) }], limits, context());
  t.deepEqual([all.starts.length, all.early, all.refusals.length], [2, false, 0]);
  t.is(describeResources(all.starts[1]?.fit.left ?? []), describeResources(bagOf({ cpus: 8, mem: 98 })));
  t.true(contains(bagOf({ cpus: 10, mem: 100 }), round.starts.at(-1)?.fit.left ?? []));
});
