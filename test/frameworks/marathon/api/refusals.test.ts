// Definitions that are not right, over HTTP: every violation at once with its path, 400 or 422, never 500; and nothing of them stays.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import '../../../support/property.js';
import { rawApp } from '../model/arbitrary-apps.js';
import { Rig } from './rig.js';

const docker = (image: string): object => ({ container: { type: 'DOCKER', docker: { image } } });
const persistent = { containerPath: 'data', mode: 'RW', persistent: { size: 10 } };

/** What is wrong, the members that make it so, the answer, and where it says so. */
const wrong: readonly (readonly [string, object, number, ...string[]])[] = [
  ['upper case in an id', { id: '/Web' }, 422, '/id'],
  ['an id with a blank', { id: '/a b' }, 422, '/id'],
  ['an id with dashes outside', { id: '/-a-' }, 422, '/id'],
  ['an id with an underscore', { id: '/a_b' }, 422, '/id'],
  ['an id that ends like the API: restart', { id: '/a/restart' }, 422, '/id'],
  ['an id that ends like the API: tasks', { id: '/a/tasks' }, 422, '/id'],
  ['an id that ends like the API: versions', { id: '/a/versions' }, 422, '/id'],
  ['the root as an id', { id: '/' }, 422, '/id'],
  ['only dots', { id: '..' }, 422, '/id'],
  ['an id of 300 characters', { id: `/${'a'.repeat(300)}` }, 422, '/id'],
  ['no id', { id: null }, 422, '/id'],
  ['an id that is a number', { id: 7 }, 400, '/id'],
  ['instances below zero', { instances: -1 }, 422, '/instances'],
  ['instances beyond all reason', { instances: 1e9 }, 422, '/instances'],
  ['a part of an instance', { instances: 1.5 }, 400, '/instances'],
  ['instances in words', { instances: 'two' }, 400, '/instances'],
  ['cmd and args', { args: ['x'] }, 422, '/'],
  ['neither cmd nor args', { cmd: null }, 422, '/'],
  ['an empty cmd', { cmd: '' }, 422, '/cmd'],
  ['cpus below zero', { cpus: -0.1 }, 422, '/cpus'],
  ['cpus as text', { cpus: '1.0' }, 400, '/cpus'],
  ['mem below zero', { mem: -1 }, 422, '/mem'],
  ['mem beyond all reason', { mem: 1e308 }, 422, '/mem'],
  ['gpus without the feature', { gpus: 1 }, 422, '/gpus'],
  ['a port twice', { portDefinitions: [{ port: 80 }, { port: 80 }] }, 422, '/portDefinitions'],
  ['a name of a port twice', { portDefinitions: [{ name: 'http' }, { name: 'http' }] }, 422, '/portDefinitions'],
  ['a port beyond all ports', { portDefinitions: [{ port: 65_536 }] }, 422, '/portDefinitions(0)/port'],
  ['a health check of a port that is not there', { healthChecks: [{ portIndex: 3 }] }, 422, '/healthChecks(0)'],
  ['a health check of no protocol', { healthChecks: [{ protocol: 'PING' }] }, 422, '/healthChecks(0)/protocol'],
  ['a constraint with an operator of no kind', { constraints: [['hostname', 'NEAR', 'x']] }, 422, '/constraints(0)'],
  ['a constraint with a broken expression', { constraints: [['hostname', 'LIKE', '(']] }, 422, '/constraints(0)'],
  ['a constraint that is text', { constraints: 'hostname:UNIQUE' }, 400, '/constraints'],
  [
    'more than all instances healthy',
    { upgradeStrategy: { minimumHealthCapacity: 1.5 } },
    422,
    '/upgradeStrategy/minimumHealthCapacity',
  ],
  [
    'capacity below zero',
    { upgradeStrategy: { maximumOverCapacity: -0.5 } },
    422,
    '/upgradeStrategy/maximumOverCapacity',
  ],
  ['a dependency on itself', { dependencies: ['/web'] }, 422, '/'],
  ['a secret without the feature', { secrets: { a: { source: 's' } }, env: { A: { secret: 'a' } } }, 422, '/secrets'],
  ['env that is a number', { env: { A: 1 } }, 400, '/env/A'],
  ['env that is a list', { env: ['A=1'] }, 400, '/env'],
  ['a name of env with NUL', { env: { 'A\0': 'x' } }, 400, '/env'],
  ['labels that are numbers', { labels: { a: 1 } }, 400, '/labels/a'],
  ['an empty image', docker(''), 422, '/container/docker/image'],
  ['an image with a blank', docker('a b'), 422, '/container/docker/image'],
  ['an image with a control character', docker('a\u0007b'), 422, '/container/docker/image'],
  [
    'a resident app that may run twice',
    {
      container: { type: 'MESOS', volumes: [persistent] },
      upgradeStrategy: { minimumHealthCapacity: 0.5, maximumOverCapacity: 0.5 },
    },
    422,
    '/upgradeStrategy',
  ],
  ['a backoff below zero', { backoffSeconds: -1 }, 422, '/backoffSeconds'],
  ['a backoff that shrinks', { backoffFactor: 0.5 }, 422, '/backoffFactor'],
  ['a role of one\u2019s own', { role: 'mine' }, 422, '/role'],
  ['a body that is a list', [{ id: '/a', cmd: 'x' }], 400, '/'],
];

