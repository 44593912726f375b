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
import { restarting, stoppedOf } from './restart.js';
import { victims } from './victims.js';
import { waitingFor } from './waiting.js';
import type { WaitingFor } from './waiting.js';

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
  /** Nothing is left to do or to wait for. */
  readonly done: boolean;
}

/** What `action` asks for now. */
export function rollout(action: RolloutAction, view: RolloutView): Rollout {
  const { spec } = view;
  switch (action.type) {
    case 'Start':
      return outcome(view, { launch: 0, renew: [], kill: [] }, { done: true });
    case 'Stop': {
      const kill = view.instances.filter(({ goal }) => goal !== 'Decommissioned').map(({ id }) => id);
      return outcome(view, { launch: 0, renew: [], kill }, { killGoal: 'Decommissioned' });
    }
    case 'Keep':
      return scaling(view, wanted(view, spec.instances), []);
    case 'Scale':
      return scaling(view, wanted(view, action.scaleTo), action.toKill);
    case 'Restart':
      return outcome(view, restarting(view, wanted(view, spec.instances)), {
        // Old ones are not waited for: they wait for the others.
        matters: instance => instance.goal !== 'Running' || isCurrent(instance, spec),
      });
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
  const renew = stoppedOf(instances, starts);
  return outcome(view, { launch: starts - renew.length, renew, kill: kill.map(({ id }) => id) });
}

type Steps = Pick<Rollout, 'launch' | 'renew' | 'kill'>;

function outcome(
  view: RolloutView,
  steps: Steps,
  given: {
    readonly done?: boolean;
    readonly killGoal?: Rollout['killGoal'];
    readonly matters?: (instance: Instance) => boolean;
  } = {},
): Rollout {
  const { spec, isReady, whyWaiting } = view;
  const instances = given.matters === undefined ? view.instances : view.instances.filter(given.matters);
  const waits = given.done === true ? [] : waitingFor(instances, isReady, whyWaiting);
  const idle = steps.launch === 0 && steps.renew.length === 0 && steps.kill.length === 0;
  return {
    ...steps,
    killGoal: given.killGoal ?? (isResident(spec) ? 'Stopped' : 'Decommissioned'),
    waitingFor: waits,
    done: given.done ?? (idle && waits.length === 0),
  };
}
