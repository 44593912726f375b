// How definitions change: partial updates keep what they do not mention, whole ones do not, versions say what an instance has to do with it.
import test from 'ava';
import { readAppUpdate, readAppUpdates } from '../../../../frameworks/marathon/model/change/app.js';
import {
  assignServicePorts,
  servicePortCollisions,
  servicePortsOf,
} from '../../../../frameworks/marathon/model/change/service-ports.js';
import { differenceOf, restarted } from '../../../../frameworks/marathon/model/change/versions.js';
import { putRunSpec, removeRunSpec, runSpecsOf } from '../../../../frameworks/marathon/model/group.js';
import { appJson } from '../../../../frameworks/marathon/model/json/app.js';
import { backoffKeyOf } from '../../../../frameworks/marathon/model/run-spec.js';
import { app, liberal, refusalOf, Tree, valueOf } from './reading.js';

test('a partial update changes what it mentions and nothing else', t => {
  const tree = new Tree();
  const before = tree.post({
    id: '/t/a',
    cmd: 'sleep 1000',
    instances: 3,
    cpus: 0.5,
    env: { A: '1', B: '2' },
    executorResources: { mem: 64 },
    resourceLimits: { mem: 'unlimited' },
    constraints: [['hostname', 'UNIQUE']],
    backoffSeconds: 60,
  });
  const after = tree.put('/t/a', { cmd: 'sleep 9', env: { C: '3' } });
  t.deepEqual(after, {
    ...before,
    cmd: 'sleep 9',
    env: { C: '3' },
    versionInfo: { version: 2000, lastScalingAt: 2000, lastConfigChangeAt: 2000 },
  });
});

test('an update without a number of instances never scales', t => {
  const tree = new Tree();
  tree.post({ id: '/t/a', cmd: 'x', instances: 7 });
  t.is(tree.put('/t/a', { cmd: 'y' }).instances, 7);
  t.is(tree.put('/t/a', { instances: null, cmd: 'z' }).instances, 7);
  t.is(tree.put('/t/a', {}).instances, 7);
  const refusal = tree.updateRefusal('/t/a', { cmd: 'z', instances: '0' });
  t.deepEqual(Object.keys(refusal.errors), ['/instances']);
  t.is(tree.app('/t/a').instances, 7, 'what was refused changed nothing');
  t.is(tree.put('/t/a', { instances: 0 }).instances, 0, 'only who asks for none gets none');
});

test('sending the same again changes nothing, as a part or as a whole', t => {
  const tree = new Tree();
  const body = {
    id: '/t/a',
    cmd: 'sleep 1000',
    instances: 2,
    constraints: [
      ['a', 'CLUSTER'],
      ['b', 'UNIQUE'],
    ],
  };
  const before = tree.post(body);
  t.is(tree.put('/t/a', body), before, 'the very same definition');
  t.is(tree.put('/t/a', body, false), before);
  t.is(tree.put('/t/a', appJson(before), false), before, 'what the reply showed');
  t.is(tree.put('/t/a', { ...body, constraints: body.constraints.toReversed() }, false), before);
});

test('a whole replacement puts back to defaults what it leaves out', t => {
  const tree = new Tree();
  tree.post({ id: '/t/a', cmd: 'x', instances: 3, env: { A: '1' }, cpus: 4 });
  const after = tree.put('/t/a', { cmd: 'x' }, false);
  t.is(after.instances, 1);
  t.deepEqual(after.env, {});
  t.is(after.resources.cpus, 1);
});

test('an update of what is not there makes it', t => {
  const tree = new Tree();
  t.is(tree.put('/t/new', { cmd: 'x', instances: 2 }).instances, 2);
  t.deepEqual(tree.updateRefusal('/t/none', { instances: 2 }).errors, {
    '/': "must contain 'cmd' or 'args', or a 'container' with an image",
  });
});

test('older fields in an update replace the newer ones', t => {
  const tree = new Tree();
  tree.post({ id: '/t/a', cmd: 'x', portDefinitions: [{ port: 1 }, { port: 2 }], fetch: [{ uri: 'http://h/a' }] });
  const after = tree.put('/t/a', { ports: [5], uris: ['http://h/b'] });
  t.deepEqual(servicePortsOf(after), [5]);
  t.deepEqual(
    after.fetch.map(({ uri }) => uri),
    ['http://h/b'],
  );
});

test('moving into a bridge leaves the ports of the host behind', t => {
  const tree = new Tree();
  tree.post({ id: '/t/a', cmd: 'x', portDefinitions: [{ port: 1 }, { port: 2 }] });
  const bridged = tree.put('/t/a', {
    container: { docker: { image: 'i', network: 'BRIDGE', portMappings: [{ containerPort: 80, servicePort: 9000 }] } },
  });
  t.deepEqual(servicePortsOf(bridged), [9000]);
  t.deepEqual(bridged.portDefinitions, []);
  const back = tree.put('/t/a', { networks: [{ mode: 'host' }] });
  t.deepEqual(back.container?.portMappings, []);
  t.is(back.portDefinitions.length, 1);
});

