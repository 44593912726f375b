// From offer to acknowledged end, and what can be wrong on the way: the master with fake peers under virtual time.
import test from 'ava';
import { MasterRig, task } from '../support/master-rig.js';

test('a task goes from offer to acknowledged end, and its resources come back when it ends', t => {
  const rig = new MasterRig();
  const agent = rig.agent({ cpus: 2, mem: 1024 });
  const scheduler = rig.scheduler();
  t.deepEqual(scheduler.offer.resources, { cpus: 2, mem: 1024 });

  t.deepEqual(scheduler.launch(task('web')), []);
  t.deepEqual(agent.launched, ['web']);
  t.is(agent.last('LAUNCH').framework.id, scheduler.frameworkId);
  t.is(agent.last('LAUNCH').tasks[0]?.agentId, agent.agentId);
  t.deepEqual(rig.master.views.agents()[0]?.used, { cpus: 1, mem: 128 });

  agent.status(scheduler.frameworkId, 'web', 'TASK_RUNNING');
  t.deepEqual(agent.got('ACKNOWLEDGE'), [], 'acknowledging is the framework’s business');
  scheduler.acknowledge('web');
  t.is(agent.got('ACKNOWLEDGE').length, 1);

  agent.status(scheduler.frameworkId, 'web', 'TASK_FINISHED', { exitCode: 0 });
  t.deepEqual(scheduler.states('web'), ['TASK_RUNNING', 'TASK_FINISHED']);
  t.deepEqual(rig.master.views.agents()[0]?.used, {}, 'the end frees resources before it is acknowledged');
  t.is(rig.master.views.tasks().length, 1, 'an end not acknowledged is still known');

  scheduler.acknowledge('web');
  t.is(rig.master.views.tasks().length, 0);
  t.is(rig.master.views.completedTasks()[0]?.state, 'TASK_FINISHED');
});
