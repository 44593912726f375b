// A program: agents whose containers do nothing, in one process. Arguments: the master's url, how many agents, the resources of each.
// Out: words to the parent, whenever all agents have registered again, and now and then how long acknowledgements took.
import { Agent } from '../../src/agent/agent.js';
import { NoopContainerizer } from '../../src/containerizer/noop.js';
import type { NetworkProber } from '../../src/containerizer/containerizer.js';
import { systemEnv } from '../../src/env/system-env.js';
import type { AgentCall, AgentEvent } from '../../src/protocol/agent-api.js';
import { validateAgentEvent } from '../../src/protocol/validate.js';
import type { Resources } from '../../src/resources/index.js';
import { fromBag, parseResources } from '../../src/resources/index.js';
import type { Peer } from '../../src/transport/peer.js';
import { connectPersistently } from '../../src/transport/reconnecting.js';
import { wsDialer } from '../../src/transport/ws-transport.js';

/** What it says besides READY. */
export type NoopAgentsWord =
  | { readonly type: 'REGISTERED' }
  /** How many statuses were acknowledged within so many milliseconds (index) since the last word, from their first sending on. */
  | { readonly type: 'ACKNOWLEDGED'; readonly byMs: readonly number[] };

const [masterUrl = '', count = '1', resources = ''] = process.argv.slice(2);
const env = systemEnv();
// Each look sees something else, so that every one is a status.
let looks = 0;
const prober: NetworkProber = {
  http: (_url, _timeoutMs, done) => {
    looks += 1;
    done({ statusCode: 200 + (looks % 97) });
  },
  tcp: (_host, _port, _timeoutMs, done) => done({ connected: false, error: 'not probed' }),
};
const agents: Agent[] = [];
process.once('exit', () => {
  for (const agent of agents) agent.close();
});
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));

const sentMs = new Map<string, number>();
let acknowledgedByMs: (number | undefined)[] = [];

// Machines of a cluster do not all start in the same moment.
const startedAtOnce = 50;
const offered = fromBag(parseResources(resources).bag);
for (let from = 0; from < Number(count); from += startedAtOnce) {
  const length = Math.min(startedAtOnce, Number(count) - from);
  await Promise.all(Array.from({ length }, (_, index) => registered(from + index, offered)));
}
let missing = 0;
process.send?.({ type: 'READY', url: '' });
setInterval(() => {
  if (acknowledgedByMs.length === 0) return;
  say({ type: 'ACKNOWLEDGED', byMs: Array.from(acknowledgedByMs, count => count ?? 0) });
  acknowledgedByMs = [];
}, 1000).unref();

/** Makes an agent and resolves when the master knows it. */
function registered(index: number, offer: Resources): Promise<void> {
  return new Promise((resolve, reject) => {
    let isFirst = true;
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
          {
            ...handler,
            onConnected: peer => handler.onConnected(watched(peer)),
            onMessage: event => handler.onMessage(heard(event)),
            onDisconnected: end => {
              missing += 1;
              handler.onDisconnected(end);
            },
          },
        ),
      outcomes: {
        onRegistered: () => {
          resolve();
          if (isFirst) {
            isFirst = false;
            return;
          }
          missing -= 1;
          if (missing === 0) say({ type: 'REGISTERED' });
        },
        onRefused: problems => reject(new Error(`refused: ${JSON.stringify(problems)}`)),
        onFatal: reject,
      },
    });
    agents.push(agent);
  });
}

function say(word: NoopAgentsWord): void {
  process.send?.(word);
}

function sent(call: AgentCall): AgentCall {
  const uuid = call.type === 'STATUS_UPDATE' ? call.status.uuid : undefined;
  if (uuid !== undefined && !sentMs.has(uuid)) sentMs.set(uuid, performance.now());
  return call;
}

function heard(event: AgentEvent): AgentEvent {
  if (event.type !== 'ACKNOWLEDGE') return event;
  const fromMs = sentMs.get(event.uuid);
  if (fromMs === undefined) return event;
  sentMs.delete(event.uuid);
  const ms = Math.ceil(performance.now() - fromMs);
  acknowledgedByMs[ms] = (acknowledgedByMs[ms] ?? 0) + 1;
  return event;
}

/** The same peer, but what is sent over it is timed. */
function watched(peer: Peer<AgentCall>): Peer<AgentCall> {
  return {
    id: peer.id,
    remote: peer.remote,
    send: call => peer.send(sent(call)),
    close: (code, reason) => peer.close(code, reason),
  };
}
