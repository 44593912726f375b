// F6: the process of a task is killed, and the wrapper around another. Both are told to have ended, nothing of them is left, and their siblings live.
import { parentOf } from '../../../support/processes.js';
import type { Drill } from '../drill.js';
import { startTimeOf } from '../scene.js';

export const taskKilled: Drill = {
  name: 'task-killed',
  rows: 'F6',
  about: 'kill -9 of a task’s process, and of the wrapper around another',
  needs: [],
  limitMs: 60_000,
  run: async scene => {
    const { report } = scene;
    await scene.startMaster();
    await scene.startAgents('node-1');
    const tenant = await scene.startTenant();
    const ids = ['victim', 'wrapped', 'sibling-1', 'sibling-2'];
    const processes = await scene.run(
      tenant,
      ids.map(id => scene.order(id)),
    );
    const siblings = new Map([...processes].filter(([id]) => id.startsWith('sibling')));

    report.fault('kill -9 of a task');
    const victim = processes.get('victim')?.pid ?? 0;
    process.kill(victim, 'SIGKILL');
    await report.within('its end is told', 5_000, () => tenant.until('TASK_FAILED', ['victim']));
    const { signal, message = '' } = tenant.last('victim') ?? {};
    report.check('with its signal', signal === 'SIGKILL', `${signal} ${message}`);

    report.fault('kill -9 of a wrapper');
    const wrapped = processes.get('wrapped')?.pid ?? 0;
    const wrapper = parentOf(wrapped);
    report.check('the wrapper is another process', wrapper > 1 && startTimeOf(wrapper) !== undefined, String(wrapper));
    process.kill(wrapper, 'SIGKILL');
    await report.within('the end of its task is told', 5_000, () => tenant.until('TASK_FAILED', ['wrapped']));
    await scene.allGone(new Map([...processes].filter(([id]) => id === 'wrapped' || id === 'victim')));
    scene.untouched(siblings, 'at the end');
    report.check(
      'the siblings run',
      ['sibling-1', 'sibling-2'].every(id => tenant.state(id) === 'TASK_RUNNING'),
    );
    await tenant.teardown();
    await scene.allGone(siblings);
  },
};
