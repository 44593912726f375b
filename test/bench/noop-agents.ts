// A program: agents whose containers do nothing, in one process. Arguments: the master's url, how many agents, the resources of each.
import { Agent } from '../../src/agent/agent.js';
import { NoopContainerizer } from '../../src/containerizer/noop.js';
import type { NetworkProber } from '../../src/containerizer/containerizer.js';
import { systemEnv } from '../../src/env/system-env.js';
import type { AgentCall, AgentEvent } from '../../src/protocol/agent-api.js';
import { validateAgentEvent } from '../../src/protocol/validate.js';
import type { Resources } from '../../src/resources/index.js';
import { fromBag, parseResources } from '../../src/resources/index.js';
import { connectPersistently } from '../../src/transport/reconnecting.js';
import { wsDialer } from '../../src/transport/ws-transport.js';

const [masterUrl = '', count = '1', resources = ''] = process.argv.slice(2);
const env = systemEnv();
// No task here is checked.
const prober: NetworkProber = {
  http: (_url, _timeoutMs, done) => done({ error: 'not probed' }),
  tcp: (_host, _port, _timeoutMs, done) => done({ connected: false, error: 'not probed' }),
};
const agents: Agent[] = [];
process.once('exit', () => {
  for (const agent of agents) agent.close();
});
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));

const offered = fromBag(parseResources(resources).bag);
await Promise.all(Array.from({ length: Number(count) }, (_, index) => registered(index, offered)));
process.send?.({ type: 'READY', url: '' });

/** Makes an agent and resolves when the master knows it. */
function registered(index: number, offer: Resources): Promise<void> {
  return new Promise((resolve, reject) => {
    const agent = new Agent(env, {
      info: {
        hostname: `agent-${process.pid}-${index}`,
        port: 5051,
        resources: offer,
        attributes: {},
        containerizers: ['PROCESS'],
        version: '0.1.0',
      },
      containerizer: new NoopContainerizer(env.clock),
      prober,
      sandboxRoot: '/nonexistent',
      connect: handler =>
        connectPersistently<AgentEvent, AgentCall>(
          env,
          {
            dialer: wsDialer(),
            target: [masterUrl.replace(/^http/, 'ws')],
            path: '/v1/agent',
            kind: 'agent',
            version: '0.1.0',
            validate: validateAgentEvent,
          },
          { ...handler, onAttemptFailed: end => reject(new Error(`the master cannot be reached: ${end.reason}`)) },
        ),
      outcomes: {
        onRegistered: () => resolve(),
        onRefused: problems => reject(new Error(`refused: ${JSON.stringify(problems)}`)),
        onFatal: reject,
      },
    });
    agents.push(agent);
  });
}
