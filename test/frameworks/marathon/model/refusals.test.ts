// What a definition must not be: every violation at once, each where it is in the JSON; and hostile input is refused as plainly as a typing
// error.
import test from 'ava';
import { refusalOf, valueOf, app, appRefusal, liberal } from './reading.js';
import { readApp } from '../../../../frameworks/marathon/model/change/app.js';
import { emptyGroup } from '../../../../frameworks/marathon/model/group.js';
import { parse } from '../../../../frameworks/marathon/model/schema/parse.js';
import { appSchema } from '../../../../frameworks/marathon/model/schema/app.js';
import { defaultSettings } from '../../../../frameworks/marathon/model/settings.js';

const reading = { root: emptyGroup(), settings: defaultSettings, version: 1 };

test('wrong types are malformed, broken rules are invalid, and both are told with paths', t => {
  t.deepEqual(appRefusal({ id: '/a', cmd: 'x', instances: 1.5 }), {
    kind: 'malformed',
    errors: { '/instances': 'must be a whole number, 1.5 is given' },
  });
  t.deepEqual(appRefusal({ id: '/a', cmd: 'x', cpus: -1 }), {
    kind: 'invalid',
    errors: { '/cpus': 'must be at least 0.001, -1 is given' },
  });
  const { kind, errors } = appRefusal({ id: 'Bad_Id', cmd: 'x' });
  t.is(kind, 'invalid');
  t.deepEqual(Object.keys(errors), ['/id']);
  t.regex(errors['/id'] ?? '', /lower-case letters.*"Bad_Id" does not/);
  t.deepEqual(appRefusal({ id: '/a', cmd: 'x', gpus: 1 }, defaultSettings).errors, {
    '/gpus': 'needs the feature gpu_resources, which is not enabled; enable it with --enable_features gpu_resources',
  });
});

test('all that is malformed is told in one answer, with what else is wrong', t => {
  const refusal = appRefusal({
    cpus: '1',
    mem: -1,
    instances: 'many',
    env: { A: 1, B: { secret: 2 }, C: [] },
    constraints: 'hostname:UNIQUE',
    healthChecks: [{ protocol: 'PING' }, 7],
    container: { type: 'LXC', volumes: [{ containerPath: 'd', persistent: { size: 'big' } }] },
    unreachableStrategy: 'sometimes',
    portDefinitions: [{ port: 70_000 }],
    upgradeStrategy: { minimumHealthCapacity: 2 },
    networks: [{ mode: 'bridge' }],
    requirePorts: 'yes',
  });
  t.is(refusal.kind, 'malformed');
  t.deepEqual(refusal.errors, {
    '/constraints': 'must be a list, "hostname:UNIQUE" is given',
    '/container/type': 'must be one of "DOCKER", "MESOS", "LXC" is given',
    '/container/volumes(0)/persistent/size': 'must be a number, "big" is given',
    '/cpus': 'must be a number, "1" is given',
    '/env/A': 'must be text, or an object that names a secret: {"secret": "…"}, 1 is given',
    '/env/B/secret': 'must be text, 2 is given',
    '/env/C': 'must be text, or an object that names a secret: {"secret": "…"}, [] is given',
    '/healthChecks(0)/protocol':
      'must be one of "HTTP", "HTTPS", "TCP", "COMMAND", "MESOS_HTTP", "MESOS_HTTPS", "MESOS_TCP", "PING" is given',
    '/healthChecks(1)': 'must be an object, 7 is given',
    '/instances': 'must be a whole number, or "*" for one on every agent, "many" is given',
    '/mem': 'must be at least 0, -1 is given',
    '/networks(0)/mode': 'must be one of "host", "container", "container/bridge", "bridge" is given',
    '/portDefinitions(0)/port': 'must be at most 65535, 70000 is given',
    '/requirePorts': 'must be true or false, "yes" is given',
    '/unreachableStrategy': 'must be an object, or "disabled", "sometimes" is given',
    '/upgradeStrategy/minimumHealthCapacity': 'must be at most 1, 2 is given',
  });
});

