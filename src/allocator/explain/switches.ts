// What a switch of the framework, of an operator or in the request removes. In: an obstacle. Out: the change, and how to try it.
import { assertNever } from '../../base/assert.js';
import { compileConstraints } from '../filters/constraints.js';
import type { Asker, Groups, Obstacle, Question } from './judge.js';
import { withAvailable } from './more-quota.js';
import { once } from './once.js';
import type { Step, Trial } from './trial.js';

/** The switch that removes an obstacle; undefined when there is no such switch for the obstacle. */
export function switchOf(obstacle: Obstacle): Step | undefined {
  const { kind } = obstacle;
  const lifts = (other: Obstacle): boolean => other.kind === kind;
  switch (kind) {
    case 'FRAMEWORK_INACTIVE':
      return { change: { change: 'RECONNECT' }, lifts, apply: ofFramework({ present: true, active: true }) };
    case 'NOT_SUBSCRIBED':
      return { change: { change: 'SUBSCRIBE', role: obstacle.role }, lifts, apply: ofClient({ subscribed: true }) };
    case 'SUPPRESSED':
      return revival(obstacle.role);
    case 'CAPABILITY': {
      const { capability } = obstacle;
      return {
        change: { change: 'ADD_CAPABILITY', capability },
        lifts: other => other.kind === kind && other.capability === capability,
        apply: ofFramework(ableTo(capability)),
      };
    }
    case 'BELOW_MINIMUM':
      return { change: { change: 'LOWER_MINIMUM' }, lifts, apply: withoutMinimum };
    case 'CONSTRAINT':
      return withoutConstraint(obstacle);
    case 'AGENT_INACTIVE':
      return isReactivable(obstacle)
        ? { change: { change: 'REACTIVATE_AGENT' }, lifts: liftedByReturn, apply: reactivated }
        : undefined;
    default:
      return undefined;
  }
}

/** REVIVE, which ends suppression and filters. */
export function revival(role: string): Step {
  const apply = ofClient({ suppressed: false, filtersVoidBefore: Number.POSITIVE_INFINITY });
  return {
    change: { change: 'REVIVE', role },
    lifts: ({ kind }) => kind === 'SUPPRESSED' || kind === 'FILTERED',
    apply,
  };
}

/** As if the filters of earlier declines were over. */
export const unfiltered: (trial: Trial) => Trial = ofClient({ filtersVoidBefore: Number.POSITIVE_INFINITY });

// What drains cannot be stopped, and who is away comes back by itself.
function isReactivable(obstacle: Obstacle): boolean {
  return obstacle.kind === 'AGENT_INACTIVE' && (obstacle.activity === 'DEACTIVATED' || obstacle.activity === 'DRAINED');
}

function reactivated(trial: Trial): Trial {
  const { agent, world } = trial;
  if (agent.active) return trial;
  return { ...trial, world: withAvailable(world, agent.free), agent: { ...agent, active: true } };
}

// What is free there counts again, too.
function liftedByReturn(obstacle: Obstacle): boolean {
  return obstacle.kind === 'GUARANTEES' || isReactivable(obstacle);
}

function withoutMinimum(trial: Trial): Trial {
  return ofClient({ minimum: { ...trial.asker.client.minimum, sets: [] } })(trial);
}

function ableTo(
  capability: Extract<Obstacle, { kind: 'CAPABILITY' }>['capability'],
): Partial<Asker['client']['framework']> {
  switch (capability) {
    case 'GPU_RESOURCES':
      return { gpus: true };
    case 'REGION_AWARE':
      return { regions: true };
    case 'REVOCABLE_RESOURCES':
      return { revocable: true };
    case 'SHARED_RESOURCES':
      return { shared: true };
    default:
      return assertNever(capability, 'capability');
  }
}

function ofClient(change: Partial<Asker['client']>): (trial: Trial) => Trial {
  const changed = once((asker: Asker): Asker => ({ ...asker, client: { ...asker.client, ...change } }));
  return trial => ({ ...trial, asker: changed(trial.asker) });
}

function ofFramework(change: Partial<Asker['client']['framework']>): (trial: Trial) => Trial {
  const changed = once((asker: Asker): Asker => {
    const { client } = asker;
    return { ...asker, client: { ...client, framework: { ...client.framework, ...change } } };
  });
  return trial => ({ ...trial, asker: changed(trial.asker) });
}

function withoutConstraint({ of, text }: Extract<Obstacle, { kind: 'CONSTRAINT' }>): Step {
  const relaxed = once(({ client, constraints }: Asker): Asker => {
    const left = dropped(constraints, text);
    const test = compileConstraints(left.map(group => group.map(({ constraint }) => constraint)));
    return { client: { ...client, test }, constraints: left };
  });
  const without = once((question: Question) => ({ ...question, constraints: dropped(question.constraints, text) }));
  return {
    change: { change: 'DROP_CONSTRAINT', constraint: text, of },
    lifts: other => other.kind === 'CONSTRAINT' && other.of === of && other.text === text,
    apply: trial =>
      of === 'REQUEST' ? { ...trial, question: without(trial.question) } : { ...trial, asker: relaxed(trial.asker) },
  };
}

function dropped(groups: Groups, text: string): Groups {
  return groups.map(group => group.filter(single => single.text !== text));
}
