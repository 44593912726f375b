// An agent of the protocol alone, for clusters that have to fit into one process: it says what it is told to, and keeps nothing.
// In: a network, what it lists. Out: its id once the master has it, the events that come then.
import type { AgentId } from '../../src/base/ids.js';
import type { Env } from '../../src/env/env.js';
import type { AgentCall, AgentEvent } from '../../src/protocol/agent-api.js';
import type { AgentInfo } from '../../src/protocol/entities.js';
import { validateAgentEvent } from '../../src/protocol/validate.js';
import type { LocalNetwork } from '../../src/transport/local-transport.js';
import type { Peer } from '../../src/transport/peer.js';
import { dialSession } from '../../src/transport/session.js';

/** What it lists when it registers, beside its description. */
export type Listed = Pick<Extract<AgentCall, { type: 'REGISTER' }>, 'agentId' | 'tasks' | 'frameworks'>;

/** What comes to it. */
export interface BareAgentHandler {
  onRegistered(agentId: AgentId): void;
  /** Anything but pings, once it is registered. */
  onEvent?(event: AgentEvent, peer: Peer<AgentCall>, agentId: AgentId): void;
  /** Its registration or its session ended. */
  onEnd(reason: string): void;
}

/** How long a handshake may take: a machine that stands still, as for the collection of a large heap, is not to fail a benchmark. */
export const patienceMs = 300_000;

export function bareAgentName(index: number): string {
  return `agent-${index}`;
}

export function bareAgentInfo(index: number): AgentInfo {
  return {
    hostname: `agent-${index}.rack-${index % 40}.example`,
    port: 5051,
    resources: { cpus: 16, mem: 65_536, disk: 409_600, ports: [[31_000, 32_000]] },
    attributes: { rack: `rack-${index % 40}`, zone: 'a', os: 'linux' },
    containerizers: ['PROCESS', 'DOCKER'],
    version: '0.1.0',
  };
}

/** Registers with `ws://master`, in one part. */
export function bareAgent(
  env: Env,
  network: LocalNetwork,
  index: number,
  listed: Listed,
  handler: BareAgentHandler,
): void {
  dialSession<AgentEvent, AgentCall>(
    env,
    network.dialer(bareAgentName(index)),
    'ws://master/v1/agent',
    { kind: 'agent', version: '0.1.0', validate: validateAgentEvent, handshakeTimeoutMs: patienceMs },
    {
      onWelcome: peer => {
        let agentId = '';
        peer.send({ type: 'REGISTER', more: false, agent: bareAgentInfo(index), executors: [], ...listed });
        return {
          onMessage: event => {
            if (event.type === 'PING') return peer.send({ type: 'PONG' });
            if (event.type !== 'REGISTERED') return handler.onEvent?.(event, peer, agentId);
            ({ agentId } = event);
            handler.onRegistered(agentId);
          },
          onInvalid: problems => handler.onEnd(JSON.stringify(problems)),
          onEnd: end => handler.onEnd(end.reason),
        };
      },
      onFailed: end => handler.onEnd(end.reason),
    },
  );
}
