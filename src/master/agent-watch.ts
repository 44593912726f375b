// Who of the agents is still there: pings, the time to come back after a restart, and who may be declared unreachable when.
// In: changes, pongs, the clock. Out: pings, agents that are to be declared unreachable, alarms.
import type { AgentId } from '../base/ids.js';
import type { Timer } from '../env/clock.js';
import type { Env } from '../env/env.js';
import type { SafeModeView } from '../protocol/operator-api.js';
import type { Change } from './changes.js';
import { agentsAwaited } from './decide/heartbeat.js';
import { AgentLiveness } from './liveness.js';
import { Removals } from './removals.js';
import type { ClusterView } from './state.js';
import { patientTimer } from './timers.js';

export interface AgentWatchOwner {
  readonly ping: (id: AgentId) => void;
  /** Its time is up, and it may be declared unreachable. */
  readonly lost: (id: AgentId) => void;
  /** Those who were to come back after a restart have had their time. */
  readonly timeToReturnOver: () => void;
}

export class AgentWatch {
  readonly #env: Env;
  readonly #view: ClusterView;
  readonly #owner: AgentWatchOwner;
  readonly #liveness: AgentLiveness;
  readonly #removals: Removals;
  #reregistration: Timer | undefined;
  #lookAgain: Timer | undefined;
  #timeToReturnOver = false;
  #alarmed = false;

  constructor(env: Env, view: ClusterView, owner: AgentWatchOwner) {
    this.#env = env;
    this.#view = view;
    this.#owner = owner;
    const { options } = view;
    this.#liveness = new AgentLiveness(env.clock, {
      periodMs: options.agentPingTimeoutMs,
      missesMax: options.agentPingMissesMax,
      ping: owner.ping,
      silent: id => {
        // Its removal is being written, or it is back, which is.
        if (view.agents.get(id)?.leaving === true || view.registeringAgents.has(id)) return;
        this.#removals.silent(id);
        this.#look();
      },
      back: id => {
        this.#removals.back(id);
        this.#look();
      },
    });
    this.#removals = new Removals({
      rate: options.agentRemovalRateLimit,
      safeShare: options.safeModeShare,
      safeAgentsMin: options.safeModeAgentsMin,
      safeMaxMs: options.safeModeMaxMs,
    });
  }

  /** The registry has been read: who is not back in time is lost. */
  start(): void {
    const view = this.#view;
    if (agentsAwaited(view) === 0) return;
    const { clock } = this.#env;
    const untilMs = clock.now() + view.options.agentReregisterTimeoutMs;
    this.#reregistration = patientTimer(clock, untilMs, () => {
      this.#timeToReturnOver = true;
      this.#owner.timeToReturnOver();
      for (const agent of view.agents.values()) this.#stayedAway(agent.id);
      this.#look();
    });
  }

  /** What is held back, as operators see it. */
  get safeMode(): SafeModeView | undefined {
    const safe = this.#removals.safeMode;
    if (safe === undefined) return undefined;
    const { clock } = this.#env;
    const wall = (atMs: number): number => Math.round(clock.wallMs() + atMs - clock.now());
    const { silentAgents, agents } = safe;
    return { silentAgents, agents, sinceMs: wall(safe.sinceMs), untilMs: wall(safe.untilMs) };
  }

  /** Silent agents that are not declared unreachable yet. */
  get waiting(): number {
    return this.#removals.waiting;
  }

  /** `change` has just been applied. */
  follow(change: Change): void {
    switch (change.type) {
      case 'AGENT_CONNECTED':
        this.#removals.back(change.agentId);
        this.#liveness.watch(change.agentId);
        if (this.#alarmed) this.#look();
        return;
      case 'AGENT_REGISTRATION_FAILED':
        if (!this.#timeToReturnOver) return;
        this.#stayedAway(change.agentId);
        this.#look();
        return;
      case 'AGENT_UNREACHABLE':
      case 'AGENT_REMOVED':
        this.#removals.back(change.agentId);
        this.#liveness.unwatch(change.agentId);
        return;
      case 'STRANGERS_EXPECTED':
        this.#restored(change.expected);
        return;
      default:
    }
  }

  pong(id: AgentId): void {
    this.#liveness.pong(id);
  }

  close(): void {
    this.#liveness.close();
    this.#reregistration?.cancel();
    this.#lookAgain?.cancel();
  }

  #restored(holds: boolean): void {
    const { log } = this.#env;
    const { agentReregisterTimeoutMs: forMs } = this.#view.options;
    if (!holds) log.info('agents that the restored registry did not know have had their time to come back', {});
    else log.warn('the registry was restored: frameworks of before are not told that tasks are unknown', { forMs });
  }

  #stayedAway(id: AgentId): void {
    if (this.#view.agents.get(id)?.state !== 'RECOVERED' || this.#view.registeringAgents.has(id)) return;
    this.#removals.silent(id, true);
  }

  #look(): void {
    const { clock } = this.#env;
    const { watched: agents, quiet } = this.#liveness;
    const { remove, lookAgainMs } = this.#removals.next(clock.now(), { agents, quiet });
    this.#lookAgain?.cancel();
    this.#lookAgain =
      lookAgainMs === undefined ? undefined : clock.after(lookAgainMs - clock.now(), () => this.#look());
    this.#alarm();
    for (const id of remove) if (this.#view.agents.has(id)) this.#owner.lost(id);
  }

  #alarm(): void {
    const safe = this.safeMode;
    if ((safe !== undefined) === this.#alarmed) return;
    this.#alarmed = safe !== undefined;
    const { log } = this.#env;
    if (safe === undefined) log.warn('safe mode ends: silent agents are declared unreachable again', {});
    else log.error('safe mode: too many agents are silent together; none is declared unreachable', { ...safe });
  }
}
