// F7: a scheduler is killed and comes back with its id; then it is killed and does not, until its failover timeout ends.
import { eventually } from '../../../support/cli.js';
import { Tenant } from '../tenant.js';
import type { Drill } from '../drill.js';

export const schedulerKilled: Drill = {
  name: 'scheduler-killed',
  rows: 'F7',
  about: 'kill -9 of a scheduler; a new one takes over its id, and nobody comes in time',
  needs: [],
  limitMs: 60_000,
  run: async scene => {
    const { report } = scene;
    await scene.startMaster();
    await scene.startAgents('node-1', 'node-2');
    const first = await scene.startTenant();
    const orders = [scene.order('sleep-1'), scene.order('sleep-2'), scene.held('ending', 7), scene.held('quiet', 0)];
    const processes = await scene.run(first, orders);
    const untouched = new Map([...processes].filter(([id]) => id.startsWith('sleep')));
    const { frameworkId } = first;
    await eventually('the scheduler has offers in hand', () => first.offers.size > 0);

    report.fault('kill -9 of the scheduler');
    await first.kill();
    await report.within('its offers are taken back', 15_000, () =>
      eventually('the offers are gone', async () => {
        const framework = await scene.framework(frameworkId);
        return framework?.state === 'DISCONNECTED' && framework.offers === 0;
      }),
    );
    scene.release('ending');
    scene.untouched(untouched, 'while nobody schedules');
    const second = await report.within('a new process takes over', 10_000, () =>
      scene.startTenant({ id: frameworkId }),
    );
    report.check('with the same id', second.frameworkId === frameworkId, second.frameworkId);
    await report.within('the status of a task that ended meanwhile arrives', 2_000, () =>
      second.until('TASK_FAILED', ['ending']),
    );
    report.check('its exit code is right', second.last('ending')?.exitCode === 7);
    await report.within('the others are told to run, by reconciliation', 15_000, () =>
      second.until('TASK_RUNNING', ['sleep-1', 'sleep-2', 'quiet']),
    );
    await report.within('offers come again', 15_000, () =>
      eventually('the scheduler has offers in hand', () => second.offers.size > 0),
    );
    scene.untouched(untouched, 'after the takeover');

    // A second process with the id of one that lives: the older is cut off, and told why.
    report.fault('a second scheduler with the same id');
    const third = await scene.startTenant({ id: frameworkId, failoverTimeoutMs: 3000 });
    await report.within('the older one is told', 5_000, () =>
      eventually('the older scheduler has ended', () => second.refusal !== ''),
    );
    report.check('that another took over', second.refusal === 'FAILED_OVER', second.refusal);
    scene.release('quiet');
    await third.until('TASK_FINISHED', ['quiet']);
    report.check('and hears nothing more', second.state('quiet') === 'TASK_RUNNING', second.state('quiet'));

    report.fault('kill -9 of the scheduler, for good');
    await third.kill();
    await eventually('the framework is ended', async () => {
      return (await scene.framework(frameworkId))?.state === 'COMPLETED';
    });
    await scene.allGone(untouched);
    const late = new Tenant(
      { master: scene.url.replace(/^http/, 'ws'), name: 'tenant', id: frameworkId },
      { cwd: scene.dir },
    );
    scene.tenants.push(late);
    await eventually('the late one is refused', () => late.refusal !== '');
    report.check('who comes after the failover timeout is refused', late.refusal === 'FRAMEWORK_REMOVED', late.refusal);
  },
};
