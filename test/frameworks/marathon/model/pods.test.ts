// Pods as users write them: defaults, what both kinds of run spec answer alike, replies, and every rule with its place.
import test from 'ava';
import { readPod } from '../../../../frameworks/marathon/model/change/pod.js';
import { emptyGroup } from '../../../../frameworks/marathon/model/group.js';
import { podJson } from '../../../../frameworks/marathon/model/json/pod.js';
import {
  hasHealthChecks,
  instancesOn,
  isResident,
  persistentMountsOf,
  portNeedsOf,
  resourcesOf,
  scalarsOf,
} from '../../../../frameworks/marathon/model/run-spec.js';
import { defaultSettings } from '../../../../frameworks/marathon/model/settings.js';
import { app, liberal, pod, podRefusal, refusalOf, Tree } from './reading.js';

const container = (more: object = {}): object => ({ name: 'c1', resources: { cpus: 0.1, mem: 32 }, ...more });

test('the smallest pod gets every default, and the reply shows them', t => {
  const simple = pod(
    {
      id: '/p',
      containers: [container({ exec: { command: { shell: 'sleep 1000' } } })],
      networks: [{ mode: 'host' }],
      scaling: { kind: 'fixed', instances: 2 },
    },
    defaultSettings,
  );
  t.deepEqual(podJson(simple), {
    id: '/p',
    version: '1970-01-01T00:00:00.001Z',
    containers: [
      {
        name: 'c1',
        exec: { command: { shell: 'sleep 1000' } },
        resources: { cpus: 0.1, mem: 32, disk: 0, gpus: 0 },
      },
    ],
    networks: [{ mode: 'host' }],
    scaling: { kind: 'fixed', instances: 2 },
    scheduling: {
      backoff: { backoff: 1, backoffFactor: 1.15, maxLaunchDelay: 300 },
      upgrade: { minimumHealthCapacity: 1, maximumOverCapacity: 1 },
      placement: {},
      killSelection: 'YOUNGEST_FIRST',
      unreachableStrategy: { inactiveAfterSeconds: 0, expungeAfterSeconds: 0 },
    },
    executorResources: { cpus: 0.1, mem: 32, disk: 10 },
    role: '*',
  });
  t.is(simple.instances, 2);
  t.deepEqual(simple.dependencies, []);
});

const full = {
  id: '/g/p',
  labels: { a: 'b' },
  user: 'www',
  environment: { A: '1', KEY: { secret: 'key' } },
  secrets: { key: { source: 'vault' } },
  containers: [
    container({
      exec: { command: { argv: ['serve', '-v'] }, overrideEntrypoint: true },
      image: { kind: 'DOCKER', id: 'nginx:1', forcePull: true, pullConfig: { secret: 'key' }, labels: { v: '1' } },
      endpoints: [
        { name: 'web', containerPort: 80, hostPort: 0, protocol: ['tcp', 'udp'], labels: { VIP: 'x' } },
        { name: 'admin', containerPort: 81 },
      ],
      healthCheck: { http: { endpoint: 'web', path: '/h' }, gracePeriodSeconds: 5 },
      check: { tcp: { endpoint: 'admin' } },
      volumeMounts: [
        { name: 'data', mountPath: 'd' },
        { name: 'tmp', mountPath: '/tmp', readOnly: true },
      ],
      artifacts: [{ uri: 'http://h/a.tgz', destPath: 'x' }],
      labels: { c: 'd' },
      lifecycle: { killGracePeriodSeconds: 0.5 },
      tty: true,
      resourceLimits: { cpus: 'unlimited' },
      linuxInfo: { ipcInfo: { mode: 'PRIVATE', shmSize: 16 } },
    }),
    container({
      name: 'c2',
      resources: { cpus: 0.2, mem: 64, disk: 1, gpus: 1 },
      volumeMounts: [{ name: 'host', mountPath: '/h' }],
      healthCheck: { exec: { command: { shell: 'true' } }, intervalSeconds: 30 },
    }),
  ],
  volumes: [
    { name: 'data', persistent: { size: 100, type: 'mount', maxSize: 200, constraints: [['path', 'LIKE', '/ssd.*']] } },
    { name: 'tmp' },
    { name: 'host', host: '/srv' },
  ],
  networks: [{ name: 'blue', labels: { x: 'y' } }],
  scaling: { kind: 'fixed', instances: '*' },
  scheduling: {
    backoff: { backoff: 0.5 },
    placement: {
      constraints: [{ fieldName: '@zone', operator: 'GROUP_BY', value: '3' }],
      acceptedResourceRoles: ['*'],
    },
    killSelection: 'OLDEST_FIRST',
  },
  executorResources: { mem: 64 },
  role: 'web',
  legacySharedCgroups: false,
};

test('a pod with everything comes through, and its reply can be sent again', t => {
  const read = pod(full);
  t.deepEqual(pod(podJson(read)), read);
  t.is(read.instances, '*');
  t.true(isResident(read));
  t.is(read.unreachableStrategy, 'disabled');
  t.deepEqual(read.upgradeStrategy, { minimumHealthCapacity: 0.5, maximumOverCapacity: 0 });
  t.is(read.backoff.backoffMs, 500);
  t.is(read.containers[0]?.killGracePeriodMs, 500);
});

