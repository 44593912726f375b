// F10, F11, F12: packets between the master and an agent or a scheduler vanish, both ways or one way, for a short and for a long time.
import { eventually } from '../../../support/cli.js';
import { FarHost, ownAddress, prepareNetwork } from '../network.js';
import type { Drill } from '../drill.js';
import { pause, shortTimes } from '../scene.js';
import type { Scene } from '../scene.js';

/** Pings and heartbeats come each second, and five may be missed. */
const noticedMs = 15_000;

export const agentPartition: Drill = {
  name: 'agent-partition',
  rows: 'F10',
  about: 'two-way partition of an agent: shorter than the ping window, and longer',
  needs: ['root', 'netns'],
  limitMs: 90_000,
  run: async scene => {
    const { report } = scene;
    const far = await farScene(scene);
    scene.startAgent('far', { through: far.through });
    scene.startAgent('near');
    for (const name of ['far', 'near']) await scene.untilAgent(name, 'REGISTERED');
    const tenant = await scene.startTenant();
    const orders = [
      scene.order('sleep-far', undefined, { host: 'far' }),
      scene.held('ending-far', 5, { host: 'far' }),
      scene.order('sleep-near', undefined, { host: 'near' }),
    ];
    const processes = await scene.run(tenant, orders);
    const untouched = new Map([...processes].filter(([id]) => id.startsWith('sleep')));
    const agentId = (await scene.agent('far'))?.id;
    const before = tenant.statuses.length;

    report.fault('two-way partition of 2 s');
    far.cut('both');
    await pause(2000);
    far.heal();
    await pause(4000);
    report.check('2 s: nobody hears of anything', tenant.statuses.length === before && tenant.subscriptions === 1);
    report.check('2 s: the agent stays registered', (await scene.agent('far'))?.liveness === 'REGISTERED');

    await eventually('the far agent is offered', () => [...tenant.offers.values()].includes('far'));
    report.fault('two-way partition until unreachable');
    far.cut('both');
    await report.within('its tasks are unreachable', noticedMs, () =>
      tenant.until('TASK_UNREACHABLE', ['sleep-far', 'ending-far']),
    );
    await report.within('its offers are taken back', noticedMs, () =>
      eventually('no offer of the far agent', () => ![...tenant.offers.values()].includes('far')),
    );
    scene.release('ending-far');
    scene.untouched(untouched, 'while partitioned');
    report.check('the near agent is not touched', tenant.state('sleep-near') === 'TASK_RUNNING');
    far.heal();
    await report.within('after the healing it is registered', 70_000, () => scene.untilAgent('far', 'REGISTERED'));
    await report.within('its tasks are back', 15_000, () => tenant.until('TASK_RUNNING', ['sleep-far']));
    await report.within('the status of a task that ended meanwhile arrives', 15_000, () =>
      tenant.until('TASK_FAILED', ['ending-far']),
    );
    report.check('its exit code is right', tenant.last('ending-far')?.exitCode === 5);
    report.check('the agent kept its id', (await scene.agent('far'))?.id === agentId);
    scene.untouched(untouched, 'after the healing');
    scene.noFalseEnd(tenant, untouched);
    await tenant.teardown();
    await scene.allGone(processes);
  },
};