test('only a version in the body leads back to it', t => {
  const tree = new Tree();
  tree.post({ id: '/t/a', cmd: 'x' });
  const version = '2024-01-31T12:00:00.000Z';
  t.deepEqual(tree.update('/t/a', { version }), { kind: 'rollback', id: '/t/a', version: Date.parse(version) });
  t.deepEqual(tree.update('/t/a', { id: '/t/a', version }).kind, 'rollback');
  t.deepEqual(tree.updateRefusal('/t/a', { version, cmd: 'y' }), {
    kind: 'invalid',
    errors: { '/': "The 'version' field may only be combined with the 'id' field." },
  });
  t.deepEqual(Object.keys(tree.updateRefusal('/t/a', { version: 'yesterday' }).errors), ['/version']);
});

test('several updates come in one list, each telling its own errors', t => {
  const tree = new Tree();
  tree.post({ id: '/t/a', cmd: 'x' });
  const changes = valueOf(
    readAppUpdates(
      [
        { id: '/t/a', instances: 2 },
        { id: 't/b', cmd: 'y' },
      ],
      tree.reading,
      true,
    ),
  );
  t.deepEqual(
    changes.map(change => (change.kind === 'definition' ? [change.app.id, change.app.cmd, change.app.instances] : [])),
    [
      ['/t/a', 'x', 2],
      ['/t/b', 'y', 1],
    ],
  );
  const refused = readAppUpdates([{ cmd: 'x' }, { id: '/t/a', cmd: '' }, { id: '/t/a' }], tree.reading, true);
  t.deepEqual(refusalOf(refused).errors, { '(1)/cmd': 'must have at least 1 characters' });
  const ruled = readAppUpdates([{ cmd: 'x' }, { id: '/t/a' }, { id: '/t/a', executor: '/' }], tree.reading, true);
  t.deepEqual(Object.keys(refusalOf(ruled).errors), ['(0)/id', '(2)/id', '(2)/executor']);
});

test('versions tell scaling from a change of configuration, and a restart', t => {
  const tree = new Tree();
  const first = tree.post({ id: '/t/a', cmd: 'x' });
  const scaled = tree.put('/t/a', { instances: 3 });
  t.deepEqual(scaled.versionInfo, { version: 2000, lastScalingAt: 2000, lastConfigChangeAt: 1000 });
  t.is(backoffKeyOf(scaled), backoffKeyOf(first), 'scaling does not forget failures');
  const labelled = tree.put('/t/a', { labels: { a: 'b' } });
  t.deepEqual(labelled.versionInfo, { version: 3000, lastScalingAt: 3000, lastConfigChangeAt: 3000 });
  const both = tree.put('/t/a', { instances: 4, cmd: 'y' });
  t.is(both.versionInfo.lastConfigChangeAt, 4000);
  tree.settle(putRunSpec(tree.root, restarted(both, 5000), 5000));
  t.deepEqual(tree.app('/t/a').versionInfo, { version: 5000, lastScalingAt: 4000, lastConfigChangeAt: 5000 });
  t.is(differenceOf(first, scaled), 'scale');
  t.is(differenceOf(scaled, labelled), 'config');
  t.is(differenceOf(both, tree.app('/t/a')), 'none');
});

test('going back to an old definition that equals the present one is no change', t => {
  const tree = new Tree();
  const old = tree.post({ id: '/t/a', cmd: 'x' });
  tree.put('/t/a', { cmd: 'y' });
  const present = tree.put('/t/a', { cmd: 'x' });
  tree.version += 1000;
  tree.settle(putRunSpec(tree.root, old, tree.version));
  t.is(tree.app('/t/a'), present);
  const middle = app({ id: '/t/a', cmd: 'y' }, liberal);
  tree.settle(putRunSpec(tree.root, middle, tree.version));
  t.is(tree.app('/t/a').versionInfo.version, tree.version, 'a different one is a new version');
});

test('open service ports are assigned once and stay', t => {
  const tree = new Tree({ ...liberal, servicePorts: { min: 100, max: 104 } });
  t.deepEqual(servicePortsOf(tree.post({ id: '/a', cmd: 'x', ports: [0, 102, 0] })), [100, 102, 101]);
  t.deepEqual(servicePortsOf(tree.post({ id: '/b', cmd: 'x' })), [103]);
  t.deepEqual(servicePortsOf(tree.put('/a', { ports: [0, 0] })), [100, 102], 'its own ones first');
  const mapped = tree.put('/b', { networks: [{ mode: 'container/bridge' }], container: { type: 'MESOS' } });
  t.deepEqual(servicePortsOf(mapped), [103], 'also when it moves into a bridge');
  t.deepEqual(servicePortsOf(tree.put('/b', { cmd: 'y' })), [103]);
  t.is(tree.put('/b', {}), tree.app('/b'));
});

