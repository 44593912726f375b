// Deployments: capacities, dependencies, what is in the way, ways back, and an end of the process at any of their writes.
import test from 'ava';
import { isCurrent } from '../../../../frameworks/marathon/machine/instance.js';
import { removeRunSpec, runSpecAt } from '../../../../frameworks/marathon/model/group.js';
import { posting, putting, puttingGroup, Site } from './site.js';
import type { AppJson, Fate } from './site.js';

const web = { id: '/web', cmd: 'serve', cpus: 0.5, mem: 64, instances: 4 };
const never = { constraints: [['rack', 'LIKE', 'nowhere']] };

const capacities = [
  { minimumHealthCapacity: 1, maximumOverCapacity: 1 },
  { minimumHealthCapacity: 1, maximumOverCapacity: 0.25 },
  { minimumHealthCapacity: 1, maximumOverCapacity: 0 },
  { minimumHealthCapacity: 0.5, maximumOverCapacity: 0 },
  { minimumHealthCapacity: 0.75, maximumOverCapacity: 0.5 },
  { minimumHealthCapacity: 0, maximumOverCapacity: 0 },
];

for (const [at, upgradeStrategy] of capacities.entries()) {
  const { minimumHealthCapacity: least, maximumOverCapacity: over } = upgradeStrategy;
  test(`a rolling restart keeps to capacities of ${least} and ${over}`, async t => {
    const site = new Site({ seed: 20 + at });
    await site.deploy({ ...web, upgradeStrategy });
    await site.put({ ...web, upgradeStrategy, cmd: 'serve --better' });
    let fewest = 4;
    let most = 4;
    site.settle(() => {
      fewest = Math.min(fewest, site.c.running());
      most = Math.max(most, site.c.running());
    });
    const spec = runSpecAt(site.marathon.root, '/web');
    t.true(
      site.running('/web').length === 4 && spec !== undefined && site.of('/web').every(one => isCurrent(one, spec)),
    );
    t.true(fewest >= Math.ceil(4 * least), `${fewest} ran`);
    // Where nothing could begin one more may be there.
    t.true(most <= Math.max(4 * (1 + over), least === 1 && over === 0 ? 5 : 4), `${most} ran`);
  });
}

test('what depends on others waits for them, and a step not done yet leaves what is as it was', async t => {
  const site = new Site({ seed: 31 });
  const group = (cmd: string): object => ({
    id: '/shop',
    apps: [
      { id: 'db', cmd, cpus: 0.1, mem: 32 },
      { id: 'web', cmd, cpus: 0.1, mem: 32, dependencies: ['db'] },
    ],
  });
  const first = await site.change(puttingGroup(group('serve'), '/shop'));
  t.deepEqual(
    first.plan.steps.map(({ actions }) => actions.map(({ type, runSpecId }) => `${type} ${runSpecId}`)),
    [['Start /shop/db', 'Start /shop/web'], ['Scale /shop/db'], ['Scale /shop/web']],
  );
  site.settle(() => t.true(site.running('/shop/web').length === 0 || site.running('/shop/db').length === 1));
  const [old] = site.of('/shop/web');
  // The new db never runs: the new web must not begin, and the old one is still looked after.
  const broken = group('serve 2') as { apps: [object, object] };
  broken.apps[0] = { ...broken.apps[0], ...never };
  await site.change(puttingGroup(broken, '/shop'));
  site.c.run('10s');
  t.is(site.of('/shop/web')[0], old);
  const task = site.c.tasks('web.shop')[0]?.taskId ?? '';
  site.framework.kill(task);
  t.true(site.c.runUntil(() => site.running('/shop/web')[0]?.incarnation === 2));
  t.is(site.running('/shop/web')[0]?.configVersion, old?.configVersion, 'replaced by what it was');
  t.is(site.marathon.deployments().length, 1);
});

test('a deployment in the way locks; force takes its place, and finishes what it had begun', async t => {
  const site = new Site({ seed: 32 });
  await site.deploy(web);
  const { deploymentId } = await site.put({ ...web, cmd: 'serve 2', ...never });
  site.c.run('5s');
  const other = { ...web, cmd: 'serve 3', constraints: [] };
  t.deepEqual(site.marathon.plan(putting(other)), {
    type: 'LOCKED',
    ids: ['/web'],
    deployments: [deploymentId],
  });
  t.like(await site.c.settled(site.marathon.change(putting(other))), { type: 'LOCKED', ids: ['/web'] });
  await site.put(other, { force: true });
  site.settle();
  t.true(site.told.some(event => event.type === 'deployment_failed' && event.plan.id === deploymentId));
  t.is(site.running('/web').length, 4);
  site.c.run('10s');
  t.is(site.c.running(), 4, 'nothing is left of either');
});

