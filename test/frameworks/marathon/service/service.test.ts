// Marathon as a whole: apps come, change, fail and go, in a cluster under virtual time.
import test from 'ava';
import { Site } from './site.js';

const web = { id: '/web', cmd: 'serve', cpus: 0.5, mem: 64, instances: 3 };

test('an app comes, is scaled, changed and removed, and all of it is told', async t => {
  const site = new Site({ seed: 11 });
  const { deploymentId } = await site.deploy(web);
  t.is(site.c.running(), 3);
  t.is(site.running('/web').length, 3);
  t.true(site.told.some(event => event.type === 'deployment_success' && event.plan.id === deploymentId));
  const before = new Set(site.of('/web').map(({ id }) => id));
  await site.deploy({ ...web, instances: 5 });
  t.is(site.c.running(), 5);
  await site.deploy({ ...web, instances: 2 });
  site.c.run('5s');
  t.is(site.c.running(), 2);
  t.true(
    site.of('/web').every(({ id }) => before.has(id)),
    'the youngest go',
  );
  await site.deploy({ ...web, instances: 2, cmd: 'serve --better' });
  site.c.run('5s');
  t.is(site.c.running(), 2);
  t.true(
    site.of('/web').every(({ id }) => !before.has(id)),
    'all are replaced',
  );
  await site.remove('/web');
  site.settle();
  site.c.run('5s');
  t.is(site.c.running(), 0);
  t.deepEqual([...site.marathon.instances()], []);
  t.is(site.why, undefined);
});

test('a thousand instances start within seconds', async t => {
  const agents = Array.from({ length: 10 }, () => ({
    resources: { cpus: 64, mem: 65_536, ports: [[31_000, 31_999]] as const },
  }));
  const site = new Site({ seed: 12, agents });
  const from = site.c.nowMs;
  await site.deploy({ ...web, cpus: 0.1, mem: 16, instances: 1000 });
  t.is(site.c.running(), 1000);
  t.log(site.c.nowMs - from, site.writes);
});

test('instances whose descriptions together are too long for a message start in several', async t => {
  const site = new Site({ seed: 13, agents: [{ resources: { cpus: 64, mem: 65_536, ports: [[31_000, 31_999]] } }] });
  await site.deploy({ ...web, cpus: 0.1, mem: 16, instances: 60, env: { CONFIG: 'x'.repeat(30_000) } });
  t.is(site.c.running(), 60);
  t.is(
    site.told.filter(event => event.type === 'status_update_event' && event.taskStatus !== 'TASK_RUNNING').length,
    0,
  );
});