test('all broken rules are told in one answer', t => {
  const { kind, errors } = appRefusal(
    {
      id: '/g/tasks',
      cmd: 'x',
      args: ['y'],
      role: 'other',
      instances: 2,
      labels: { MARATHON_SINGLE_INSTANCE_APP: 'true' },
      upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 1 },
      unreachableStrategy: { inactiveAfterSeconds: 60, expungeAfterSeconds: 10 },
      resourceLimits: { cpus: 0.5 },
      acceptedResourceRoles: ['-x'],
      portDefinitions: [
        { port: 80, name: 'http' },
        { port: 80, name: 'http' },
      ],
      healthChecks: [
        { protocol: 'HTTP', portIndex: 2 },
        { protocol: 'COMMAND' },
        { protocol: 'MESOS_TCP' },
        { protocol: 'MESOS_HTTP', ipProtocol: 'IPv6' },
      ],
      readinessChecks: [{ portName: 'api', intervalSeconds: 1, timeoutSeconds: 1 }],
      constraints: [
        ['rack', 'LIKE', '(['],
        ['rack', 'NEAR'],
        ['rack', 'MAX_PER', 'two'],
        ['rack'],
        ['rack', 'UNIQUE', 'x'],
      ],
      fetch: [{ uri: 'http://h/a b' }],
      env: { 'A=B': 'x', KEY: { secret: 'none' } },
      dependencies: ['../Db'],
      executor: '/',
      user: 'a b',
    },
    defaultSettings,
  );
  t.is(kind, 'invalid');
  t.deepEqual(Object.keys(errors).toSorted(), [
    '/',
    '/acceptedResourceRoles',
    '/constraints(0)',
    '/constraints(1)',
    '/constraints(2)',
    '/constraints(3)',
    '/constraints(4)',
    '/dependencies',
    '/env',
    '/env/KEY/secret',
    '/executor',
    '/fetch(0)/uri',
    '/healthChecks',
    '/healthChecks(0)/portIndex',
    '/healthChecks(1)/command',
    '/healthChecks(3)/ipProtocol',
    '/id',
    '/instances',
    '/portDefinitions',
    '/readinessChecks(0)/portName',
    '/readinessChecks(0)/timeoutSeconds',
    '/resourceLimits/cpus',
    '/role',
    '/unreachableStrategy/inactiveAfterSeconds',
    '/upgradeStrategy/maximumOverCapacity',
    '/upgradeStrategy/minimumHealthCapacity',
    '/user',
  ]);
  t.is(errors['/id'], 'must not end with any of: restart, tasks, versions');
  t.is(errors['/constraints(3)'], 'must be [field, operator] or [field, operator, value], this has 1 items');
  t.is(
    errors['/portDefinitions'],
    'Port names must be unique, "http" is there twice | Ports must be unique, "80" is there twice',
  );
  t.is(errors['/role'], 'must be "*" or "g" here, "other" is given');
});