test('apps and pods answer the same questions', t => {
  const read = pod(full);
  const { cpus, ...rest } = resourcesOf(read);
  t.is(cpus.toFixed(3), '0.400', 'its executor counts');
  t.deepEqual(rest, { mem: 160, disk: 11, gpus: 1 });
  t.deepEqual(scalarsOf({ cpus: 1, mem: 2, disk: 0, gpus: 0 }), { cpus: 1, mem: 2 });
  t.deepEqual(portNeedsOf(read), [
    { port: 0, protocol: 'udp,tcp', name: 'web', labels: { VIP: 'x' }, container: 'c1', containerPort: 80 },
  ]);
  t.deepEqual(persistentMountsOf(read), [
    {
      type: 'mount',
      size: 100,
      maxSize: 200,
      constraints: [{ field: 'path', operator: 'LIKE', value: '/ssd.*' }],
      containerPath: 'data',
      readOnly: false,
      name: 'data',
    },
  ]);
  t.true(hasHealthChecks(read));
  t.false(hasHealthChecks(app({ id: '/a', cmd: 'x' })));
  t.is(instancesOn(read.instances, 7), 7);
  t.is(instancesOn(3, 7), 3);
  const host = pod({ id: '/p', containers: [container({ endpoints: [{ name: 'web' }] })] });
  t.deepEqual(portNeedsOf(host), [{ port: 0, protocol: 'tcp', name: 'web', labels: {}, container: 'c1' }]);
});

test('the id of the body must be that of the path', t => {
  const reading = { root: emptyGroup(), settings: liberal, version: 1 };
  t.deepEqual(refusalOf(readPod({ id: '/p', containers: [container()] }, reading, '/q')), {
    kind: 'malformed',
    errors: { '/id': 'must be /q as in the path, /p is given' },
  });
});

test('an app and a pod do not share an id', t => {
  const tree = new Tree();
  tree.post({ id: '/a', cmd: 'x' });
  const clash = t.throws(() => tree.putPod({ id: '/a', containers: [container()] }));
  t.regex(clash.message, /\/a is both an app and a pod/);
  t.is(tree.app('/a').cmd, 'x');
});

test('versions of pods tell scaling from the rest', t => {
  const tree = new Tree();
  const body = { id: '/p', containers: [container()] };
  tree.putPod(body);
  tree.putPod({ ...body, scaling: { kind: 'fixed', instances: 3 } });
  const scaled = tree.root.pods.get('/p');
  t.deepEqual(scaled?.versionInfo, { version: 2000, lastScalingAt: 2000, lastConfigChangeAt: 1000 });
  tree.putPod({ ...body, scaling: { kind: 'fixed', instances: 3 }, scheduling: { killSelection: 'OLDEST_FIRST' } });
  t.is(tree.root.pods.get('/p')?.versionInfo.lastConfigChangeAt, 3000);
});

test('malformed pods', t => {
  t.deepEqual(
    podRefusal({
      id: 7,
      containers: [{ name: 'C 1', resources: { cpus: 'x' } }, container({ endpoints: {} })],
      volumes: [{}],
      scaling: { kind: 'elastic' },
    }),
    {
      kind: 'malformed',
      errors: {
        '/id': 'must be text, 7 is given',
        '/containers(0)/name':
          'must be lower-case letters, digits and dashes, with no dash at either end, "C 1" is given',
        '/containers(0)/resources/cpus': 'must be a number, "x" is given',
        '/containers(0)/resources/mem': 'is missing',
        '/containers(1)/endpoints': 'must be a list, {} is given',
        '/volumes(0)/name': 'is missing',
        '/scaling/kind': 'must be one of "fixed", "elastic" is given',
      },
    },
  );
  t.deepEqual(podRefusal({ id: '/p' }), { kind: 'invalid', errors: { '/containers': 'is missing' } });
  t.deepEqual(podRefusal({ id: '/p', containers: [] }).errors, { '/containers': 'must have at least 1 items' });
});

