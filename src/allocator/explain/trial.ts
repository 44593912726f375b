// One launch on one agent under changed circumstances. In: what explain looks at, as values, and changes to it. Out: the judgement afterwards.
import type { AgentId } from '../../base/ids.js';
import type { Change, ExplainChange, SingleChange } from '../../protocol/explain.js';
import { add } from '../../resources/index.js';
import type { PoolAgent } from '../pool/agent-pool.js';
import type { Asker, Holding, Obstacle, Question, World } from './judge.js';
import { obstaclesOn } from './judge.js';

/** An agent, who of the askers has the least in the way there, and what that is. */
export interface Near {
  readonly agent: PoolAgent;
  readonly asker: Asker;
  readonly obstacles: readonly Obstacle[];
}

/** Everything a judgement depends on. */
export interface Trial {
  readonly world: World;
  readonly question: Question;
  readonly asker: Asker;
  readonly agent: PoolAgent;
}

/** A change, and how to try it. */
export interface Step {
  readonly change: SingleChange;
  readonly apply: (trial: Trial) => Trial;
  /** Whether it may remove this obstacle; what it does remove, the trial shows. */
  readonly lifts: (obstacle: Obstacle) => boolean;
}

/** A change without its words. */
export type TriedChange = Change & Pick<ExplainChange, 'agents' | 'examples' | 'revived'>;

// The order in which changes are told.
const ranks: readonly SingleChange['change'][] = [
  'WAIT',
  'RECONNECT',
  'SUBSCRIBE',
  'REVIVE',
  'ADD_CAPABILITY',
  'LOWER_MINIMUM',
  'LESS',
  'DROP_CONSTRAINT',
  'RAISE_QUOTA',
  'LOWER_GUARANTEES',
  'FREE_AGENT',
  'REACTIVATE_AGENT',
  'ADD_AGENT',
];

/** The place of a change in the order in which changes are told. */
export function rankOf({ change }: Pick<SingleChange, 'change'>): number {
  return ranks.indexOf(change);
}

/** How many agents a change helps on, and which for example. */
export type Helped = Pick<ExplainChange, 'agents' | 'examples'>;

const examplesMax = 3;

export function helpedOn(nears: readonly Near[]): Helped {
  return { agents: nears.length, examples: firstIds(nears) };
}

function firstIds(nears: readonly Near[]): AgentId[] {
  return nears.slice(0, examplesMax).map(({ agent }) => agent.id);
}

export function judged({ world, question, asker, agent }: Trial): Obstacle[] {
  return obstaclesOn(world, asker, agent, question);
}

/** Whether the launch fits on the agent as it was found, were it not for the steps. */
export function fitsAfter(trial: Trial, steps: readonly Step[]): boolean {
  return judged(steps.reduce((at, { apply }) => apply(at), trial)).length === 0;
}

/** The agent with these holdings returned. */
export function withFree(agent: PoolAgent, returned: readonly Holding[]): PoolAgent {
  if (returned.length === 0) return agent;
  return { ...agent, free: returned.reduce((free, { resources }) => add(free, resources), agent.free) };
}