export const oneWayPartition: Drill = {
  name: 'one-way-partition',
  rows: 'F11',
  about: 'an agent is heard and does not hear, and the other way round',
  needs: ['root', 'netns'],
  limitMs: 120_000,
  run: async scene => {
    const { report } = scene;
    const far = await farScene(scene);
    const agent = scene.startAgent('far', { through: far.through });
    await scene.untilAgent('far', 'REGISTERED');
    const tenant = await scene.startTenant();
    const processes = await scene.run(tenant, [scene.order('sleep-1'), scene.order('sleep-2')]);
    for (const [way, what] of [
      ['fromThere', 'the master does not hear the agent'],
      ['toThere', 'the agent does not hear the master'],
    ] as const) {
      report.fault(`one-way partition: ${what}`);
      const said = agent.stderr.length;
      far.cut(way);
      await Promise.all([
        report.within(`${what}: the master notices`, noticedMs, () =>
          eventually('the agent is not connected at the master', async () => {
            return (await scene.agent('far'))?.liveness !== 'REGISTERED';
          }),
        ),
        report.within(`${what}: the agent notices`, noticedMs, () =>
          eventually('the agent gives the connection up', () =>
            agent.stderr.slice(said).includes('the connection to the master ended'),
          ),
        ),
      ]);
      await tenant.until('TASK_UNREACHABLE', ['sleep-1', 'sleep-2']);
      scene.untouched(processes, `while ${what}`);
      far.heal();
      await report.within(`${what}: healed`, 70_000, () => scene.untilAgent('far', 'REGISTERED'));
      await tenant.until('TASK_RUNNING', ['sleep-1', 'sleep-2']);
      scene.untouched(processes, `after ${what}`);
    }
    await tenant.teardown();
    await scene.allGone(processes);
  },
};

export const schedulerPartition: Drill = {
  name: 'scheduler-partition',
  rows: 'F12',
  about: 'a scheduler and the master do not hear each other; the agents are fine',
  needs: ['root', 'netns'],
  limitMs: 90_000,
  run: async scene => {
    const { report } = scene;
    const far = await farScene(scene);
    await scene.startAgents('node-1', 'node-2');
    const tenant = await scene.startTenant({}, far.through);
    const orders = [scene.order('sleep-1'), scene.order('sleep-2'), scene.held('ending', 3)];
    const processes = await scene.run(tenant, orders);
    const untouched = new Map([...processes].filter(([id]) => id.startsWith('sleep')));
    await eventually('the scheduler has offers in hand', () => tenant.offers.size > 0);

    report.fault('two-way partition of the scheduler');
    far.cut('both');
    const { frameworkId } = tenant;
    await report.within('the master notices and takes the offers back', noticedMs, () =>
      eventually('the framework is disconnected', async () => {
        const framework = await scene.framework(frameworkId);
        return framework?.state === 'DISCONNECTED' && framework.offers === 0;
      }),
    );
    await report.within('the scheduler notices', noticedMs, () =>
      eventually('the scheduler is disconnected', () => !tenant.connected),
    );
    scene.release('ending');
    scene.untouched(untouched, 'while partitioned');
    far.heal();
    await report.within('after the healing it is subscribed', 20_000, () => tenant.untilConnected());
    await report.within('the status of a task that ended meanwhile arrives', 15_000, () =>
      tenant.until('TASK_FAILED', ['ending']),
    );
    report.check('its exit code is right', tenant.last('ending')?.exitCode === 3);
    report.check('it kept its id', tenant.frameworkId === frameworkId && tenant.subscriptions === 2);
    const active = await scene.get<readonly { readonly id: string; readonly state: string }[]>('/frameworks');
    report.check(
      'there is one session, and no second framework',
      active.filter(({ state }) => state !== 'COMPLETED').length === 1,
      JSON.stringify(active.map(({ id, state }) => `${id} ${state}`)),
    );
    await report.within('offers come again', 15_000, () =>
      eventually('the scheduler has offers in hand', () => tenant.offers.size > 0),
    );
    scene.untouched(untouched, 'after the healing');
    scene.noFalseEnd(tenant, untouched);
    await tenant.teardown();
    await scene.allGone(processes);
  },
};

/** A master at the end of a link to a host that can be cut off. */
async function farScene(scene: Scene): Promise<FarHost> {
  prepareNetwork();
  const far = await FarHost.make(1, ownAddress(1));
  scene.afterwards(() => far.remove());
  await scene.startMaster({ host: ownAddress(1), args: shortTimes });
  return far;
}
