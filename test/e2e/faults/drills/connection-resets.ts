// F17: every connection is reset each second for a while. All come back without storming, nothing leaks, no status is lost.
import { startProxy } from '../../../../src/testing/index.js';
import { eventually } from '../../../support/cli.js';
import type { Drill } from '../drill.js';
import { pause } from '../scene.js';

const lastsMs = 12_000;

export const connectionResets: Drill = {
  name: 'connection-resets',
  rows: 'F17',
  about: 'TCP resets of all connections every second',
  needs: [],
  limitMs: 90_000,
  run: async scene => {
    const { report } = scene;
    await scene.startMaster();
    const proxy = await startProxy({ target: scene.url, seed: 17 });
    scene.afterwards(() => proxy.close());
    scene.dialled = proxy.url.replace(/^ws/, 'http');
    await scene.startAgents('node-1', 'node-2');
    const tenant = await scene.startTenant();
    const ending = Array.from({ length: 6 }, (_, n) => scene.held(`ending-${n}`, n));
    const processes = await scene.run(tenant, [scene.order('sleep-1'), scene.order('sleep-2'), ...ending]);
    const untouched = new Map([...processes].filter(([id]) => id.startsWith('sleep')));
    const parts = { master: scene.master, agent: scene.agents.get('node-1') ?? scene.master, scheduler: tenant.cli };
    const before = Object.entries(parts).map(([name, part]) => [name, part, scene.descriptors(part)] as const);
    const connectionsBefore = proxy.counts.connections;

    const resets = proxy.fault({ kind: 'reset', everyMs: 1000 });
    for (const { taskId = '' } of ending) {
      await pause(lastsMs / ending.length);
      scene.release(taskId);
    }
    resets.lift();
    report.fault('reset of a connection', resets.hits);
    await report.within('all are connected again', 20_000, async () => {
      for (const name of ['node-1', 'node-2']) await scene.untilAgent(name, 'REGISTERED');
      await eventually('the scheduler is subscribed', () => tenant.connected);
      await eventually('three connections are open', () => proxy.open === 3);
    });
    await report.within('all statuses have arrived', 20_000, async () => {
      await tenant.until('TASK_FINISHED', ['ending-0']);
      await tenant.until(
        'TASK_FAILED',
        ending.slice(1).map(({ taskId = '' }) => taskId),
      );
    });
    const codes = ending.map(({ taskId = '' }) => String(tenant.last(taskId)?.exitCode));
    report.check('every exit code is right', codes.join() === '0,1,2,3,4,5', codes.join());
    const attempts = proxy.counts.connections - connectionsBefore;
    report.check(
      'each came back with backoff: at most 12 attempts each',
      attempts <= 36,
      `${attempts} attempts of three`,
    );
    scene.untouched(untouched, 'after the resets');
    scene.noFalseEnd(tenant, untouched);
    for (const [name, part, descriptors] of before) {
      await eventually('descriptors are closed', () => scene.descriptors(part) <= descriptors + 5).catch(() => {});
      const now = scene.descriptors(part);
      report.check(`no descriptor leaks in the ${name}`, now <= descriptors + 5, `${descriptors} before, ${now} after`);
    }
    await tenant.teardown();
    await scene.allGone(processes);
  },
};