test('taken back, a deployment leaves what was untouched as it was; what it made is gone', async t => {
  const site = new Site({ seed: 33 });
  await site.deploy(web);
  const before = site.of('/web').map(({ id }) => id);
  const version = site.marathon.root.version;
  await site.change(
    puttingGroup({
      apps: [{ ...web, cmd: 'serve 2', ...never, instances: 6 }],
      groups: [{ id: 'new', apps: [{ id: 'x', cmd: 'sleep 9', ...never }] }],
    }),
  );
  const [deployment] = site.marathon.deployments();
  site.c.run('10s');
  const back = await site.c.settled(site.marathon.revert(deployment?.plan.id ?? ''));
  t.is(back?.type, 'DONE');
  site.settle();
  t.deepEqual(
    site.running('/web').map(({ id }) => id),
    before,
    'none was restarted',
  );
  t.is(runSpecAt(site.marathon.root, '/new/x'), undefined);
  t.is(
    runSpecAt(site.marathon.root, '/web')?.versionInfo.version,
    site.marathon.groupAt('/', version)?.apps.get('/web')?.versionInfo.version,
  );
  t.is(await site.c.settled(site.marathon.revert('nobody')), undefined);
});

test('given up, a deployment leaves what is there, unlocked', async t => {
  const site = new Site({ seed: 34 });
  const { deploymentId } = await site.put({ ...web, ...never });
  site.c.run('3s');
  t.true(await site.c.settled(site.marathon.cancel(deploymentId)));
  t.false(await site.c.settled(site.marathon.cancel(deploymentId)));
  site.c.run('1s');
  t.true(site.types().includes('deployment_failed'));
  t.is(site.marathon.queue()[0]?.count, 4, 'it still waits');
  t.deepEqual(site.marathon.deploymentsOf('/web'), []);
  await site.remove('/web');
  site.settle();
  t.deepEqual([...site.marathon.instances()], []);
});

test('a removal that is given up leaves nobody behind', async t => {
  const site = new Site({ seed: 35 });
  await site.deploy({ ...web, env: { SIM_TERM: '2s' }, taskKillGracePeriodSeconds: 10 });
  const { deploymentId } = await site.remove('/web');
  site.c.run('500ms');
  t.true(await site.c.settled(site.marathon.cancel(deploymentId)));
  site.c.run('5s');
  t.is(site.c.running(), 0);
  t.deepEqual([...site.marathon.instances()], []);
});

test('without a difference nothing happens, and who waits for its end hears of it', async t => {
  const site = new Site({ seed: 36 });
  await site.deploy(web);
  const writes = site.writes;
  const { deploymentId, plan } = await site.put(web);
  t.deepEqual(plan.steps, []);
  site.c.run('1s');
  t.is(site.writes, writes);
  t.true(site.told.some(event => event.type === 'deployment_success' && event.plan.id === deploymentId));
});

test('no more deployments than may, and one that does not move says what for', async t => {
  const site = new Site({ seed: 37, deploymentsMax: 2 });
  for (const id of ['/a', '/b']) await site.put({ ...web, id, ...never });
  t.deepEqual(await site.c.settled(site.marathon.change(posting({ ...web, id: '/c' }))), { type: 'TOO_MANY', most: 2 });
  const [first] = site.marathon.deployments();
  const [waits] = site.marathon.waitingFor(first?.plan.id ?? '').get('/a') ?? [];
  t.like(waits, { kind: 'launch', count: 4 });
  site.c.run('310s');
  const stalled = site.told.find(event => event.type === 'deployment_stalled');
  t.regex(stalled?.waitingFor[0] ?? '', /^\/[ab]: 4 instances to be launched \(UnfulfilledConstraint on 3 agents\)$/);
  t.true(site.marathon.queue()[0]?.overdue);
});

test('instances named are the ones to go when an app is scaled', async t => {
  const site = new Site({ seed: 38 });
  await site.deploy(web);
  const [oldest, ...others] = site.of('/web').map(({ id }) => id);
  await site.put({ ...web, instances: 3 }, { toKill: new Map([['/web', [oldest ?? '']]]) });
  site.settle();
  t.deepEqual(
    site.running('/web').map(({ id }) => id),
    others,
  );
});

/** What is done to a site, and what must hold of its app after every step of the world. */
interface Story {
  readonly name: string;
  readonly app: AppJson & { readonly instances: number };
  readonly target: AppJson | undefined;
  readonly least: number;
  readonly most: number;
}

const small = { ...web, instances: 2, upgradeStrategy: { minimumHealthCapacity: 0.5, maximumOverCapacity: 0.5 } };
const stories: readonly Story[] = [
  { name: 'a restart', app: small, target: { ...small, cmd: 'serve 2' }, least: 1, most: 3 },
  { name: 'more instances', app: small, target: { ...small, instances: 4 }, least: 2, most: 4 },
  { name: 'fewer instances', app: { ...small, instances: 4 }, target: { ...small, instances: 2 }, least: 2, most: 4 },
  { name: 'an end', app: small, target: undefined, least: 0, most: 2 },
];

