// F6: the process of a task is killed, the wrapper around another, and a framework's own executor under two more. All are told to have ended, nothing of them is
// left, their siblings live, and the next task of that executor gets a new one.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../../support/cli.js';
import { parentOf } from '../../../support/processes.js';
import type { Drill } from '../drill.js';
import type { Scene } from '../scene.js';
import { startTimeOf } from '../scene.js';
import type { TaskOrder } from '../scheduler-program.js';

const executorProgram = fileURLToPath(new URL('../../../support/executor-program.js', import.meta.url));

export const taskKilled: Drill = {
  name: 'task-killed',
  rows: 'F6',
  about: 'kill -9 of a task’s process, of the wrapper around another, and of a framework’s own executor',
  needs: [],
  limitMs: 60_000,
  run: async scene => {
    const { report } = scene;
    await scene.startMaster();
    await scene.startAgents('node-1');
    const tenant = await scene.startTenant();
    const ids = ['victim', 'wrapped', 'sibling-1', 'sibling-2'];
    const crew = ['wait-1', 'wait-2'];
    tenant.launch(...crew.map(id => crewOrder(scene, id)));
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

    await tenant.until('TASK_RUNNING', crew);
    report.check('both tasks share one executor', scene.starts('crew').length === 1, scene.starts('crew').join());
    const executor = scene.processOf('crew');
    report.fault('kill -9 of an executor with two tasks');
    process.kill(executor.pid, 'SIGKILL');
    await report.within('the ends of its tasks are told', 5_000, () => tenant.until('TASK_FAILED', crew));
    await scene.allGone(new Map([['crew', executor]]));
    tenant.launch(crewOrder(scene, 'wait-3'));
    await tenant.until('TASK_RUNNING', ['wait-3']);
    await eventually('the next task has an executor of its own', () => scene.starts('crew').length === 2);
    scene.untouched(siblings, 'at the end');
    report.check(
      'the siblings run',
      ['sibling-1', 'sibling-2'].every(id => tenant.state(id) === 'TASK_RUNNING'),
    );
    const next = new Map([['crew', scene.processOf('crew')]]);
    await tenant.teardown();
    await scene.allGone(new Map([...siblings, ...next]));
  },
};

/** A task of an executor that notes its pid when it starts. */
function crewOrder(scene: Scene, taskId: string): TaskOrder {
  const notes = join(scene.dir, 'tasks', 'crew');
  const executor = {
    executorId: 'crew',
    command: { value: `echo $$ >> ${notes}; exec ${process.execPath} ${executorProgram}` },
    resources: { cpus: 0.1, mem: 64 },
  };
  return { name: taskId, taskId, executor, resources: { cpus: 0.1, mem: 32 } };
}
