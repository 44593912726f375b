// What has to be looked at after a change: drains that may be over, frameworks to be asked to leave agents, too many that have ended. In: changes, the clock. Out: decisions.
import type { AgentId, FrameworkId, TaskId } from '../base/ids.js';
import type { Clock, Timer } from '../env/clock.js';
import type { Change } from './changes.js';
import type { Decision } from './decision.js';
import { decideDrained } from './decide/drain.js';
import { decideForgetFrameworks, mayForgetFrameworks } from './decide/forget.js';
import { decideIntents } from './decide/reservations.js';
import { decideInverseOffers } from './decide/inverse-offers.js';
import type { Registry } from './registry.js';
import type { ClusterView, Moment } from './state.js';
import { unavailabilityOf } from './upkeep-state.js';

const lookAgainMinMs = 1_000;

/** Follows the changes of each turn. Costs next to nothing while no agent drains and no maintenance is planned. */
export class Upkeep {
  readonly #clock: Clock;
  readonly #view: ClusterView;
  readonly #registry: Registry;
  readonly #wake: () => void;
  readonly #draining = new Set<AgentId>();
  readonly #drainsToCheck = new Set<AgentId>();
  readonly #agentsToAsk = new Set<AgentId>();
  readonly #intentsToCheck = new Set<AgentId>();
  /** For the first filter of an answer to end. */
  #timer: { readonly timer: Timer; readonly atMs: number } | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  /** `wake` is called when something is due without a turn. */
  constructor(clock: Clock, view: ClusterView, registry: Registry, wake: () => void) {
    this.#clock = clock;
    this.#view = view;
    this.#registry = registry;
    this.#wake = wake;
  }

  /** `change` has just been applied. */
  follow(change: Change): void {
    this.#followIntents(change);
    switch (change.type) {
      case 'AGENT_ADMIN_CHANGED':
        if (change.admin.activity === 'DRAINING') this.#draining.add(change.agentId);
        else this.#draining.delete(change.agentId);
        this.#touch(change.agentId);
        return;
      case 'AGENT_REMOVED':
        this.#draining.delete(change.agentId);
        return;
      case 'MAINTENANCE_CHANGED':
      case 'FRAMEWORK_CONNECTED':
      case 'FRAMEWORK_ENDED':
      case 'ROLES_REVIVED':
        this.#touchAll();
        return;
      default:
    }
    if (this.#draining.size === 0 && this.#view.maintenance.byHost.size === 0) return;
    switch (change.type) {
      case 'TASK_ADDED':
      case 'TASK_HELD':
        this.#touch(change.task.agentId);
        return;
      case 'EXECUTOR_ADDED':
        this.#touch(change.executor.agentId);
        return;
      case 'TASK_UPDATED':
      case 'TASK_RETURNED':
      case 'TASK_COMPLETED':
        this.#touchTask(change.frameworkId, change.taskId);
        return;
      case 'HELD_RELEASED':
      case 'EXECUTOR_REMOVED':
      case 'OPERATION_UPDATED':
      case 'OPERATION_FORGOTTEN':
      case 'AGENT_CONNECTED':
      case 'AGENT_DISCONNECTED':
        this.#touch(change.agentId);
        return;
      case 'INVERSE_OFFER_MADE':
        this.#arm(change.expiresAtMs);
        return;
      case 'INVERSE_OFFER_ANSWERED':
      case 'INVERSE_OFFER_EXPIRED':
        this.#arm(change.refuseUntilMs);
        return;
      default:
    }
  }

  /** The next decision that is due, until there is none. */
  next(): ((at: Moment) => Decision) | undefined {
    if (mayForgetFrameworks(this.#view)) return () => decideForgetFrameworks(this.#view, this.#registry);
    for (const agentId of this.#drainsToCheck) {
      this.#drainsToCheck.delete(agentId);
      return at => decideDrained(this.#view, this.#registry, agentId, at);
    }
    for (const agentId of this.#intentsToCheck) {
      this.#intentsToCheck.delete(agentId);
      return at => decideIntents(this.#view, this.#registry, agentId, at);
    }
    if (this.#agentsToAsk.size === 0) return undefined;
    const agentIds = [...this.#agentsToAsk];
    this.#agentsToAsk.clear();
    return at => decideInverseOffers(this.#view, agentIds, at);
  }

  // One at a time: each changes what the next may need.
  #followIntents(change: Change): void {
    const { intents } = this.#view;
    if (intents.size === 0) return;
    switch (change.type) {
      case 'AGENT_CONNECTED':
      case 'AGENT_REMOVED':
        this.#intentsToCheck.add(change.agentId);
        return;
      case 'QUOTA_SET':
        for (const intent of intents.values()) if (!intent.sent) this.#intentsToCheck.add(intent.agentId);
        return;
      case 'INTENT_MARKED': {
        const agentId = change.sent ? intents.get(change.uuid)?.agentId : undefined;
        if (agentId !== undefined) this.#intentsToCheck.add(agentId);
        return;
      }
      case 'TASK_UPDATED':
      case 'TASK_COMPLETED':
      case 'TASK_UNREACHABLE':
      case 'TASK_ENDED_UNCONFIRMED':
      case 'HELD_RELEASED':
      case 'EXECUTOR_REMOVED':
      case 'CONVERTED':
        // There may be room now, on the agent or below a limit.
        for (const { agentId, waits } of intents.values()) if (waits !== undefined) this.#intentsToCheck.add(agentId);
        return;
      default:
    }
  }

  close(): void {
    this.#timer?.timer.cancel();
    this.#timer = undefined;
  }

  // All that end within a second are one look, however many agents there are.
  #arm(untilMs: number): void {
    const atMs = Math.max(untilMs, this.#lookedAtMs + lookAgainMinMs);
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.timer.cancel();
    const timer = this.#clock.after(atMs - this.#clock.now(), () => {
      this.#timer = undefined;
      this.#lookForAnswers();
    });
    this.#timer = { timer, atMs };
  }

  #lookForAnswers(): void {
    // A real timer may fire a fraction of a millisecond early.
    const now = this.#clock.now() + 1;
    this.#lookedAtMs = now;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const agent of this.#view.agents.values()) {
      for (const { outstanding, expiresAtMs, refuseUntilMs } of agent.inverse.values()) {
        const dueMs = outstanding === undefined ? refuseUntilMs : expiresAtMs;
        if (dueMs > now) nextMs = Math.min(nextMs, dueMs);
        else this.#agentsToAsk.add(agent.id);
      }
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs);
    if (this.#agentsToAsk.size > 0) this.#wake();
  }

  #touchTask(frameworkId: FrameworkId, taskId: TaskId): void {
    const framework = this.#view.frameworks.get(frameworkId);
    const task = framework?.tasks.get(taskId) ?? framework?.completed.get(taskId);
    if (task !== undefined) this.#touch(task.agentId);
  }

  #touch(agentId: AgentId): void {
    if (this.#draining.has(agentId)) this.#drainsToCheck.add(agentId);
    const agent = this.#view.agents.get(agentId);
    if (agent === undefined) return;
    if (agent.inverse.size > 0 || unavailabilityOf(this.#view.maintenance, agent.info.hostname) !== undefined)
      this.#agentsToAsk.add(agentId);
  }

  #touchAll(): void {
    for (const agentId of this.#draining) this.#drainsToCheck.add(agentId);
    const { maintenance, agents } = this.#view;
    if (maintenance.byHost.size === 0) return;
    for (const agent of agents.values())
      if (unavailabilityOf(maintenance, agent.info.hostname) !== undefined) this.#agentsToAsk.add(agent.id);
  }
}
