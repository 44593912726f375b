// What a rollout waits for, so that nobody has to guess. In: instances and what is known of them. Out: reasons with numbers and names. Pure.
import { isActive, isUnreachable } from '../machine/condition.js';
import type { InstanceId } from '../machine/ids.js';
import { isOver, isServing, isWaiting } from '../machine/instance.js';
import type { Instance } from '../machine/instance.js';
import type { Trying } from './trial.js';

/**
 * What is waited for:
 * - `launch`: an offer that fits; `why` is the queue's word.
 * - `start`: a task that was sent to its agent to run.
 * - `health`, `readiness`: a check that says yes.
 * - `reachable`: an agent that comes back, or the instance to be replaced.
 * - `kill`: an end that was asked for to be acknowledged.
 * - `trial`: a new instance to have served for the time asked for, before old ones go.
 */
export const waitKinds = ['launch', 'start', 'health', 'readiness', 'reachable', 'kill', 'trial'] as const;
export type WaitKind = (typeof waitKinds)[number];

export interface WaitingFor {
  readonly kind: WaitKind;
  readonly count: number;
  /** The first of the instances. */
  readonly instanceIds: readonly InstanceId[];
  /** Since when the longest waiting one does. */
  readonly since: number;
  readonly why?: string;
}

/** So many names are told of each kind. */
const namesMax = 20;

/** Why instances are not yet what they shall be: running, healthy, ready; or gone. Empty when all is as it shall be. */
export function waitingFor(
  instances: Iterable<Instance>,
  isReady: (instance: Instance) => boolean,
  whyWaiting?: string,
): WaitingFor[] {
  const found = new Map<WaitKind, { count: number; ids: InstanceId[]; since: number }>();
  for (const instance of instances) {
    const kind = waitOf(instance, isReady);
    if (kind === undefined) continue;
    const entry = found.get(kind);
    const since = instance.goal === 'Running' ? instance.since : (instance.killedAt ?? instance.since);
    if (entry === undefined) found.set(kind, { count: 1, ids: [instance.id], since });
    else {
      entry.count += 1;
      entry.since = Math.min(entry.since, since);
      if (entry.ids.length < namesMax) entry.ids.push(instance.id);
    }
  }
  return waitKinds.flatMap(kind => {
    const entry = found.get(kind);
    if (entry === undefined) return [];
    const { count, ids: instanceIds, since } = entry;
    const why = kind === 'launch' && whyWaiting !== undefined ? { why: whyWaiting } : {};
    return [{ kind, count, instanceIds, since, ...why }];
  });
}

/** What a trial waits for beside what its instances wait for: time. Empty as long as none of them serves. */
export function trialWait({ observed, passesAt }: Trying, now: number): WaitingFor[] {
  if (observed.length === 0) return [];
  const since = Math.min(...observed.map(instance => instance.activeSince ?? now));
  const why = passesAt === undefined ? {} : { why: `${Math.ceil((passesAt - now) / 1000)} s more` };
  const instanceIds = observed.slice(0, namesMax).map(({ id }) => id);
  return [{ kind: 'trial', count: observed.length, instanceIds, since, ...why }];
}

/** One line: "2 instances to be healthy, 1 instance to be launched (InsufficientCpus on 3 agents)". */
export function describeWaiting(waiting: readonly WaitingFor[]): string {
  return waiting
    .map(({ kind, count, why }) => {
      const whom = count === 1 ? '1 instance' : `${count} instances`;
      return `${whom} ${words[kind]}${why === undefined ? '' : ` (${why})`}`;
    })
    .join(', ');
}

const words: { readonly [kind in WaitKind]: string } = {
  launch: 'to be launched',
  start: 'to start',
  health: 'to be healthy',
  readiness: 'to be ready',
  reachable: 'to be reachable or replaced',
  kill: 'to acknowledge their kill',
  trial: 'to pass the trial',
};

function waitOf(instance: Instance, isReady: (instance: Instance) => boolean): WaitKind | undefined {
  const { condition } = instance;
  if (instance.goal !== 'Running') return isOver(instance) ? undefined : 'kill';
  if (isWaiting(instance)) return 'launch';
  if (condition === 'Killing') return 'kill';
  if (isUnreachable(condition)) return condition === 'Unreachable' ? 'reachable' : undefined;
  if (condition !== 'Running') return isActive(condition) ? 'start' : undefined;
  if (!isServing(instance)) return 'health';
  return isReady(instance) ? undefined : 'readiness';
}
