// What Marathon keeps, as stories: a decision becomes one write, and whoever starts again finds everything as it was, or a clear no.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import { openStore } from '../../../../src/index.js';
import { MemoryStore } from '../../../../src/store/memory-store.js';
import type { StoreChange } from '../../../../src/store/store.js';
import {
  appAt,
  podAt,
  putRunSpec,
  removeGroup,
  removeRunSpec,
  updateGroup,
} from '../../../../frameworks/marathon/model/group.js';
import { planDeployment } from '../../../../frameworks/marathon/plan/plan.js';
import { beginning } from '../../../../frameworks/marathon/plan/progress.js';
import { openLedger } from '../../../../frameworks/marathon/records/ledger.js';
import type { Act, Ledger, LedgerOptions } from '../../../../frameworks/marathon/records/ledger.js';
import { maybe, number, problemOf, shape, text } from '../../../../frameworks/marathon/records/shape.js';
import { app, instanceOf, listed, pod, treeOf } from './specs.js';

/** A ledger with its store: `take` writes, `again` is another process. */
class Kept {
  readonly store = new MemoryStore(run => run());
  readonly ledger: Ledger;
  writes: (readonly StoreChange[])[] = [];

  constructor(options: LedgerOptions = {}) {
    this.ledger = openLedger(this.store, options);
  }

  take(...acts: readonly Act[]): readonly StoreChange[] {
    const changes = this.ledger.record(acts);
    this.store.write(changes, () => {});
    this.writes.push(changes);
    return changes;
  }

  again(options: LedgerOptions = {}): Ledger {
    return openLedger(this.store.another(), options);
  }

  keys(): string[] {
    return this.store.load('marathon/').map(({ key }) => key.slice('marathon/'.length));
  }
}

const web = app('/shop/web', 1000);

test('an app, its deployment and its first instance come back as they were', t => {
  const kept = new Kept();
  const root = treeOf(web);
  const plan = planDeployment(kept.ledger.root, root, { id: 'd1' });
  const instance = instanceOf(web, 1);
  kept.take({ type: 'ROOT', root }, { type: 'DEPLOYMENT', deployment: { plan, standing: beginning(plan, 1000) } });
  kept.take({ type: 'INSTANCE', instance });
  t.is(kept.writes.length, 2, 'one write for each decision');

  const again = kept.again();
  t.deepEqual(listed(again.root), listed(root));
  t.deepEqual([...again.instances.values()], [instance]);
  t.deepEqual(again.deployments(), [{ plan, standing: beginning(plan, 1000) }]);
  t.deepEqual(again.versionsOf('/shop/web'), [1000]);
});

test('a step of a deployment writes a line; its end leaves nothing', t => {
  const kept = new Kept();
  const root = treeOf(web);
  const plan = planDeployment(kept.ledger.root, root, { id: 'd1' });
  const standing = beginning(plan, 1000);
  kept.take({ type: 'ROOT', root }, { type: 'DEPLOYMENT', deployment: { plan, standing } });
  const step = kept.take({ type: 'STANDING', standing: { ...standing, step: 1 } });
  t.deepEqual(
    step.map(({ key }) => key),
    ['marathon/deployment/d1'],
  );
  t.is(kept.again().deployments()[0]?.standing.step, 1);
  kept.take({ type: 'DEPLOYMENT_GONE', id: 'd1' });
  t.deepEqual(kept.again().deployments(), []);
  t.false(kept.keys().some(key => /^(plan|deployment)/.test(key)));
});

test('former versions can be read, and the tree as it was at each of them', t => {
  const kept = new Kept();
  const first = treeOf(web, app('/shop/db', 1500));
  const second = putRunSpec(first, { ...web, instances: 3, versionInfo: { ...web.versionInfo, version: 2000 } }, 2000);
  const third = removeRunSpec(second, '/shop/db', 3000);
  const fourth = updateGroup(third, '/shop', 4000, group => ({ ...group, dependencies: ['/base'] }));
  const steps = [treeOf(web), first, second, third, fourth];
  for (const root of steps) kept.take({ type: 'ROOT', root });

  for (const ledger of [kept.ledger, kept.again()]) {
    t.deepEqual(ledger.versionsOf('/shop/web'), [2000, 1000]);
    t.deepEqual(ledger.groupVersionsOf('/'), [4000, 3000, 2000, 1500, 1000]);
    t.deepEqual(ledger.groupVersionsOf('/shop'), [4000, 3000, 2000, 1500, 1000]);
    for (const root of steps) t.deepEqual(listed(ledger.groupAt('/', root.version)), listed(root));
    t.deepEqual(listed(ledger.groupAt('/shop', 1500)), listed(first.groups.get('/shop')));
    t.is(ledger.groupAt('/', 1600), undefined, 'there was no such version');
    t.deepEqual(ledger.specAt('/shop/web', 1000), web);
    t.deepEqual(ledger.versionsOf('/shop/db'), [], 'it is gone');
  }
});

