// What a master knows and an allocator does not, told by hand. In: grants, activities, absences. Out: surroundings for questions.
import type { Absence, Grant, Holding, Surroundings } from '../../src/allocator/index.js';
import type { AgentId } from '../../src/base/ids.js';
import type { AttributeConstraint } from '../../src/protocol/entities.js';
import type { AgentObstacle } from '../../src/protocol/explain.js';
import { bag } from './support.js';

/** What a master would know: grants told as offers or tasks. */
export class Around implements Surroundings {
  readonly offers = new Map<AgentId, Holding[]>();
  readonly tasks = new Map<AgentId, Holding[]>();
  readonly activities = new Map<AgentId, AgentObstacle>();
  constraints: readonly (readonly AttributeConstraint[])[] = [];

  offer({ agentId, frameworkId, role, resources }: Grant, id: string, heldForMs: number, endsInMs?: number): void {
    const held = { frameworkId, role, resources, heldForMs, ...(endsInMs === undefined ? {} : { endsInMs }) };
    this.offers.set(agentId, [...this.offersOn(agentId), { what: 'OFFER', id, ...held }]);
  }

  task({ agentId, frameworkId, role, resources }: Grant, id: string): void {
    const held = { frameworkId, role, resources, heldForMs: 60_000 };
    this.tasks.set(agentId, [...this.tasksOn(agentId), { what: 'TASK', id, ...held }]);
  }

  readonly absences = new Map<AgentId, Absence>();
  absenceOf = (id: AgentId): Absence | undefined => this.absences.get(id);
  activityOf = (id: AgentId): AgentObstacle | undefined => this.activities.get(id);
  offersOn = (id: AgentId): readonly Holding[] => this.offers.get(id) ?? [];
  tasksOn = (id: AgentId): readonly Holding[] => this.tasks.get(id) ?? [];
  constraintsOf = (): readonly (readonly AttributeConstraint[])[] => this.constraints;
}

/** What is to be launched. */
export const wish = (text: string): { resources: ReturnType<typeof bag> } => ({ resources: bag(text) });
