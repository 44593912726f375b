// Notifications of registries, and who is deployed anew by them.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { appAt, podAt } from '../../../../frameworks/marathon/model/group.js';
import { matches, withPushes } from '../../../../frameworks/marathon/webhook/deploy.js';
import { imageName, withTag } from '../../../../frameworks/marathon/webhook/image-name.js';
import { pushesIn } from '../../../../frameworks/marathon/webhook/push.js';
import type { Push } from '../../../../frameworks/marathon/webhook/push.js';
import { refusalOf, Tree, valueOf } from '../model/reading.js';

const digest = `sha256:${'ab'.repeat(32)}`;
const now = Date.parse('2026-05-01T12:00:00Z');

const distribution = (...events: object[]): object => ({ events });
const pushed = (repository: string, tag: string, more: object = {}): object => ({
  id: '1',
  timestamp: '2026-05-01T10:00:00Z',
  action: 'push',
  target: {
    mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    digest,
    repository,
    tag,
    url: `http://registry.local:5000/v2/${repository}/manifests/${digest}`,
  },
  request: { host: 'registry.local:5000', method: 'PUT' },
  ...more,
});
const hub = (repo: string, tag: string, at?: number): object => ({
  callback_url: 'https://registry.hub.docker.com/u/team/web/hook/1/',
  push_data: { pushed_at: at ?? 1_777_629_600, pusher: 'ci', tag },
  repository: { repo_name: repo, name: repo.split('/')[1], namespace: repo.split('/')[0] },
});

test('names of images are read as Docker reads them', t => {
  t.deepEqual(imageName('redis'), { registry: 'docker.io', repository: 'library/redis' });
  t.deepEqual(imageName('team/web:v1'), { registry: 'docker.io', repository: 'team/web', tag: 'v1' });
  t.deepEqual(imageName('index.docker.io/team/web'), { registry: 'docker.io', repository: 'team/web' });
  t.deepEqual(imageName(`Registry.local:5000/a/b:v1@${digest}`), {
    registry: 'registry.local:5000',
    repository: 'a/b',
    tag: 'v1',
    digest,
  });
  t.deepEqual(imageName('localhost/web'), { registry: 'localhost', repository: 'web' });
  t.is(withTag('registry.local:5000/web', 'v2', undefined), 'registry.local:5000/web:v2');
  t.is(withTag(`team/web:v1@${digest}`, 'v2', undefined), 'team/web:v2');
  t.is(withTag('team/web:v1', 'v2', digest), `team/web:v2@${digest}`);
});

test('patterns of tags', t => {
  for (const [patterns, tag] of [
    ['*', 'v1'],
    ['v*', 'v1.2'],
    ['latest, v1.*', 'v1.2'],
    ['v*-*-rc', 'v1-2-rc'],
    ['v1', 'v1'],
    ['*-alpine', '3-alpine'],
  ] as const)
    t.true(matches(patterns, tag), `${patterns} ${tag}`);
  for (const [patterns, tag] of [
    ['', 'v1'],
    ['v1', 'v1.2'],
    ['v1*1', 'v1'],
    ['v.', 'v1'],
    ['V*', 'v1'],
    ['v*-*-rc', 'v1-rc'],
  ] as const)
    t.false(matches(patterns, tag), `${patterns} ${tag}`);
});

test('a Distribution registry tells of pushes among other things, in any order', t => {
  const events = distribution(
    pushed('team/web', 'v3', { timestamp: '2026-05-01T11:00:00Z' }),
    pushed('team/web', 'v2'),
    { ...pushed('team/web', 'v4'), action: 'pull' },
    { action: 'push', target: { repository: 'team/web', digest } },
    { action: 'push', timestamp: 'soon', target: { repository: 'team/db', tag: 'v1', digest: 'rubbish' } },
  );
  t.deepEqual(valueOf(pushesIn(events, now)), [
    {
      registries: ['registry.local:5000'],
      repository: 'team/web',
      tag: 'v2',
      digest,
      at: Date.parse('2026-05-01T10:00:00Z'),
    },
    {
      registries: ['registry.local:5000'],
      repository: 'team/web',
      tag: 'v3',
      digest,
      at: Date.parse('2026-05-01T11:00:00Z'),
    },
    { registries: [], repository: 'team/db', tag: 'v1', at: now },
  ]);
});

test('Docker Hub tells of one push; official images have no owner', t => {
  t.deepEqual(valueOf(pushesIn(hub('team/web', 'v2'), now)), [
    { registries: ['docker.io'], repository: 'team/web', tag: 'v2', at: 1_777_629_600_000 },
  ]);
  t.is(valueOf(pushesIn(hub('redis', '8'), now))[0]?.repository, 'library/redis');
});

