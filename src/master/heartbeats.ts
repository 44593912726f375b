// When frameworks hear HEARTBEAT: one period after another, and when the last agent of before has come back or been given up. In: sessions, changes.
import type { Clock } from '../env/clock.js';
import type { Change } from './changes.js';
import { agentsAwaited, heartbeat } from './decide/heartbeat.js';
import { PeriodicQueue } from './liveness.js';
import type { SchedulerSession } from './sessions.js';
import type { ClusterView } from './state.js';

export class Heartbeats {
  readonly #clock: Clock;
  readonly #view: ClusterView;
  readonly #periodic: PeriodicQueue<SchedulerSession>;
  /** Those that were told of agents to wait for. */
  readonly #waiting = new Set<SchedulerSession>();

  constructor(clock: Clock, view: ClusterView) {
    this.#clock = clock;
    this.#view = view;
    this.#periodic = new PeriodicQueue(clock, view.options.heartbeatIntervalMs, session => this.#beat(session));
  }

  /** It has subscribed, and hears the first one as part of that. */
  add(session: SchedulerSession): void {
    this.#periodic.add(session);
    if (agentsAwaited(this.#view) > 0) this.#waiting.add(session);
  }

  /** `change` has just been applied. */
  follow({ type }: Change): void {
    if (this.#waiting.size === 0 || agentsAwaited(this.#view) > 0 || !mayBeTheLast.has(type)) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    // What the agent has brought is to be known by then.
    this.#clock.soon(() => {
      for (const session of waiting) this.#beat(session);
    });
  }

  close(): void {
    this.#periodic.close();
    this.#waiting.clear();
  }

  #beat(session: SchedulerSession): boolean {
    const { closed, frameworkId } = session;
    if (closed || frameworkId === undefined) return false;
    session.peer.send(heartbeat(this.#view, frameworkId));
    return true;
  }
}

const mayBeTheLast: ReadonlySet<Change['type']> = new Set([
  'AGENT_CONNECTED',
  'AGENT_UNREACHABLE',
  'AGENT_REMOVED',
  'STRANGERS_EXPECTED',
]);
