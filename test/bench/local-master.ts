// A master in this process, on a local network with the real codec, so that no two nodes share strings or objects. In: a store. Out: the master.
import { createAllocator } from '../../src/allocator/index.js';
import type { Env } from '../../src/env/env.js';
import { Master } from '../../src/master/master.js';
import { validateAgentCall, validateSchedulerCall } from '../../src/protocol/validate.js';
import type { Store } from '../../src/store/store.js';
import type { LocalNetwork } from '../../src/transport/local-transport.js';
import { acceptSession } from '../../src/transport/session.js';
import { patienceMs } from './bare-agent.js';

/** The node is called `master`. */
export function localMaster(env: Env, network: LocalNetwork, store: Store, epoch: number): Master {
  const master = new Master(env, {
    allocator: (onGrants, onStarved) => createAllocator(env, {}, onGrants, onStarved),
    store,
    info: { id: `M${epoch}`, hostname: 'master', port: 5050, version: '0.1.0' },
    epoch,
  });
  const common = { epoch, handshakeTimeoutMs: patienceMs };
  network.listen('master', (link, path) =>
    path === '/v1/scheduler'
      ? acceptSession(env, link, { ...common, kind: 'scheduler', validate: validateSchedulerCall }, peer =>
          master.acceptScheduler(peer),
        )
      : acceptSession(env, link, { ...common, kind: 'agent', validate: validateAgentCall }, peer =>
          master.acceptAgent(peer),
        ),
  );
  return master;
}
