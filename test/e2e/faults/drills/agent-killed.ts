// F4: an agent is killed and comes back at once, after its tasks became unreachable, and after the recovery timeout. Its tasks run on in the first two, and
// what ended meanwhile is told with its exit code.
import type { Drill } from '../drill.js';
import type { Scene } from '../scene.js';
import { eventually } from '../../../support/cli.js';
import { pause } from '../scene.js';

/** Fifteen minutes by default; the last start comes after a shorter one. */
const tooLate = ['--recovery-timeout', '1s'];
const awayMs = 3000;

export const agentKilled: Drill = {
  name: 'agent-killed',
  rows: 'F4',
  about: 'kill -9 of an agent; it is back at once, late, and too late',
  needs: [],
  limitMs: 120_000,
  run: async scene => {
    const { report } = scene;
    await scene.startMaster();
    await scene.startAgents('node-1');
    const tenant = await scene.startTenant();
    const orders = [scene.order('sleep-1'), scene.order('sleep-2'), scene.held('soon', 7), scene.held('late', 0)];
    const processes = await scene.run(tenant, orders);
    const untouched = new Map([...processes].filter(([id]) => id.startsWith('sleep')));
    const agentId = (await scene.agent('node-1'))?.id;

    await killAgent(scene);
    await report.within('the master notices', 15_000, () =>
      eventually('the agent is disconnected', async () => (await scene.agent('node-1'))?.liveness !== 'REGISTERED'),
    );
    scene.release('soon');
    await scene.untilEnded('soon', processes);
    scene.untouched(untouched, 'without an agent');
    await back(scene, 'at once');
    await report.within('at once: the status of a task that ended meanwhile arrives', 15_000, () =>
      tenant.until('TASK_FAILED', ['soon']),
    );
    report.check('at once: its exit code is right', tenant.last('soon')?.exitCode === 7);
    scene.untouched(untouched, 'after the first start');

    await killAgent(scene);
    await report.within('its tasks are unreachable', 15_000, () =>
      tenant.until('TASK_UNREACHABLE', ['sleep-1', 'late']),
    );
    scene.release('late');
    await scene.untilEnded('late', processes);
    await back(scene, 'late');
    await report.within('late: its tasks are back', 15_000, () => tenant.until('TASK_RUNNING', [...untouched.keys()]));
    await report.within('late: the status of a task that ended meanwhile arrives', 15_000, () =>
      tenant.until('TASK_FINISHED', ['late']),
    );
    report.check('late: its exit code is right', tenant.last('late')?.exitCode === 0);
    scene.untouched(untouched, 'after the second start');
    report.check('it kept its id', (await scene.agent('node-1'))?.id === agentId);
    scene.noFalseEnd(tenant, untouched);

    await killAgent(scene);
    await pause(awayMs);
    await back(scene, 'too late', tooLate);
    await report.within('too late: its tasks are told to have ended', 15_000, () =>
      eventually('the tasks are terminal', () =>
        [...untouched.keys()].every(id => /FAILED|LOST|GONE|KILLED/.test(tenant.state(id) ?? '')),
      ),
    );
    await scene.allGone(untouched);
    await tenant.teardown();
  },
};

async function killAgent(scene: Scene): Promise<void> {
  const agent = scene.agents.get('node-1');
  if (agent === undefined) throw new Error('there is no agent');
  scene.report.fault('kill -9 of the agent');
  await scene.kill9(agent);
}

async function back(scene: Scene, when: string, args: readonly string[] = []): Promise<void> {
  await scene.report.within(`${when}: the agent is back`, 10_000, async () => {
    scene.startAgent('node-1', { args });
    await scene.untilAgent('node-1', 'REGISTERED');
  });
}
