// F14, F15: words about tasks are lost, repeated and late on every link, and no session notices; then links stop one by one and come back in another order.
// Whoever is owed a status gets it in the end, once it has ended it stays ended, and nothing is started twice.
import { isTerminal } from '../../../../src/protocol/task-state.js';
import { startProxy, swizzle } from '../../../../src/testing/index.js';
import type { WsProxy } from '../../../../src/testing/index.js';
import type { Drill } from '../drill.js';
import { pause } from '../scene.js';
import type { Scene } from '../scene.js';
import type { Tenant } from '../tenant.js';

const troubleMs = 10_000;
const tasks = 12;
const statusTypes = ['STATUS_UPDATE', 'UPDATE', 'ACKNOWLEDGE'];

export const messagesLost: Drill = {
  name: 'messages-lost',
  rows: 'F14 F15',
  about: 'statuses and acknowledgements lost, repeated and late; links stop one by one',
  needs: [],
  limitMs: 120_000,
  run: async scene => {
    const { report } = scene;
    await scene.startMaster();
    const proxies: WsProxy[] = [];
    const behindProxy = async (): Promise<WsProxy> => {
      const proxy = await startProxy({ target: scene.url, seed: 15 + proxies.length, hideFromHeartbeats: true });
      scene.afterwards(() => proxy.close());
      proxies.push(proxy);
      scene.dialled = proxy.url.replace(/^ws/, 'http');
      return proxy;
    };
    for (const name of ['node-1', 'node-2']) {
      await behindProxy();
      await scene.startAgents(name);
    }
    await behindProxy();
    const tenant = await scene.startTenant();
    const ending = Array.from({ length: tasks }, (_, n) => scene.held(`ending-${n}`, (n % 3) + 1));
    const ids = ending.map(({ taskId = '' }) => taskId);
    const processes = await scene.run(tenant, [scene.order('sleep-1'), scene.order('sleep-2'), ...ending]);
    const untouched = new Map([...processes].filter(([id]) => id.startsWith('sleep')));

    for (const proxy of proxies) {
      proxy.fault({ kind: 'drop', types: statusTypes, chance: 0.3 });
      proxy.fault({ kind: 'duplicate', types: statusTypes, chance: 0.5 });
      proxy.fault({ kind: 'delay', delayMs: 0, jitterMs: 500 });
    }
    for (const id of ids) {
      await pause(troubleMs / tasks);
      scene.release(id);
    }
    for (const proxy of proxies) proxy.heal();
    const hits = (kind: 'drop' | 'duplicate' | 'delay'): number =>
      proxies.reduce((sum, { counts }) => sum + (counts.hits[kind] ?? 0), 0);
    report.fault('status or acknowledgement lost', hits('drop'));
    report.fault('status or acknowledgement repeated', hits('duplicate'));
    report.fault('message late by up to 500 ms', hits('delay'));
    // An agent sends again after 10 s, then 20 s.
    await report.within('all statuses have arrived', 45_000, () => tenant.until('TASK_FAILED', ids));
    checkEnds(scene, tenant, ids);

    report.fault('link stopped and back, in turns', await swizzle(proxies, { seed: 14, share: 1, stepMaxMs: 3000 }));
    await report.within('all are connected', 20_000, async () => {
      for (const name of ['node-1', 'node-2']) await scene.untilAgent(name, 'REGISTERED');
      await tenant.untilConnected();
    });
    const last = await scene.run(tenant, [scene.order('afterwards')]);
    await tenant.until('TASK_RUNNING', [...untouched.keys()]);
    scene.untouched(untouched, 'at the end');
    scene.noFalseEnd(tenant, untouched);
    await tenant.teardown();
    await scene.allGone(new Map([...untouched, ...last]));
  },
};

/** Each ended once, with its own exit code, and was never told to be anything else after that. */
function checkEnds({ report }: Scene, tenant: Tenant, ids: readonly string[]): void {
  const wrong = ids.filter((id, n) => tenant.last(id)?.exitCode !== (n % 3) + 1);
  report.check('every exit code is right', wrong.length === 0, wrong.join());
  const revived = ids.filter(id => {
    const states = tenant.statuses.filter(({ taskId }) => taskId === id).map(({ state }) => state);
    const first = states.findIndex(isTerminal);
    return states.slice(first).some(state => state !== states[first]);
  });
  report.check('what has ended stays ended', revived.length === 0, revived.join());
}
