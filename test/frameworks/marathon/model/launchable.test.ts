// What Marathon takes and no agent here can carry out: refused with the field that asks for it, and taken where a definition is only read.
import test from 'ava';
import { app, appRefusal, liberal, pod, podRefusal } from './reading.js';

const strict = { ...liberal, onlyLaunchable: true };
const image = { docker: { image: 'nginx' }, type: 'MESOS' };
const driver = { 'dvdi/driver': 'rexray' };
const volume = (more: object): object => ({ containerPath: '/data', mode: 'RW', ...more });

/** The story, what of an app is added, and where which words are. */
const apps: readonly (readonly [string, object, string, RegExp])[] = [
  ['a file no agent can fetch', { fetch: [{ uri: 'ftp://a/b' }] }, '/fetch(0)/uri', /^must be one of http, https or/],
  ['a path with a blank', { healthChecks: [{ path: '/a b' }] }, '/healthChecks(0)/path', /^must not contain white/],
  [
    'a readiness check with a line’s end in its path',
    {
      portDefinitions: [{ name: 'http' }],
      readinessChecks: [{ portName: 'http', path: '/a\r\nb: c', intervalSeconds: 2, timeoutSeconds: 1 }],
    },
    '/readinessChecks(0)/path',
    /^must not contain white/,
  ],
  ['a terminal for a process', { tty: true }, '/tty', /^needs a container with an image/],
  ['a network for a process', { networks: [{ mode: 'container/bridge' }] }, '/networks', /^a network of its own needs/],
  [
    'a container in two networks',
    { container: image, networks: ['a', 'b'].map(name => ({ mode: 'container', name })) },
    '/networks',
    /^must be one network only/,
  ],
  [
    'credentials for its image',
    {
      container: { type: 'MESOS', docker: { image: 'x', pullConfig: { secret: 's' } } },
      secrets: { s: { source: 's' } },
    },
    '/container/docker/pullConfig',
    /pulls with its own credentials/,
  ],
  [
    'a host volume over a process',
    { container: { type: 'MESOS', volumes: [volume({ hostPath: '/srv' })] } },
    '/container/volumes(0)/containerPath',
    /^must be relative to the sandbox/,
  ],
  [
    'a secret over a process',
    {
      container: { type: 'MESOS', volumes: [{ containerPath: '/etc/s', secret: 's' }] },
      secrets: { s: { source: 's' } },
    },
    '/container/volumes(0)/containerPath',
    /^must be relative to the sandbox/,
  ],
  [
    'a driver’s volume for a process',
    { container: { type: 'MESOS', volumes: [volume({ external: { provider: 'dvdi', name: 'v', options: driver } })] } },
    '/container/volumes(0)/external',
    /^needs a container with an image/,
  ],
  [
    'a CSI volume',
    {
      container: {
        ...image,
        volumes: [
          volume({
            external: {
              provider: 'csi',
              name: 'v',
              options: { pluginName: 'p', capability: { accessType: 'mount', accessMode: 'SINGLE_NODE_WRITER' } },
            },
          }),
        ],
      },
    },
    '/container/volumes(0)/external/provider',
    /^csi is not supported/,
  ],
  [
    'a seccomp profile',
    { container: { ...image, linuxInfo: { seccomp: { profileName: 'default' } } } },
    '/container/linuxInfo/seccomp/profileName',
    /^is not supported/,
  ],
  [
    'another’s shared memory',
    { container: { ...image, linuxInfo: { ipcInfo: { mode: 'SHARE_PARENT' } } } },
    '/container/linuxInfo/ipcInfo/mode',
    /^SHARE_PARENT is not supported/,
  ],
];

for (const [story, more, path, words] of apps) {
  test(`an app with ${story}`, t => {
    const json = { id: '/a', cmd: 'serve', ...more };
    const { kind, errors } = appRefusal(json, strict);
    t.is(kind, 'invalid');
    t.deepEqual(Object.keys(errors), [path]);
    t.regex(errors[path] ?? '', words);
    t.is(app(json).id, '/a', 'it can be read all the same');
  });
}

test('what can be carried out is taken', t => {
  const volumes = [
    volume({ hostPath: '/data' }),
    { containerPath: 'key', secret: 's' },
    { containerPath: 'own', mode: 'RW', hostPath: '/srv' },
    { containerPath: 'kept', mode: 'RW', persistent: { size: 5 } },
  ];
  t.is(
    app({ id: '/a', cmd: 'x', secrets: { s: { source: 's' } }, container: { type: 'MESOS', volumes } }, strict).id,
    '/a',
  );
  const external = volume({ external: { provider: 'dvdi', name: 'v', options: driver } });
  const linuxInfo = { seccomp: { unconfined: true }, ipcInfo: { mode: 'PRIVATE', shmSize: 8 } };
  const networks = [{ mode: 'container', name: 'n' }];
  const made = app({ id: '/a', tty: true, networks, container: { ...image, linuxInfo, volumes: [external] } }, strict);
  t.true(made.tty);
});

test('pods: each container by itself, and nothing that they would share', t => {
  const resources = { cpus: 1, mem: 32 };
  const mounts = (name: string, mountPath: string): object => ({ volumeMounts: [{ name, mountPath }] });
  const json = {
    id: '/p',
    volumes: [{ name: 'both' }, { name: 'mine' }, { name: 'host', host: '/srv' }],
    networks: [{ mode: 'host' }],
    containers: [
      { name: 'a', resources, exec: { command: { shell: 'x' } }, tty: true, ...mounts('both', 'both') },
      { name: 'b', resources, image: { kind: 'DOCKER', id: 'x' }, ...mounts('both', '/both') },
      { name: 'c', resources, exec: { command: { shell: 'x' } }, ...mounts('mine', '/mine') },
      { name: 'd', resources, exec: { command: { shell: 'x' } }, ...mounts('host', '/srv') },
    ],
  };
  const { errors } = podRefusal(json, strict);
  t.deepEqual(Object.keys(errors).sort(), [
    '/containers(0)/tty',
    '/containers(2)/volumeMounts(0)/mountPath',
    '/volumes(0)',
  ]);
  t.regex(errors['/volumes(0)'] ?? '', /^is mounted by several containers/);
  t.is(pod(json).id, '/p');
  const [, alone] = json.containers;
  t.is(pod({ id: '/p', volumes: [{ name: 'both' }], containers: [alone] }, strict).containers.length, 1);
});