test('what is no notification is refused, with what is wrong and where', t => {
  const errorsOf = (json: unknown): Record<string, string> => refusalOf(pushesIn(json, now)).errors;
  for (const json of [undefined, null, 7, 'push', [], {}, { push: true }])
    t.regex(errorsOf(json)['/'] ?? '', /must be a notification of a registry/, JSON.stringify(json));
  t.truthy(errorsOf({ push_data: { tag: 7 }, repository: { repo_name: 'team/web' } })['/push_data/tag']);
  t.truthy(errorsOf({ push_data: { tag: 'v1; rm -rf /' }, repository: { repo_name: 'team/web' } })['/push_data/tag']);
  t.truthy(errorsOf({ push_data: { tag: 'v1' } })['/repository']);
  t.truthy(errorsOf({ events: { action: 'push' } })['/events']);
  t.truthy(errorsOf({ events: [{ action: 7 }] })['/events(0)/action']);
});

/** Four services: two that ask for pushes of `team/web`, one with other tags, one that does not ask. */
function services(): Tree {
  const tree = new Tree();
  const docker = (image: string): object => ({ type: 'DOCKER', docker: { image } });
  const asks = (tags: string): object => ({ PROFFER_DEPLOY_ON_PUSH: tags });
  tree.post({ id: '/web', container: docker('team/web:v1'), labels: asks('v*') });
  tree.post({ id: '/old', container: docker('docker.io/team/web:v1'), labels: asks('v1*') });
  tree.post({ id: '/pinned', container: docker('team/web:v1') });
  tree.post({ id: '/local', container: docker('registry.local:5000/team/web:v1'), labels: asks('*') });
  tree.post({ id: '/plain', cmd: 'sleep 1', labels: asks('*') });
  tree.putPod({
    id: '/pod',
    labels: asks('v*'),
    containers: [
      { name: 'web', resources: { cpus: 0.1, mem: 32 }, image: { kind: 'DOCKER', id: 'team/web:v1' } },
      { name: 'db', resources: { cpus: 0.1, mem: 32 }, image: { kind: 'DOCKER', id: 'team/db:v1' } },
    ],
  });
  return tree;
}

function push(t: ExecutionContext, tree: Tree, json: object): readonly string[] {
  const { root, changes } = withPushes(tree.root, valueOf(pushesIn(json, now)));
  t.is(root === tree.root, changes.length === 0);
  tree.version += 1000;
  tree.settle(root);
  return changes.map(({ id, from, to }) => `${id} ${from} → ${to}`).toSorted();
}

test('who asks for the tag gets it; others, other registries and other containers keep what they have', t => {
  const tree = services();
  t.deepEqual(push(t, tree, hub('team/web', 'v2')), [
    '/pod team/web:v1 → team/web:v2',
    '/web team/web:v1 → team/web:v2',
  ]);
  t.is(tree.app('/web').container?.docker?.image, 'team/web:v2');
  t.is(tree.app('/web').labels['PROFFER_PUSHED_AT'], '2026-05-01T10:00:00.000Z');
  t.is(tree.app('/web').versionInfo.lastConfigChangeAt, tree.version);
  t.deepEqual(
    podAt(tree.root, '/pod')?.containers.map(({ image }) => image?.id),
    ['team/web:v2', 'team/db:v1'],
  );
  t.deepEqual(push(t, tree, distribution(pushed('team/web', 'edge'))), [
    `/local registry.local:5000/team/web:v1 → registry.local:5000/team/web:edge@${digest}`,
  ]);
  t.false(appAt(tree.root, '/local')?.container?.docker?.forcePullImage);
});

test('the newest of several pushes counts; a push that is told again, or late, changes nothing', t => {
  const tree = services();
  const both = distribution(pushed('team/web', 'v3', { timestamp: '2026-05-01T11:00:00Z' }), pushed('team/web', 'v2'));
  t.deepEqual(push(t, tree, both), [
    `/local registry.local:5000/team/web:v1 → registry.local:5000/team/web:v3@${digest}`,
  ]);
  t.deepEqual(push(t, tree, both), []);
  t.deepEqual(push(t, tree, distribution(pushed('team/web', 'v2'))), []);
});

test('a tag that is pushed again without a digest is pulled again', t => {
  const tree = services();
  t.deepEqual(push(t, tree, hub('team/web', 'v1')), [
    '/old docker.io/team/web:v1 → docker.io/team/web:v1',
    '/pod team/web:v1 → team/web:v1',
    '/web team/web:v1 → team/web:v1',
  ]);
  t.true(tree.app('/web').container?.docker?.forcePullImage);
  t.is(tree.app('/web').versionInfo.lastConfigChangeAt, tree.version);
  t.deepEqual(push(t, tree, hub('team/web', 'v1')), []);
  t.is(push(t, tree, hub('team/web', 'v1', 1_777_629_601)).length, 3);
});

test('a registry that tells no host is nobody’s', t => {
  const tree = services();
  const nameless: Push = { registries: [], repository: 'team/web', tag: 'v2', at: now };
  t.deepEqual(withPushes(tree.root, [nameless]).changes, []);
});
