// Residents that were stopped come back before new ones are made: their data is there. In: instances, how many are to start. Out: who comes back, how many are new. Pure.
import { isUnreachable } from '../machine/condition.js';
import type { InstanceId } from '../machine/ids.js';
import { isOver } from '../machine/instance.js';
import type { Instance } from '../machine/instance.js';

/** How `starts` instances come to be. */
export interface Starts {
  readonly launch: number;
  readonly renew: readonly InstanceId[];
  /** Stopped ones whose agents cannot be reached: nothing new takes their place, as nothing new has their data. */
  readonly awaited: readonly Instance[];
}

/** Stopped residents first: at once where nothing of them runs any more, else when that is so; new ones for the rest. */
export function returning(instances: readonly Instance[], starts: number): Starts {
  const renew: InstanceId[] = [];
  const awaited: Instance[] = [];
  let later = 0;
  const stopped = instances.filter(({ goal, reservation }) => goal === 'Stopped' && reservation !== undefined);
  for (const instance of stopped) {
    if (renew.length < starts && isOver(instance) && !isUnreachable(instance.condition)) renew.push(instance.id);
  }
  for (const instance of stopped) {
    if (renew.length + later >= starts) break;
    if (isOver(instance) && !isUnreachable(instance.condition)) continue;
    later += 1;
    if (isUnreachable(instance.condition)) awaited.push(instance);
  }
  return { launch: starts - renew.length - later, renew, awaited };
}
