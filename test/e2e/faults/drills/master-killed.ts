// F1: the master is killed at random steps of its registry, again and again, then under a whole cluster. Tasks run on, and whatever it acknowledged is there.
import { seededRandom } from '../../../../src/env/random.js';
import type { Drill } from '../drill.js';
import { pause } from '../scene.js';
import type { Scene } from '../scene.js';
import { RegistryWriter } from '../registry-writer.js';

const rounds = 5;
const agents = ['node-1', 'node-2', 'node-3'];

export const masterKilled: Drill = {
  name: 'master-killed',
  rows: 'F1',
  about: 'kill -9 of the master at random steps of the registry, and a new start',
  needs: [],
  limitMs: 90_000,
  run: async scene => {
    const { report } = scene;
    const random = seededRandom(1).fork('drill/master-killed');
    const writer = new RegistryWriter(scene);
    const killAmidWrites = async (): Promise<void> => {
      const writing = writer.writeUntilGone();
      await pause(150 + random.unit() * 600);
      report.fault('kill -9 of the master');
      await scene.kill9(scene.master);
      await writing;
    };
    await scene.startMaster();
    for (let round = 1; round <= rounds; round++) {
      await killAmidWrites();
      await report.within('the master serves again', 5_000, () => scene.startMaster());
      await writer.check(`kill ${round}`);
    }

    await scene.startAgents(...agents);
    const tenant = await scene.startTenant();
    const sleepers = agents.flatMap(host =>
      [1, 2].map(n => scene.order(`sleep-${host}-${n}`, undefined, { host, resources: { cpus: 0.1, mem: 32 } })),
    );
    const processes = await scene.run(tenant, [...sleepers, scene.held('ending', 7)]);
    const untouched = new Map([...processes].filter(([id]) => id.startsWith('sleep')));
    const { frameworkId } = tenant;
    const agentIds = await idsOf(scene);
    await killAmidWrites();
    scene.release('ending');
    await pause(500);
    scene.untouched(untouched, 'without a master');
    await report.within('the master serves again', 5_000, () => scene.startMaster());
    await report.within('the agents are back', 10_000, async () => {
      for (const name of agents) await scene.untilAgent(name, 'REGISTERED');
    });
    await writer.check('kill under the cluster');
    await report.within('the scheduler is back', 10_000, () => tenant.untilSubscribed(2));
    await report.within('the status of a task that ended meanwhile arrives', 15_000, () =>
      tenant.until('TASK_FAILED', ['ending']),
    );
    const { exitCode } = tenant.last('ending') ?? {};
    report.check('its exit code is right', exitCode === 7, String(exitCode));
    scene.untouched(untouched, 'at the end');
    const known = await scene.get<readonly { readonly id: string; readonly state: string }[]>('/tasks?ended=false');
    report.nothingLost(
      'running tasks at the master',
      untouched.keys(),
      known.filter(({ state }) => state === 'TASK_RUNNING').map(({ id }) => id),
    );
    report.check('the framework kept its id', tenant.frameworkId === frameworkId);
    report.check('the agents kept their ids', (await idsOf(scene)).join() === agentIds.join());
    scene.noFalseEnd(tenant, untouched);
    await tenant.teardown();
    await scene.allGone(processes);
  },
};

async function idsOf(scene: Scene): Promise<readonly string[]> {
  return Promise.all(agents.map(async name => (await scene.agent(name))?.id ?? ''));
}