/** One story each: what is said, and where it is told to be wrong. */
const wrong: readonly (readonly [string, object, string])[] = [
  ['nothing to run', { cmd: null }, '/'],
  ['a container without an image runs nothing', { cmd: null, container: { type: 'MESOS' } }, '/'],
  ['no id', { id: null }, '/id'],
  ['the root as id', { id: '/' }, '/id'],
  ['too long an id', { id: `/${'a'.repeat(250)}` }, '/id'],
  ['a Docker container without an image', { container: { volumes: [] } }, '/container/docker'],
  ['a blank in the image', { container: { docker: { image: 'a b' } } }, '/container/docker/image'],
  ['an empty image', { container: { docker: { image: '' } } }, '/container/docker/image'],
  ['a control character in the image', { container: { docker: { image: 'a\u0007' } } }, '/container/docker/image'],
  ['old and new mappings', mapped({ portMappings: [{}] }, { portMappings: [{}] }), '/container/docker/portMappings'],
  ['credentials of old', mapped({}, { credential: { principal: 'x' } }), '/container/docker/credential'],
  ['network NONE', mapped({}, { network: 'NONE' }), '/container/docker/network'],
  ['networks said twice', { networks: [{ mode: 'host' }], ...mapped({}, { network: 'HOST' }) }, '/'],
  ['networks and ipAddress', { networks: [{ name: 'x' }], ipAddress: {} }, '/'],
  ['ipAddress and ports', { ports: [0], ipAddress: {} }, '/'],
  ['discovery in Docker', { ...mapped({}, {}), ipAddress: { discovery: {} } }, '/ipAddress'],
  ['ports and other portDefinitions', { ports: [1], portDefinitions: [{ port: 2 }] }, '/'],
  ['ports twice', { ports: [1, 0, 0, 1] }, '/portDefinitions'],
  ['uris and fetch', { uris: ['http://h/a'], fetch: [{ uri: 'http://h/b' }] }, '/uris'],
  ['a named host network', { networks: [{ mode: 'host', name: 'x' }] }, '/networks(0)'],
  ['two host networks', { networks: [{ mode: 'host' }, { mode: 'host' }] }, '/networks'],
  ['host and container', { networks: [{ mode: 'host' }, { name: 'x' }] }, '/networks'],
  ['the same network twice', { networks: [{ name: 'x' }, { name: 'x' }] }, '/networks'],
  ['two networks in Docker', { networks: [{ name: 'x' }, { name: 'y' }], ...mapped({}, {}) }, '/networks'],
  [
    'a mapping for an unknown network',
    { networks: [{ name: 'x' }], container: { type: 'MESOS', portMappings: [{ networkNames: ['y'] }] } },
    '/container/portMappings(0)/networkNames(0)',
  ],
  [
    'a host port that leads to one of two networks',
    { networks: [{ name: 'x' }, { name: 'y' }], container: { type: 'MESOS', portMappings: [{ hostPort: 0 }] } },
    '/container/portMappings(0)/networkNames',
  ],
  [
    'a host port twice',
    {
      networks: [{ mode: 'container/bridge' }],
      container: { type: 'MESOS', portMappings: [{ hostPort: 80 }, { hostPort: 80, protocol: 'udp,tcp' }] },
    },
    '/container/portMappings',
  ],
  ['a check of no port', { ports: [], healthChecks: [{}] }, '/healthChecks(0)/portIndex'],
  ['a command with another protocol', { healthChecks: [{ command: { value: 'x' } }] }, '/healthChecks(0)/command'],
  ['two ways to check', { check: { tcp: {}, http: {} } }, '/check'],
  ['two ways to say a command', { check: { exec: { command: { shell: 'a', argv: ['b'] } } } }, '/check/exec/command'],
  ['a check in Docker', { ...mapped({}, {}), check: { tcp: { port: 80 } } }, '/check'],
  ['two readiness checks', { portDefinitions: [{ name: 'http-api' }], readinessChecks: [{}, {}] }, '/readinessChecks'],
  ['a volume of no kind', volume({ containerPath: 'd' }), '/container/volumes(0)'],
  [
    'a volume of two kinds',
    volume({ containerPath: 'd', hostPath: '/x', persistent: { size: 1 } }),
    '/container/volumes(0)',
  ],
  [
    'a path with a slash in the sandbox',
    volume(persistent({}, { containerPath: '/d' })),
    '/container/volumes(0)/containerPath',
  ],
  ['a persistent volume to read', volume(persistent({}, { mode: 'RO' })), '/container/volumes(0)/mode'],
  ['a volume of no size', volume(persistent({ size: 0 })), '/container/volumes(0)/persistent/size'],
  ['a bound on the root disk', volume(persistent({ maxSize: 2 })), '/container/volumes(0)/persistent/maxSize'],
  [
    'a constraint on the root disk',
    volume(persistent({ constraints: [['path', 'LIKE', 'x']] })),
    '/container/volumes(0)/persistent/constraints',
  ],
  [
    'another constraint than by path',
    volume(persistent({ type: 'mount', constraints: [['rack', 'LIKE', 'x']] })),
    '/container/volumes(0)/persistent/constraints(0)',
  ],
  [
    'over capacity with data',
    { ...volume(persistent({})), upgradeStrategy: { maximumOverCapacity: 1 } },
    '/upgradeStrategy/maximumOverCapacity',
  ],
  ['giving up data', { ...volume(persistent({})), unreachableStrategy: {} }, '/unreachableStrategy'],
  ['data for the role of all', { ...volume(persistent({})), role: '*' }, '/role'],
  [
    'data from reserved resources',
    { ...volume(persistent({})), acceptedResourceRoles: ['web'] },
    '/acceptedResourceRoles',
  ],
  ['a mount over everything', volume({ containerPath: '/', hostPath: '/x' }), '/container/volumes(0)/containerPath'],
  ['no accepted role', { acceptedResourceRoles: [] }, '/acceptedResourceRoles'],
  ['an unknown secret in a volume', volume({ containerPath: '/k', secret: 's' }), '/container/volumes(0)/secret'],
  [
    'an unknown provider',
    volume({ containerPath: '/k', external: { name: 'n', provider: 'nfs' } }),
    '/container/volumes(0)/external/provider',
  ],
  [
    'no driver',
    volume({ containerPath: '/k', external: { name: 'n', provider: 'dvdi' } }),
    '/container/volumes(0)/external/options',
  ],
  ['two instances of one disk', { instances: 2, ...volume(dvdi({})) }, '/instances'],
  [
    'an option without a provider',
    volume(dvdi({ options: { 'dvdi/driver': 'd', size: '1' } })),
    '/container/volumes(0)/external/options',
  ],
  [
    'an option that is no text',
    volume(dvdi({ options: { 'dvdi/driver': 1 } })),
    '/container/volumes(0)/external/options/dvdi/driver',
  ],
  [
    'a size in Docker',
    { container: { docker: { image: 'i' }, volumes: [dvdi({ size: 1 })] } },
    '/container/volumes(0)/external/size',
  ],
  [
    'another option in Docker',
    { container: { docker: { image: 'i' }, volumes: [dvdi({ options: { 'dvdi/driver': 'd', 'dvdi/x': 'y' } })] } },
    '/container/volumes(0)/external/options',
  ],
  [
    'a CSI volume without its plugin',
    volume({ containerPath: '/v', external: { name: 'n', provider: 'csi', options: { capability: {} } } }),
    '/container/volumes(0)/external/options/pluginName',
  ],
  ['a disk twice', { container: { type: 'MESOS', volumes: [dvdi({}), dvdi({}, '/w')] } }, '/container/volumes'],
  ['a path twice', { container: { type: 'MESOS', volumes: [dvdi({}), dvdi({ name: 'm' })] } }, '/container/volumes'],
  ['a pull secret in Docker', mapped({}, { pullConfig: { secret: 's' } }), '/container/docker/pullConfig'],
  ['GPUs in Docker', { ...mapped({}, {}), gpus: 1 }, '/gpus'],
  [
    'confined and not',
    { container: { type: 'MESOS', docker: { image: 'i' }, linuxInfo: { seccomp: {} } } },
    '/container/linuxInfo/seccomp',
  ],
  ['IS with a set', { constraints: [['rack', 'IS', '{a,b}']] }, '/constraints(0)'],
];