test('each is refused where it is wrong, and nothing of it stays', async t => {
  const rig = await Rig.start(t);
  for (const [what, members, status, ...paths] of wrong) {
    const body = Array.isArray(members) ? members : { id: '/web', cmd: 'x', ...members };
    const answer = await rig.post('/v2/apps', body);
    t.is(answer.status, status, `${what}: ${answer.text}`);
    t.is(answer.json.message, status === 400 ? 'Invalid JSON' : 'Object is not valid', what);
    const told = answer.json.details.map(({ path }) => path);
    for (const path of paths)
      t.true(
        told.some(each => each.startsWith(path)),
        `${what}: ${answer.text}`,
      );
    for (const { errors } of answer.json.details) t.true(errors.length > 0, what);
  }
  t.deepEqual((await rig.get('/v2/apps')).json, { apps: [] });
  t.deepEqual((await rig.get('/v2/deployments')).json, []);
  t.deepEqual((await rig.get('/v2/groups/versions')).list.length, 0);
});

test('all that is wrong is told at once', async t => {
  const rig = await Rig.start(t);
  const { json } = await rig.post('/v2/apps', { id: '/Web', cpus: -1, constraints: [['a', 'NEAR']], backoffFactor: 0 });
  t.deepEqual(
    json.details.map(({ path }) => path),
    ['/backoffFactor', '/cpus'],
    'shape first',
  );
  const rules = await rig.post('/v2/apps', { id: '/Web', gpus: 1, constraints: [['a', 'NEAR']], dependencies: ['Db'] });
  t.deepEqual(rules.json.details.map(({ path }) => path).toSorted(), [
    '/',
    '/constraints(0)',
    '/dependencies',
    '/gpus',
    '/id',
  ]);
});

const segment = fc.constantFrom(
  'v2',
  'apps',
  'groups',
  'pods',
  'tasks',
  'queue',
  'deployments',
  'events',
  'info',
  'leader',
  'web',
  'g',
  '*',
  '..',
  '%00',
  '::status',
  'p::versions',
  'restart',
  'versions',
  'delay',
  'delete',
  '2024-01-31T12:00:00.000Z',
  'metrics',
  'logging',
  'eventSubscriptions',
  '%E2%82%AC',
  '',
);
const path = fc.oneof(
  fc.array(segment, { maxLength: 6 }).map(parts => `/${parts.join('/')}`),
  fc.tuple(fc.constantFrom('apps', 'groups', 'pods'), segment, segment).map(parts => `/v2/${parts.join('/')}`),
);
const query = fc.dictionary(
  fc.constantFrom('force', 'embed', 'label', 'dryRun', 'scale', 'wipe', 'status', 'callbackUrl', 'partialUpdate', 'id'),
  fc.oneof(fc.constantFrom('true', '', 'a in (', 'group.apps'), fc.string()),
  { maxKeys: 2 },
);
const body = fc.oneof(
  fc.jsonValue().map(value => JSON.stringify(value)),
  fc.string(),
  rawApp.map(value => JSON.stringify(value)),
  fc.constantFrom(
    '{"id":"/web","cmd":"x"}',
    '{"scaleBy":1e9}',
    '{"version":"2024-01-31T12:00:00.000Z"}',
    '{"ids":[1]}',
  ),
);

test('no request is answered with an error of the server', async t => {
  const rig = await Rig.start(t);
  await rig.app({ id: '/web', cmd: 'x' });
  const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS');
  const property = fc.asyncProperty(method, path, query, body, async (verb, at, asked, sent) => {
    const response = await rig.open(verb, `${at}?${new URLSearchParams(asked).toString()}`, { body: sent });
    // Streams have no end.
    response.destroy();
    assert.ok((response.statusCode ?? 500) < 500, `${response.statusCode} ${verb} ${at}`);
  });
  await t.notThrowsAsync(fc.assert(property, { includeErrorInReport: true, numRuns: 300 }));
});