test('fifty versions are kept of an app, and those that somebody still runs', t => {
  const kept = new Kept({ versionsMax: 5 });
  let root = treeOf(web);
  kept.take({ type: 'ROOT', root }, { type: 'INSTANCE', instance: instanceOf(web, 1) });
  for (let version = 1001; version <= 1010; version += 1) {
    root = putRunSpec(root, app('/shop/web', version, { cmd: `sleep ${version}` }), version);
    kept.take({ type: 'ROOT', root });
  }
  t.deepEqual(kept.ledger.versionsOf('/shop/web'), [1010, 1009, 1008, 1007, 1006, 1000]);
  t.deepEqual(kept.ledger.groupVersionsOf('/'), [1010, 1009, 1008, 1007, 1006]);
  t.deepEqual(kept.again({ versionsMax: 5 }).specAt('/shop/web', 1000), web);

  const changes = kept.take({ type: 'INSTANCE_GONE', id: instanceOf(web, 1).id });
  t.deepEqual(
    changes.map(({ key }) => key),
    ['marathon/instance/shop_web.instance-1', 'marathon/spec/shop/web@000000000001000'],
  );
  t.deepEqual(kept.again().versionsOf('/shop/web'), [1010, 1009, 1008, 1007, 1006]);
  for (const version of kept.again().groupVersionsOf('/')) {
    const then = kept.again().groupAt('/', version);
    t.is(then === undefined ? undefined : appAt(then, '/shop/web')?.cmd, `sleep ${version}`);
  }
});

test('what was deleted is forgotten when no version of its group tells of it', t => {
  const kept = new Kept({ versionsMax: 3 });
  let root = treeOf(web, app('/old/job', 1100));
  kept.take({ type: 'ROOT', root });
  kept.take({ type: 'FAILURE', failure: failure('/old/job') });
  root = removeGroup(root, '/old', 2000);
  const changes = kept.take({ type: 'ROOT', root });
  t.true(changes.some(change => change.key === 'marathon/failure/old/job' && 'remove' in change));
  t.deepEqual(kept.ledger.groupAt('/', 1100) === undefined, false);
  for (let version = 3000; version < 3003; version += 1) {
    root = putRunSpec(root, app('/shop/web', version), version);
    kept.take({ type: 'ROOT', root });
  }
  t.false(
    kept.keys().some(key => key.includes('/old')),
    'neither group nor app is left',
  );
  t.true(isDeepStrictEqual(kept.again().root, root));
});

test('an app may become a pod, and come back under a name it once had', t => {
  const kept = new Kept();
  const asApp = treeOf(web);
  const asPod = putRunSpec(removeRunSpec(asApp, '/shop/web', 2000), pod('/shop/web', 2000), 2000);
  const gone = removeRunSpec(asPod, '/shop/web', 3000);
  const back = putRunSpec(gone, app('/shop/web', 4000), 4000);
  for (const root of [asApp, asPod, gone, back]) kept.take({ type: 'ROOT', root });
  const again = kept.again();
  t.deepEqual(listed(again.root), listed(back));
  t.deepEqual(listed(again.groupAt('/', 1000)), listed(asApp));
  t.deepEqual(listed(again.groupAt('/', 2000)), listed(asPod));
  t.deepEqual(podAt(asPod, '/shop/web'), again.specAt('/shop/web', 2000));
  t.deepEqual(listed(again.groupAt('/', 3000)), listed(gone));
  t.deepEqual(again.versionsOf('/shop/web'), [4000, 2000, 1000]);
});

