// One look at one run spec: what is wanted against what is there. In: an action, its instances. Out: launch so many, kill these, wait for that. Pure.
//
// Nothing is remembered between two looks: all that was begun can be seen in the instances. So a look repeated, or taken by another leader, begins nothing twice.
import { assertNever } from '../machine/assert.js';
import type { InstanceId } from '../machine/ids.js';
import { isCounted, isCurrent } from '../machine/instance.js';
import type { Instance } from '../machine/instance.js';
import { instancesOn, isResident } from '../model/run-spec.js';
import type { RunSpec } from '../model/run-spec.js';
import type { InstanceCount } from '../model/spec.js';
import { restarting } from './restart.js';
import type { RestartSteps } from './restart.js';
import { returning } from './returning.js';
import { victims } from './victims.js';
import { trialWait, waitingFor } from './waiting.js';
import type { WaitingFor } from './waiting.js';
import { workLeft } from './work.js';

/** What is to be done to a run spec. `Keep` is what goes on without a deployment: the number stays, whatever the configuration. */
export type RolloutAction =
  | { readonly type: 'Keep' }
  | { readonly type: 'Start' }
  | { readonly type: 'Stop' }
  | { readonly type: 'Scale'; readonly scaleTo: InstanceCount; readonly toKill: readonly InstanceId[] }
  | { readonly type: 'Restart' };

/** What is there. */
export interface RolloutView {
  /** As it shall be; for `Stop` as it was. */
  readonly spec: RunSpec;
  /** All instances of that run spec. */
  readonly instances: readonly Instance[];
  /** Whether an instance that serves is ready; always true without readiness checks. */
  readonly isReady: (instance: Instance) => boolean;
  /** Agents that can take an instance of a run spec with one per agent. */
  readonly agents?: number;
  /** Wall milliseconds. */
  readonly now: number;
  /** Why its waiting instances wait. */
  readonly whyWaiting?: string;
}

/** What is to be done now. */
export interface Rollout {
  /** So many new instances are to wait for offers. */
  readonly launch: number;
  /** Instances of which nothing runs that go on as what the run spec says now: they count as launched. */
  readonly renew: readonly InstanceId[];
  /** To end: residents keep what is reserved for them, unless the run spec goes. */
  readonly kill: readonly InstanceId[];
  /** The goal of those killed. */
  readonly killGoal: 'Stopped' | 'Decommissioned';
  readonly waitingFor: readonly WaitingFor[];
  /** Steps left to the end, see `workLeft`. */
  readonly left: number;
  /** Nothing is left to do or to wait for. */
  readonly done: boolean;
  /** Wall milliseconds when time alone makes a difference; absent when it does not. */
  readonly againAt?: number;
}

/** What `action` asks for now. */
export function rollout(action: RolloutAction, view: RolloutView): Rollout {
  const { spec } = view;
  switch (action.type) {
    case 'Start':
      return { launch: 0, renew: [], kill: [], killGoal: killGoalOf(spec), waitingFor: [], left: 0, done: true };
    case 'Stop': {
      const kill = view.instances.filter(({ goal }) => goal !== 'Decommissioned').map(({ id }) => id);
      return { ...outcome(view, { ...nothing, kill }, 0), killGoal: 'Decommissioned' };
    }
    case 'Keep':
      return scaling(view, wanted(view, spec.instances), []);
    case 'Scale':
      return scaling(view, wanted(view, action.scaleTo), action.toKill);
    case 'Restart': {
      const n = wanted(view, spec.instances);
      return outcome(view, restarting(view, n), n, instance => isCurrent(instance, spec));
    }
    default:
      return assertNever(action, 'action');
  }
}

function wanted({ agents = 0 }: RolloutView, count: InstanceCount): number {
  return instancesOn(count, agents);
}

/** Up or down to `n`; `toKill` goes in any case, and is replaced where more than `n` go. */
function scaling(view: RolloutView, n: number, toKill: readonly InstanceId[]): Rollout {
  const { spec, instances } = view;
  const counted = instances.filter(isCounted);
  const sentenced = new Set(toKill);
  const doomed = counted.filter(({ id }) => sentenced.has(id)).length;
  const kill = victims(counted, Math.max(counted.length - n, doomed), spec, sentenced);
  const starts = Math.max(0, n - counted.length + kill.length);
  // One that a user named is not to come back at once.
  const others = sentenced.size === 0 ? instances : instances.filter(({ id }) => !sentenced.has(id));
  // Those named that nobody counts any more go as well.
  const gone = instances.filter(each => sentenced.has(each.id) && each.goal === 'Running' && !isCounted(each));
  const steps = { ...returning(others, starts), kill: [...kill, ...gone].map(({ id }) => id) };
  return outcome(view, steps, n, ({ id }) => !sentenced.has(id));
}

const nothing: RestartSteps = { launch: 0, renew: [], kill: [], awaited: [] };

function outcome(
  view: RolloutView,
  { awaited, trying, ...steps }: RestartSteps,
  n: number,
  isWanted: (instance: Instance) => boolean = () => true,
): Rollout {
  const { spec, instances, isReady, whyWaiting, now } = view;
  // What is to be replaced is not waited for: it waits for the others.
  const looked = instances.filter(instance => instance.goal !== 'Running' || isWanted(instance));
  const away = awaited.map((instance): Instance => ({ ...instance, goal: 'Running' }));
  const waits = waitingFor([...looked, ...away], isReady, whyWaiting);
  if (trying !== undefined) waits.push(...trialWait(trying, now));
  const idle = steps.launch === 0 && steps.renew.length === 0 && steps.kill.length === 0;
  return {
    ...steps,
    killGoal: killGoalOf(spec),
    waitingFor: waits,
    // A trial that is passed is progress.
    left: workLeft(n, instances, isWanted, isReady) + awaited.length + Number(trying !== undefined),
    done: idle && waits.length === 0 && trying === undefined,
    ...(trying?.passesAt === undefined ? {} : { againAt: trying.passesAt }),
  };
}

function killGoalOf(spec: RunSpec): Rollout['killGoal'] {
  return isResident(spec) ? 'Stopped' : 'Decommissioned';
}