for (const { name, app, target, least, most } of stories) {
  test(`the process ends at every write of ${name}: the next one goes on, kills nobody it needs, and doubles nobody`, async t => {
    const site = new Site({ seed: 40 });
    await site.deploy(app);
    const begun = site.writes;
    begin(site);
    site.settle();
    const last = site.writes;
    t.true(last - begun >= 3, `${last - begun} writes`);
    for (let write = begun + 1; write <= last; write += 1) {
      for (const fate of ['lost', 'kept'] as const) await crashAt(write, fate);
    }

    function begin({ marathon }: Site): void {
      // A process that ends answers nothing.
      if (target !== undefined) void marathon.change(putting(target));
      else void marathon.change((root, version) => ({ ok: true, value: removeRunSpec(root, app.id, version) }));
    }

    async function crashAt(write: number, fate: Fate): Promise<void> {
      const what = `at write ${write}, ${fate}`;
      const crashed = new Site({ seed: 40 });
      await crashed.deploy(app);
      crashed.fatal = { write, fate };
      const first = crashed.marathon.root.version;
      begin(crashed);
      const kills = new Set<string>();
      let fewest: number = app.instances;
      let greatest: number = app.instances;
      const look = (): void => {
        fewest = Math.min(fewest, crashed.c.running());
        greatest = Math.max(greatest, crashed.c.running());
        if (crashed.isDown) return;
        // Nobody who is what he shall be is to end.
        const spec = runSpecAt(crashed.marathon.root, app.id);
        if (spec === undefined || name !== 'a restart' || spec.versionInfo.version === first) return;
        for (const one of crashed.of(app.id)) if (isCurrent(one, spec) && one.goal !== 'Running') kills.add(one.id);
      };
      const ends = (): boolean => {
        look();
        return crashed.isDown;
      };
      t.true(crashed.c.runUntil(ends, '20s'), what);
      crashed.settle(look);
      // The change itself is not there when its write was lost: it was not answered either.
      const lost = write === begun + 1 && fate === 'lost';
      const expected = lost ? app.instances : Number(target?.['instances'] ?? 0);
      crashed.c.run('40s');
      t.is(crashed.c.running(), expected, what);
      t.is(crashed.running(app.id).length, expected, what);
      t.true(fewest >= least, `${what}: ${fewest} ran`);
      t.true(greatest <= most, `${what}: ${greatest} ran`);
      t.deepEqual([...kills], [], what);
    }
  });
}

test('canaries are tried before old instances go; those that fail take the deployment back by themselves', async t => {
  const site = new Site({ seed: 45 });
  const upgradeStrategy = {
    minimumHealthCapacity: 1,
    maximumOverCapacity: 0.5,
    canary: { instances: 1, observeSeconds: 30 },
  };
  const tried = { ...web, upgradeStrategy };
  await site.deploy(tried);
  await site.put({ ...tried, cmd: 'serve 2' });
  site.c.run('20s');
  t.is(site.c.running(), 5, 'one beside the old ones');
  const [deployment] = site.marathon.deployments();
  t.like(site.marathon.waitingFor(deployment?.plan.id ?? '').get('/web')?.[0], { kind: 'trial', count: 1 });
  site.settle();
  t.is(site.running('/web').length, 4);
  const good = site.running('/web').map(({ id }) => id);
  const { deploymentId, version } = await site.put({ ...tried, cmd: 'sleep 5; exit 1' });
  t.true(
    site.c.runUntil(() =>
      site.told.some(event => event.type === 'deployment_failed' && event.plan.id === deploymentId),
    ),
  );
  const failed = site.told.find(event => event.type === 'deployment_failed' && event.plan.id === deploymentId);
  t.is(failed?.type === 'deployment_failed' ? failed.reason : '', '/web: 1 new instance has failed, 1 may not');
  site.settle();
  t.deepEqual(
    site.running('/web').map(({ id }) => id),
    good,
    'the old ones went on all the time',
  );
  t.true((runSpecAt(site.marathon.root, '/web')?.versionInfo.version ?? 0) < version);
});

test('a deployment that comes no closer to its end is taken back after its deadline, also by another process', async t => {
  const site = new Site({ seed: 46 });
  const rollback = { failures: 3, deadlineSeconds: 60 };
  const upgradeStrategy = { minimumHealthCapacity: 1, maximumOverCapacity: 1, rollback };
  await site.deploy({ ...web, upgradeStrategy });
  const { deploymentId } = await site.put({ ...web, upgradeStrategy, ...never });
  site.c.run('30s');
  site.c.crash('marathon');
  site.c.restart('marathon');
  const isBack = (): boolean =>
    site.told.some(event => event.type === 'deployment_failed' && event.plan.id === deploymentId);
  t.true(site.c.runUntil(isBack, '60s'));
  site.settle();
  t.deepEqual(runSpecAt(site.marathon.root, '/web')?.constraints, []);
  t.is(site.running('/web').length, 4);
});