test('a deployment keeps the definitions it goes from and to, whatever is deleted meanwhile', t => {
  const kept = new Kept({ versionsMax: 1 });
  const before = treeOf(web);
  const after = putRunSpec(before, app('/shop/web', 2000, { cmd: 'new' }), 2000);
  kept.take({ type: 'ROOT', root: before });
  const plan = planDeployment(before, after, { id: 'd2' });
  kept.take({ type: 'ROOT', root: after }, { type: 'DEPLOYMENT', deployment: { plan, standing: beginning(plan, 1) } });
  kept.take({ type: 'ROOT', root: removeRunSpec(after, '/shop/web', 3000) });
  t.deepEqual(kept.again({ versionsMax: 1 }).deployments()[0]?.plan, plan);
  kept.take({ type: 'DEPLOYMENT_GONE', id: 'd2' });
  t.false(kept.keys().some(key => key.startsWith('spec/')));
});

test('no record of a deployment of thousands grows beyond a few kilobytes', t => {
  const kept = new Kept();
  const apps = Array.from({ length: 3000 }, (_, i) => app(`/big/app-${i}`, 1000));
  let root = kept.ledger.root;
  root = updateGroup(root, '/big', 1000, group => ({ ...group, apps: new Map(apps.map(each => [each.id, each])) }));
  const toKill = Array.from({ length: 2000 }, (_, i) => `big_app-0.instance-${String(i).padStart(36, '0')}`);
  const plan = planDeployment(kept.ledger.root, root, { id: 'd3', toKill: new Map([['/big/app-0', toKill]]) });
  const changes = kept.take(
    { type: 'ROOT', root },
    { type: 'DEPLOYMENT', deployment: { plan, standing: beginning(plan, 1) } },
  );
  const sizes = changes.map(change => ('value' in change ? JSON.stringify(change.value).length : 0));
  t.true(Math.max(...sizes) < 8192, `${Math.max(...sizes)} bytes`);
  t.true(isDeepStrictEqual(kept.again().deployments()[0]?.plan, plan));
  t.true(isDeepStrictEqual(kept.again().root, root));
});

test('callbacks, settings and last failures are kept', t => {
  const kept = new Kept();
  kept.take({ type: 'ROOT', root: treeOf(web) });
  kept.take(
    { type: 'CALLBACK', url: 'http://a/' },
    { type: 'CALLBACK', url: 'http://b/' },
    { type: 'CONFIG', config: { restore: 'file:///x' } },
    { type: 'FAILURE', failure: failure('/shop/web') },
  );
  kept.take({ type: 'CALLBACK_GONE', url: 'http://a/' }, { type: 'CALLBACK_GONE', url: 'http://never/' });
  const again = kept.again();
  t.deepEqual([...again.callbacks], ['http://b/']);
  t.deepEqual(again.config, { restore: 'file:///x' });
  t.deepEqual(again.failureOf('/shop/web'), failure('/shop/web'));
});

test('on a real disk it is the same, beside the id that the SDK keeps there', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'proffer-marathon-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const root = treeOf(web, pod('/shop/pair', 1100, { labels: { ünï: '☃' } }));
  const store = await openStore(directory);
  await new Promise<void>((resolve, reject) => {
    store.write([{ key: 'framework-id', value: 'F1' }], () => {});
    store.write(openLedger(store).record([{ type: 'ROOT', root }]), error => (error ? reject(error) : resolve()));
  });
  await new Promise<void>(resolve => {
    store.close(resolve);
  });
  const again = await openStore(directory);
  t.deepEqual(listed(openLedger(again).root), listed(root));
  await new Promise<void>(resolve => {
    again.close(resolve);
  });
});

test('versions go on when the clock stands still or goes back', t => {
  const kept = new Kept();
  t.is(kept.ledger.nextVersion(500), 500);
  kept.take({ type: 'ROOT', root: treeOf(web) });
  t.is(kept.ledger.nextVersion(500), 1001);
  t.throws(() => kept.ledger.record([{ type: 'ROOT', root: putRunSpec(kept.ledger.root, app('/x', 900), 900) }]), {
    message: 'the tree goes from version 1000 to 900',
  });
});