test('when no service port is left it is said', t => {
  const settings = { ...liberal, servicePorts: { min: 100, max: 101 } };
  const tree = new Tree(settings);
  const greedy = putRunSpec(tree.root, app({ id: '/a', cmd: 'x', ports: [0, 0, 0] }), 1);
  t.deepEqual(refusalOf(assignServicePorts(tree.root, greedy, settings)).errors, {
    '/': 'no service port is free from 100 to 101 for /a',
  });
});

test('a freed service port is free for later ones; shared ones are allowed and can be told', t => {
  const tree = new Tree({ ...liberal, servicePorts: { min: 100, max: 101 } });
  tree.post({ id: '/a', cmd: 'x' });
  tree.settle(removeRunSpec(tree.root, '/a', (tree.version += 1000)));
  t.deepEqual(servicePortsOf(tree.post({ id: '/b', cmd: 'x' })), [100]);
  tree.post({ id: '/c', cmd: 'x', ports: [100] });
  t.deepEqual([...servicePortCollisions(tree.root)], [[100, ['/b', '/c']]]);
});

test('a service with data keeps its volumes, resources and host ports', t => {
  const tree = new Tree();
  const container = (size: number) => ({
    type: 'MESOS',
    volumes: [{ containerPath: 'd', mode: 'RW', persistent: { size } }],
  });
  tree.post({ id: '/r', cmd: 'x', container: container(1), ports: [8000], requirePorts: true });
  t.deepEqual(Object.keys(tree.updateRefusal('/r', { container: container(2) }).errors), ['/container/volumes']);
  t.deepEqual(Object.keys(tree.updateRefusal('/r', { cpus: 2, mem: 1 }).errors), ['/cpus', '/mem']);
  t.deepEqual(Object.keys(tree.updateRefusal('/r', { ports: [8001] }).errors), ['/']);
  t.deepEqual(Object.keys(tree.updateRefusal('/r', { container: { type: 'MESOS' } }).errors), ['/container/volumes']);
  t.is(tree.put('/r', { cmd: 'y', instances: 5 }).instances, 5);
  const open = { id: '/s', cmd: 'x', container: container(1), requirePorts: true };
  const first = tree.post(open);
  t.is(tree.put('/s', open, false), first, 'a port left open is the one it has');
  t.is(tree.put('/r', appJson(tree.app('/r')), false).cmd, 'y');
});

test('a service with data changes its role by force only', t => {
  const tree = new Tree();
  tree.post({
    id: '/dev/r',
    cmd: 'x',
    container: { type: 'MESOS', volumes: [{ containerPath: 'd', persistent: { size: 1 } }] },
  });
  const { errors } = tree.updateRefusal('/dev/r', { role: 'dev' });
  t.regex(errors['/role'] ?? '', /must stay "web".*force=true/);
  const forced = valueOf(readAppUpdate({ role: 'dev' }, '/dev/r', { ...tree.reading, force: true }, true));
  t.is(forced.kind === 'definition' ? forced.app.role : undefined, 'dev');
});

test('an external volume belongs to one app, unless it is shared', t => {
  const tree = new Tree();
  const using = (id: string, more: object = {}) => ({
    id,
    cmd: 'x',
    container: {
      type: 'MESOS',
      volumes: [
        {
          containerPath: '/v',
          external: { name: 'disk', provider: 'dvdi', options: { 'dvdi/driver': 'd' }, ...more },
        },
      ],
    },
  });
  tree.post(using('/a'));
  const refused = t.throws(() => tree.post(using('/b')));
  t.regex(refused.message, /"\/apps\/b".*the external volume .*disk.* is used by \/a already/s);
  t.is(tree.post(using('/c', { shared: true })).id, '/c');
});

test('thousands of apps are read and settled at once', t => {
  const tree = new Tree();
  const apps = Array.from({ length: 2000 }, (_, index) => ({ id: `app-${index}`, cmd: 'x', env: { N: `${index}` } }));
  tree.group({ id: '/many', apps });
  const ports = [...runSpecsOf(tree.root)].flatMap(spec => (spec.kind === 'app' ? servicePortsOf(spec) : []));
  t.is(new Set(ports).size, 2000);
  const before = tree.app('/many/app-7');
  tree.put('/many/app-8', { cmd: 'y' });
  t.is(tree.app('/many/app-7'), before);
});