for (const [story, said, path] of wrong) {
  test(`refused: ${story}`, t => {
    const { kind, errors } = appRefusal({ id: '/a', cmd: 'x', ...said });
    t.is(kind, 'invalid');
    t.deepEqual(Object.keys(errors), [path]);
  });
}

function mapped(container: object, docker: object): object {
  return { container: { ...container, docker: { image: 'i', ...docker } } };
}

function volume(one: object): object {
  return { container: { type: 'MESOS', volumes: [one] } };
}

function dvdi(more: object, containerPath = '/v'): object {
  return { containerPath, external: { name: 'n', provider: 'dvdi', options: { 'dvdi/driver': 'd' }, ...more } };
}

function persistent(info: object, more: object = {}): object {
  return { containerPath: 'd', persistent: { size: 1, ...info }, ...more };
}

test('hostile JSON is refused in a sentence, and at once', t => {
  const one = (text: string): string => {
    const { errors } = refusalOf(readApp(JSON.parse(text), reading));
    t.true(JSON.stringify(errors).length < 1000, 'the answer does not repeat what was sent');
    return Object.entries(errors)
      .map(([path, error]) => `${path} ${error}`)
      .join('; ');
  };
  t.is(one('{"id":"/a","cmd":"x","cpus":1e999}'), '/cpus must be a finite number, this one is too large');
  t.regex(one('{"id":"/a","cmd":"x","cpus":1e308}'), /^\/cpus must be at most 1000000000/);
  t.regex(one('{"id":"/a","cmd":"x","cpus":"NaN"}'), /^\/cpus must be a number, "NaN" is given/);
  t.regex(one('{"id":"/a","cmd":"x","instances":-1}'), /^\/instances must be at least 0/);
  t.regex(one('{"id":"/a","cmd":"x","instances":1000000}'), /^\/instances must be at most 100000/);
  t.regex(one('{"id":"/a","cmd":"x","instances":99999999999}'), /^\/instances must be at most 2147483647/);
  t.is(
    one('{"id":"/a","cmd":"x","labels":{"__proto__":"y"}}'),
    '/labels must not be the name of anything: "__proto__"',
  );
  t.is(one('{"id":"/a","cmd":"x","__proto__":{"cmd":"y"}}'), '/ must not be the name of anything: "__proto__"');
  t.regex(one('{"id":"/a","cmd":"a\\u0000b"}'), /^\/cmd must not contain the character NUL/);
  t.regex(one('{"id":"/a","cmd":"\\ud800"}'), /^\/cmd must be Unicode text/);
  t.regex(one(`{"id":"/${'a/'.repeat(5000)}","cmd":"x"}`), /^\/id must have at most 193 characters/);
  t.regex(one(`{"id":"/a","cmd":"x","constraints":[["a","LIKE","${'('.repeat(100)}"]]}`), /^\/constraints\(0\) LIKE/);
  t.is(one(`{"id":"/a","env":${'['.repeat(5000)}${']'.repeat(5000)}}`), '/ must not be nested deeper than 64 levels');
  t.is(
    one('{"id":"/a","cmd":"x","env":[],"container":[]}'),
    '/container must be an object, [] is given; /env must be an object, [] is given',
  );
  t.is(one('[]'), '/ must be an object, [] is given');
  t.is(one('"app"'), '/ must be an object, "app" is given');
  t.is(one('null'), '/ must be an object, null is given');
});