test('a shape has a schema for each member and no other, or it does not compile', t => {
  interface Pet {
    readonly name: string;
    readonly age?: number;
  }
  const pet = shape<Pet>({ name: text, age: maybe(number) });
  // @ts-expect-error age has none
  shape<Pet>({ name: text });
  // @ts-expect-error age may be absent
  shape<Pet>({ name: text, age: number });
  // @ts-expect-error a name is text
  shape<Pet>({ name: number, age: maybe(number) });
  t.is(problemOf(pet, { name: 'Rex' }, 'pet'), undefined);
  t.regex(problemOf(pet, { name: 'Rex', age: 'old' }, 'pet') ?? '', /^pet\.age: /);
  t.regex(problemOf(pet, { name: 'Rex', colour: 'red' }, 'pet') ?? '', /^pet\.colour: /);
  t.regex(problemOf(pet, {}, 'pet') ?? '', /^pet\.name: /);
});

test('what cannot be understood is refused, with its key and what to do', t => {
  const kept = new Kept();
  kept.take({ type: 'ROOT', root: putRunSpec(treeOf(web), app('/shop/web', 2000, { cmd: 'b' }), 2000) });
  kept.take({ type: 'INSTANCE', instance: instanceOf(web, 1) });
  kept.take({ type: 'ROOT', root: putRunSpec(kept.ledger.root, app('/shop/web', 3000), 3000) });
  const instance = 'marathon/instance/shop_web.instance-1';
  const older = 'marathon/spec/shop/web@000000000002000';
  const newer = 'marathon/spec/shop/web@000000000003000';
  const value = (key: string): { [member: string]: unknown } =>
    kept.store.load(key)[0]?.value as { [member: string]: unknown };
  const spec = value(newer)['spec'] as object;
  for (const [key, change, says] of [
    [instance, { v: 2, instance: {} }, /is of version 2, and this release reads version 1/],
    [instance, 'text', /it is not an object/],
    [instance, { v: 1, pet: {} }, /it holds pet, which this release does not know/],
    [instance, { ...value(instance), more: 1 }, /it holds more, too/],
    [instance, { v: 1, instance: { ...instanceOf(web, 1), colour: 'red' } }, /instance\.colour/],
    [instance, { v: 1, instance: { ...instanceOf(web, 1), condition: 'Fine' } }, /instance\.condition/],
    [instance, { v: 1, instance: instanceOf(web, 2) }, /it is of the instance shop_web\.instance-2/],
    [newer, { v: 1, spec: { ...spec, instances: -1 } }, /spec\.instances/],
    [newer, { v: 1, spec: { ...spec, kind: 'cron' } }, /spec\.kind/],
    [newer, { v: 1, spec: app('/other', 3000) }, /it is of \/other/],
    [newer, undefined, /spec\/shop\/web@000000000002000 cannot be read: it is told against a newer record/],
    [older, { v: 1, delta: { differs: { flavour: 1 } } }, /delta\.differs\.flavour: this release does not know it/],
    [older, { v: 1, delta: { differs: { cmd: 1 } } }, /delta\.differs\.cmd/],
    [older, { v: 1, delta: { differs: {}, lacks: ['x'] } }, /delta\.lacks: this release does not know x/],
    ['marathon/quota/x', { v: 1 }, /its key is of a kind this release does not know/],
    [
      'marathon/deployment/d',
      { v: 1, deployment: head('d', 1) },
      /the record marathon\/plan\/d@0+ of its plan is missing/,
    ],
    ['marathon/plan/d@000000000000000', { v: 1, items: [] }, /there is no record of its deployment/],
    ['marathon/group/shop@000000000003000', { v: 1, group: { version: 3000 } }, /group\.dependencies/],
  ] as const) {
    const store = new MemoryStore(run => run());
    store.write(kept.store.load(''), () => {});
    store.write([change === undefined ? { key, remove: true } : { key, value: change }], () => {});
    const error = t.throws(() => openLedger(store), { code: 'STORE_DAMAGED' }, key);
    t.regex(error?.message ?? '', says);
    t.regex((error as unknown as { hint: string }).hint, /start the release that wrote it/);
  }
});

function head(planId: string, parts: number): object {
  const standing = { planId, step: 0, startedAt: 1, progressAt: 1, left: '', stalled: false, failures: {} };
  return { version: 1, parts, standing };
}

function failure(appId: string) {
  return {
    appId,
    host: 'box',
    message: 'exited with code 1',
    state: 'TASK_FAILED',
    taskId: 'shop_web.instance-1._app.1',
    timestamp: 5000,
    version: 1000,
  };
}
