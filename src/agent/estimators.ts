// Estimators of what may be lent to revocable tasks: nothing, a fixed amount, or what others were promised and do not use. Pure but for what they
// remember of the last measurements. In: usage of the agent. Out: resources.
import type { ContainerId } from '../base/ids.js';
import { ProfferError, shown } from '../base/errors.js';
import type { Resources } from '../resources/index.js';
import { fromBag, toBag } from '../resources/index.js';
import type { ResourceEstimator } from './usage.js';

/** Lends nothing. */
export const noEstimator: ResourceEstimator = { estimate: (_usage, answer) => answer({}) };

/**
 * Lends the same always, as Mesos's fixed estimator.
 * @throws ProfferError INVALID_RESOURCES when `resources` are not scalars without reservations.
 */
export function fixedEstimator(resources: Resources): ResourceEstimator {
  const { bag, problems } = toBag(resources, 'resources');
  const odd = bag.find(r => r.kind !== 'scalar' || r.label.suffix !== '');
  const [problem] = problems;
  if (problem !== undefined) throw new ProfferError('INVALID_RESOURCES', problem.message, { path: problem.path });
  if (odd !== undefined)
    throw new ProfferError('INVALID_RESOURCES', `${odd.key} cannot be lent: amounts without reservation can`, {
      path: `resources.${odd.key}`,
      hint: 'write for example cpus=4',
    });
  const fixed = fromBag(bag);
  return { estimate: (_usage, answer) => answer(fixed) };
}

export interface UsageEstimatorOptions {
  /** The part of what was promised that is never lent. From 0 to 1, default 0.1. */
  readonly margin?: number;
  /** Measurements over which the highest use counts. Default 4. */
  readonly window?: number;
}

/**
 * Lends cpus: what containers that are not revocable hold, less the most they used lately, less a margin. A container counts as using all it holds until it was
 * measured twice, and where it cannot be measured. In whole tenths of a cpu, since every change takes back offers.
 *
 * @throws ProfferError USAGE when `margin` or `window` is out of bounds.
 */
export function usageEstimator({ margin = 0.1, window = 4 }: UsageEstimatorOptions = {}): ResourceEstimator {
  if (!(margin >= 0 && margin <= 1))
    throw new ProfferError('USAGE', `${shown(margin)} is not a margin from 0 to 1`, { path: 'margin' });
  if (!(Number.isSafeInteger(window) && window >= 1))
    throw new ProfferError('USAGE', `${shown(window)} is not a whole number of measurements`, { path: 'window' });
  let before = new Map<ContainerId, Track>();
  return {
    estimate: (usage, answer) => {
      const now = new Map<ContainerId, Track>();
      let heldMilli = 0;
      let usedMilli = 0;
      for (const { containerId, revocable, resources, use } of usage.containers) {
        if (revocable) continue;
        const milli = Math.round(cpusOf(resources) * 1000);
        heldMilli += milli;
        const track = use === undefined ? undefined : tracked(before.get(containerId), use.cpuMs, usage.nowMs, window);
        if (track !== undefined) now.set(containerId, track);
        const rates = track?.ratesMilli ?? [];
        usedMilli += rates.length === 0 ? milli : Math.min(milli, Math.max(...rates));
      }
      before = now;
      const lentMilli = heldMilli - usedMilli - Math.ceil(heldMilli * margin);
      const tenths = Math.max(0, Math.floor(lentMilli / 100));
      answer(tenths === 0 ? {} : { cpus: tenths / 10 });
    },
  };
}

/** What was measured of one container: the counter at the last time, and thousandths of a cpu used between times. */
interface Track {
  readonly cpuMs: number;
  readonly atMs: number;
  readonly ratesMilli: readonly number[];
}

function tracked(before: Track | undefined, cpuMs: number, nowMs: number, window: number): Track {
  if (before === undefined || nowMs <= before.atMs) return { cpuMs, atMs: nowMs, ratesMilli: before?.ratesMilli ?? [] };
  const rateMilli = Math.max(0, Math.round(((cpuMs - before.cpuMs) / (nowMs - before.atMs)) * 1000));
  return { cpuMs, atMs: nowMs, ratesMilli: [...before.ratesMilli, rateMilli].slice(-window) };
}

function cpusOf(resources: Resources): number {
  let cpus = 0;
  for (const r of toBag(resources, 'resources', { round: true }).bag)
    if (r.name === 'cpus' && r.kind === 'scalar') cpus += r.milli;
  return cpus / 1000;
}