test('an answer to thousands of errors lists a hundred and counts the rest', t => {
  const constraints = Array.from({ length: 5000 }, () => ['a', 'NO']);
  const checked = readApp({ id: '/a', cmd: 'x', constraints: constraints.map(([a], i) => [a, `NO${i}`]) }, reading);
  t.false(checked.ok);
  if (checked.ok) return;
  t.is(checked.refusal.details.length, 101);
  t.deepEqual(checked.refusal.details.at(-1), { path: '/', errors: ['4900 more violations are not listed'] });
});

test('regular expressions that others would never finish are just matched', t => {
  const bomb = app({ id: '/a', cmd: 'x', constraints: [['rack', 'LIKE', '(a+)+$']] });
  t.is(bomb.constraints[0]?.value, '(a+)+$');
});

test('text of the world is fine where text is free', t => {
  const { labels, env, cmd } = app({
    id: '/a',
    cmd: 'echo "héllo 😀"\n\ttrue',
    labels: { ключ: '値' },
    env: { X: '\u001b[1m' },
  });
  t.is(labels['ключ'], '値');
  t.is(env['X'], '\u001b[1m');
  t.is(cmd, 'echo "héllo 😀"\n\ttrue');
});

test('what was refused leaves nothing behind', t => {
  refusalOf(readApp(JSON.parse('{"__proto__":{"polluted":true},"id":"/a"}'), reading));
  t.is(({} as { polluted?: boolean }).polluted, undefined);
  t.deepEqual(valueOf(parse(appSchema, { id: '/a' })), { id: '/a' });
});

test('a role of its own is only kept', t => {
  t.deepEqual(appRefusal({ id: '/dev/a', cmd: 'x', role: 'prod' }, liberal).errors, {
    '/role': 'must be "web" or "dev" here, "prod" is given',
  });
  t.is(app({ id: '/dev/a', cmd: 'x', role: 'dev' }, liberal).role, 'dev');
  t.is(app({ id: '/dev/a', cmd: 'x' }, { ...liberal, newGroupEnforceRole: 'top' }).role, 'dev');
});