/** One story each: what is said beside a sound container, and where it is told to be wrong. */
const wrong: readonly (readonly [string, object, string])[] = [
  ['a bad id', { id: '/P' }, '/id'],
  ['too long an id for its containers', { id: `/${'p'.repeat(140)}`, ...one({ name: 'c'.repeat(63) }) }, '/id'],
  ['two containers of a name', { containers: [container(), container()] }, '/containers'],
  ['endpoints of the same name', two({ endpoints: [{ name: 'e' }] }), '/containers'],
  [
    'endpoints of the same host port',
    one({
      endpoints: [
        { name: 'a', hostPort: 8 },
        { name: 'b', hostPort: 8 },
      ],
    }),
    '/containers',
  ],
  [
    'a container port in the host network',
    one({ endpoints: [{ name: 'a', containerPort: 1 }] }),
    '/containers(0)/endpoints(0)/containerPort',
  ],
  [
    'none in a container network',
    { networks: [{ name: 'x' }], ...one({ endpoints: [{ name: 'a' }] }) },
    '/containers(0)/endpoints(0)/containerPort',
  ],
  [
    'a protocol twice',
    one({ endpoints: [{ name: 'a', protocol: ['tcp', 'tcp'] }] }),
    '/containers(0)/endpoints(0)/protocol',
  ],
  [
    'a check of another endpoint',
    one({ healthCheck: { http: { endpoint: 'web' } } }),
    '/containers(0)/healthCheck/http/endpoint',
  ],
  [
    'two kinds of check',
    one({ healthCheck: { exec: { command: { shell: 'x' } }, http: { endpoint: 'e' } }, endpoints: [{ name: 'e' }] }),
    '/containers(0)/healthCheck',
  ],
  [
    'a timeout beyond the interval',
    one({ healthCheck: { exec: { command: { shell: 'x' } }, timeoutSeconds: 60 } }),
    '/containers(0)/healthCheck/timeoutSeconds',
  ],
  ['an unknown volume', one({ volumeMounts: [{ name: 'v', mountPath: 'v' }] }), '/containers(0)/volumeMounts(0)/name'],
  ['a volume nobody mounts', { volumes: [{ name: 'v' }] }, '/volumes(0)'],
  [
    'a volume of two kinds',
    { volumes: [{ name: 'v', host: '/v', persistent: { size: 1 } }], ...mounting() },
    '/volumes(0)',
  ],
  ['an unknown secret in a volume', { volumes: [{ name: 'v', secret: 's' }], ...mounting() }, '/volumes(0)/secret'],
  ['an unknown secret in the environment', { environment: { A: { secret: 's' } } }, '/environment/A/secret'],
  ['limits below the request', one({ resourceLimits: { mem: 1 } }), '/containers(0)/resourceLimits/mem'],
  [
    'limits in a shared cgroup',
    { legacySharedCgroups: true, ...one({ resourceLimits: { mem: 64 } }) },
    '/containers(0)/resourceLimits',
  ],
  ['an image with a blank', one({ image: { kind: 'DOCKER', id: 'a b' } }), '/containers(0)/image/id'],
  ['a command said twice', one({ exec: { command: { shell: 'x', argv: ['y'] } } }), '/containers(0)/exec/command'],
  [
    'a shell that is not the entry point',
    one({ exec: { command: { shell: 'x' }, overrideEntrypoint: false } }),
    '/containers(0)/exec/overrideEntrypoint',
  ],
  ['an executor confined', { linuxInfo: { seccomp: { unconfined: true } } }, '/linuxInfo/seccomp'],
  [
    'shared memory of another',
    one({ linuxInfo: { ipcInfo: { mode: 'SHARE_PARENT', shmSize: 1 } } }),
    '/containers(0)/linuxInfo/ipcInfo/shmSize',
  ],
  ['a backoff that shrinks', { scheduling: { backoff: { backoffFactor: 0.5 } } }, '/scheduling/backoff/backoffFactor'],
  [
    'a constraint of no operator',
    { scheduling: { placement: { constraints: [{ fieldName: 'a', operator: 'NEAR' }] } } },
    '/scheduling/placement/constraints(0)',
  ],
  [
    'forgetting before giving up',
    { scheduling: { unreachableStrategy: { inactiveAfterSeconds: 1 } } },
    '/scheduling/unreachableStrategy/inactiveAfterSeconds',
  ],
  [
    'over capacity with data',
    { ...resident(), scheduling: { upgrade: { maximumOverCapacity: 1 } } },
    '/scheduling/upgrade/maximumOverCapacity',
  ],
  ['giving up data', { ...resident(), scheduling: { unreachableStrategy: {} } }, '/scheduling/unreachableStrategy'],
  [
    'a role of others',
    { scheduling: { placement: { acceptedResourceRoles: ['x'] } } },
    '/scheduling/placement/acceptedResourceRoles',
  ],
  ['too many', { scaling: { kind: 'fixed', instances: 1e6 } }, '/scaling/instances'],
  ['a bad address', one({ artifacts: [{ uri: 'http://h/%zz' }] }), '/containers(0)/artifacts(0)/uri'],
];

for (const [story, said, path] of wrong) {
  test(`refused: ${story}`, t => {
    const { kind, errors } = podRefusal({ id: '/p', containers: [container()], ...said });
    t.is(kind, 'invalid');
    t.deepEqual(Object.keys(errors), [path]);
  });
}

function one(more: object): object {
  return { containers: [container(more)] };
}

function two(more: object): object {
  return { containers: [container(more), container({ name: 'c2', ...more })] };
}

function mounting(): object {
  return one({ volumeMounts: [{ name: 'v', mountPath: 'v' }] });
}

function resident(): object {
  return { volumes: [{ name: 'v', persistent: { size: 1 } }], ...mounting() };
}
