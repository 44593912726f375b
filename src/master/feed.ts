// The change feed: turns applied changes into the events operators follow. In: changes. Out: ClusterEvents to every listener; nothing when nobody listens.
import type { ClusterEvent } from '../protocol/operator-api.js';
import type { Change } from './changes.js';
import type { ClusterView } from './state.js';
import { maintenanceView } from './maintenance-view.js';
import { operationView } from './views-operations.js';
import { agentView, frameworkView, taskView } from './views.js';

export class Feed {
  readonly #listeners = new Set<(event: ClusterEvent) => void>();
  readonly #view: ClusterView;

  constructor(view: ClusterView) {
    this.#view = view;
  }

  /** Whether it is worth while to tell. */
  get heard(): boolean {
    return this.#listeners.size > 0;
  }

  subscribe(listener: (event: ClusterEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Says what `change`, which has just been applied, means to the outside. */
  tell(change: Change): void {
    const event = this.#eventOf(change);
    if (event === undefined) return;
    for (const listener of this.#listeners) listener(event);
  }

  close(): void {
    this.#listeners.clear();
  }

  #eventOf(change: Change): ClusterEvent | undefined {
    switch (change.type) {
      case 'FRAMEWORK_ADDED':
        return this.#framework('FRAMEWORK_ADDED', change.info.id);
      case 'FRAMEWORK_CHANGED':
      case 'FRAMEWORK_CONNECTED':
      case 'FRAMEWORK_DISCONNECTED':
      case 'ROLES_SUPPRESSED':
      case 'ROLES_REVIVED':
        return this.#framework('FRAMEWORK_UPDATED', change.frameworkId);
      case 'FRAMEWORK_ENDED':
        return { type: 'FRAMEWORK_REMOVED', frameworkId: change.frameworkId, why: change.why };
      case 'TASK_ADDED': {
        const framework = this.#view.frameworks.get(change.task.frameworkId);
        return framework && { type: 'TASK_ADDED', task: taskView(this.#view, framework, change.task) };
      }
      case 'TASK_UPDATED':
        return { type: 'TASK_UPDATED', frameworkId: change.frameworkId, status: change.status, state: change.state };
      case 'TASK_ENDED_UNCONFIRMED':
      case 'TASK_UNREACHABLE':
        return {
          type: 'TASK_UPDATED',
          frameworkId: change.frameworkId,
          status: change.status,
          state: change.status.state,
        };
      case 'TASK_RETURNED': {
        const status = change.status;
        return status && { type: 'TASK_UPDATED', frameworkId: change.frameworkId, status, state: change.state };
      }
      case 'AGENT_RECOVERED':
        return this.#agent('AGENT_ADDED', change.agentId);
      case 'AGENT_CONNECTED':
        return this.#agent(change.isNew ? 'AGENT_ADDED' : 'AGENT_UPDATED', change.agentId);
      case 'AGENT_DISCONNECTED':
      case 'AGENT_UNREACHABLE':
      case 'AGENT_ADMIN_CHANGED':
      case 'AGENT_RESOURCES':
      case 'CONVERTED':
        return this.#agent('AGENT_UPDATED', change.agentId);
      case 'AGENT_REMOVED':
        return { type: 'AGENT_REMOVED', agentId: change.agentId, why: change.why };
      case 'MAINTENANCE_CHANGED':
        return { type: 'MAINTENANCE_UPDATED', maintenance: maintenanceView(this.#view) };
      case 'INTENT_KEPT':
        return this.#operation(change.intent.uuid);
      case 'INTENT_WAITS':
      case 'INTENT_ENDED':
        return this.#operation(change.uuid);
      default:
        return undefined;
    }
  }

  #framework(type: 'FRAMEWORK_ADDED' | 'FRAMEWORK_UPDATED', id: string): ClusterEvent | undefined {
    const framework = this.#view.frameworks.get(id);
    return framework && { type, framework: frameworkView(framework) };
  }

  #operation(uuid: string): ClusterEvent | undefined {
    const operation = operationView(this.#view, uuid);
    return operation && { type: 'OPERATION_UPDATED', operation };
  }

  #agent(type: 'AGENT_ADDED' | 'AGENT_UPDATED', id: string): ClusterEvent | undefined {
    const agent = this.#view.agents.get(id);
    return agent && { type, agent: agentView(this.#view, agent) };
  }
}
