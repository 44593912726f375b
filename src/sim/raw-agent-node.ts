// An agent that speaks the protocol by hand: what an honest one never says. In: a program. Out: what it says, to the master.
import type { Env } from '../env/env.js';
import type { AgentCall, AgentEvent } from '../protocol/agent-api.js';
import { validateAgentEvent } from '../protocol/validate.js';
import { connectPersistently } from '../transport/reconnecting.js';
import { NodeProcess } from './node-process.js';
import type { Surroundings } from './surroundings.js';

/** What a raw agent does: `on` hears the master, `send` says anything at all. */
export interface RawAgentProgram {
  on(event: AgentEvent): void;
  onConnected(): void;
}

/** Makes the program of a process. */
export type RawAgent = (env: Env, send: (call: AgentCall) => void) => RawAgentProgram;

/** One that starts at once and never crashes. To checkers it is a stranger. */
export class RawAgentNode {
  readonly name: string;

  constructor(world: Surroundings, name: string, makeProgram: RawAgent) {
    this.name = name;
    const process = new NodeProcess(name, 1, world);
    const { env } = process;
    const connection = connectPersistently<AgentEvent, AgentCall>(
      env,
      {
        dialer: process.dialer(world.network.local.dialer(name)),
        target: world.masterUrls,
        path: '/v1/agent',
        kind: 'agent',
        version: 'sim',
        validate: validateAgentEvent,
      },
      {
        onConnected: () => program.onConnected(),
        onMessage: event => program.on(event),
        onInvalid: () => {},
        onDisconnected: () => {},
      },
    );
    const program = makeProgram(env, call => connection.peer?.send(call));
  }
}
