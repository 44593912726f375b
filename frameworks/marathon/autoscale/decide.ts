// How many instances an app should have. In: its target, what its instances have to do, what was found before, the time. Out: a number, and why. Pure.
//
// The rule is that of Kubernetes's horizontal pod autoscaler (its documentation, "Algorithm details"): in proportion to how far the average is from the
// target, with a tolerance; instances of which nothing is known are taken to do nothing before a change up, and as much as they should before one down.
import type { Autoscaling } from '../model/app.js';

/** An average this close to the target is as good as on it. */
export const tolerance = 0.1;

/** What one instance has to do, in the target's unit; undefined when nobody could say. */
export type Load = number | undefined;

/** What was found before: at most as old as the cooldown down. */
export interface Finding {
  readonly at: number;
  readonly wanted: number;
}

export interface ScalingView {
  readonly autoscaling: Autoscaling;
  /** How many are asked for now. */
  readonly instances: number;
  /** Of those that serve. */
  readonly loads: readonly Load[];
  /** Oldest first, without this one. */
  readonly findings: readonly Finding[];
  /** Wall milliseconds of the last change of the number. */
  readonly lastScalingAt: number;
  /** Since when findings are made; before, nobody knows how much was needed. */
  readonly since: number;
  readonly now: number;
}

export interface ScalingDecision {
  /** Undefined: as many as now. */
  readonly scaleTo?: number;
  /** For people: "cpus 0.91 on average of 3, target 0.6". */
  readonly why: string;
  /** What to remember; undefined when nothing could be measured. */
  readonly finding?: Finding;
}

/** The number of instances from now on. */
export function decide(view: ScalingView): ScalingDecision {
  const { autoscaling, instances, now } = view;
  const { minInstances, maxInstances, target } = autoscaling;
  // Bounds hold at once, also when nothing can be measured.
  const bounded = Math.min(maxInstances, Math.max(minInstances, instances));
  if (bounded !== instances) {
    const which = bounded > instances ? `minInstances is ${minInstances}` : `maxInstances is ${maxInstances}`;
    return { scaleTo: bounded, why: which };
  }
  const known = view.loads.filter(load => load !== undefined);
  if (known.length === 0) return { why: `${target.metric} of no instance is known` };
  const average = known.reduce((sum, load) => sum + load, 0) / known.length;
  const why = `${target.metric} ${shown(average)} on average of ${known.length}, target ${shown(target.value)}`;
  const wanted = Math.min(maxInstances, Math.max(minInstances, wantedFor(view, known, average)));
  const finding = { at: now, wanted };
  return { ...changeTo(view, wanted), why, finding };
}

/** Findings that still matter. */
export function recent(findings: readonly Finding[], { scaleDownCooldownMs }: Autoscaling, now: number): Finding[] {
  return findings.filter(({ at }) => now - at <= scaleDownCooldownMs);
}

function wantedFor({ autoscaling, instances, loads }: ScalingView, known: readonly number[], average: number): number {
  const { value } = autoscaling.target;
  if (Math.abs(average / value - 1) <= tolerance) return instances;
  const isUp = average > value;
  const missing = Math.max(loads.length, instances) - known.length;
  const cautious = (average * known.length + (isUp ? 0 : value) * missing) / (known.length + missing);
  const ratio = cautious / value;
  // Who is not known may be why: then nothing is done.
  if (Math.abs(ratio - 1) <= tolerance || ratio > 1 !== isUp) return instances;
  const wanted = Math.ceil(steady(ratio * (known.length + missing)));
  return isUp ? Math.max(instances, wanted) : Math.min(instances, wanted);
}

function changeTo(view: ScalingView, wanted: number): { readonly scaleTo?: number } {
  const { autoscaling, instances, findings, lastScalingAt, since, now } = view;
  const { scaleUpCooldownMs, scaleDownCooldownMs } = autoscaling;
  if (wanted > instances) return now - lastScalingAt < scaleUpCooldownMs ? {} : { scaleTo: wanted };
  if (wanted === instances || now - Math.max(lastScalingAt, since) < scaleDownCooldownMs) return {};
  const most = recent(findings, autoscaling, now).reduce((max, finding) => Math.max(max, finding.wanted), wanted);
  return most < instances ? { scaleTo: most } : {};
}

// 0.3 · 10 is 3.0000000000000004 in doubles, and must not ask for 4.
function steady(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

function shown(value: number): string {
  return String(Math.round(value * 100) / 100);
}
