// Less of one resource. In: a wish, and what is short where. Out: the most of it that fits, and the wish with that.
import type { SingleChange } from '../../protocol/explain.js';
import type { Wish } from '../../resources/index.js';
import { wishShortages } from '../../resources/index.js';
import type { Obstacle, Question } from './judge.js';
import { visibleTo } from './judge.js';
import { shortOf } from './tally.js';
import type { Near, Step, Trial, TriedChange } from './trial.js';
import { once } from './once.js';
import { helpedOn, judged } from './trial.js';

/** For each resource that alone is short somewhere: the most of it that fits on one agent now. */
export function lessChanges(trialOf: (near: Near) => Trial, nears: readonly Near[], question: Question): TriedChange[] {
  const { wish } = question;
  if (wish === undefined) return [];
  const byKey = new Map<string, { readonly near: Near; readonly allowed: number }[]>();
  for (const near of nears) {
    const key = soleKey(near.obstacles);
    if (key === undefined) continue;
    const allowed = allowedMilli(trialOf(near), near.obstacles, wish, key);
    const list = byKey.get(key);
    if (list === undefined) byKey.set(key, [{ near, allowed }]);
    else list.push({ near, allowed });
  }
  const found: { readonly change: TriedChange; readonly lost: number }[] = [];
  for (const [key, list] of byKey) {
    list.sort((a, b) => b.allowed - a.allowed);
    const most = list[0]?.allowed ?? 0;
    const step = lessOf(wish, key, most);
    if (step === undefined) continue;
    const helped = list.filter(
      ({ near, allowed }) => allowed === most && judged(step.apply(trialOf(near))).length === 0,
    );
    if (helped.length === 0) continue;
    found.push({ change: { ...step.change, ...helpedOn(helped.map(({ near }) => near)) }, lost: lostBy(step.change) });
  }
  return found.sort((a, b) => a.lost - b.lost).map(({ change }) => change);
}

/**
 * So much less of what one obstacle is about that none is about it any more, or that, once all else ends there, none is; undefined when that is no
 * amount, or nothing would be left to ask for.
 */
export function lessFor(
  trial: Trial,
  obstacles: readonly Obstacle[],
  obstacle: Obstacle,
  of: 'FREE' | 'WHOLE',
): Step | undefined {
  const { wish } = trial.question;
  const short = shortOf(obstacle);
  if (wish === undefined || short === undefined || typeof short.short !== 'number') return undefined;
  const { key } = short;
  const about = obstacles.filter(each => shortOf(each)?.key === key);
  const wholeMilli = Math.round((Number(short.wanted) - short.short) * 1000);
  return lessOf(wish, key, of === 'WHOLE' ? wholeMilli : allowedMilli(trial, about, wish, key));
}

/** The part of what is asked for that a change gives up. */
export function lostBy(change: SingleChange): number {
  return change.change === 'LESS' ? (change.from - change.to) / change.from : 0;
}

function lessOf(wish: Wish, key: string, milli: number): Step | undefined {
  const wanted = amountOf(wish, key);
  if (milli >= wanted || reduced(wish, key, milli) === undefined) return undefined;
  const lessening = once((question: Question): Question => {
    const less = question.wish === undefined ? undefined : reduced(question.wish, key, milli);
    return { ...question, wish: less };
  });
  return {
    change: { change: 'LESS', resource: key, from: wanted / 1000, to: milli / 1000 },
    lifts: obstacle => shortOf(obstacle)?.key === key,
    apply: trial => ({ ...trial, question: lessening(trial.question) }),
  };
}

// The one key that all obstacles are about, when they are all about amounts of it.
function soleKey(obstacles: readonly Obstacle[]): string | undefined {
  let key: string | undefined;
  for (const obstacle of obstacles) {
    const short = shortOf(obstacle);
    if (short === undefined || typeof short.short !== 'number') return undefined;
    if (key !== undefined && key !== short.key) return undefined;
    key = short.key;
  }
  return key;
}

// How much of `key`, which all obstacles are about, could be placed on the agent now, in thousandths; of ports the number times a thousand.
function allowedMilli({ agent, asker }: Trial, obstacles: readonly Obstacle[], wish: Wish, key: string): number {
  const wanted = amountOf(wish, key);
  let allowed = wanted;
  for (const obstacle of obstacles) {
    // How much too small an agent is says nothing of what is free there now.
    const short =
      obstacle.kind === 'TOO_SMALL' || obstacle.kind === 'RESERVED'
        ? wishShortages(wish, visibleTo(asker.client, agent.free)).find(each => each.key === key)
        : shortOf(obstacle);
    if (typeof short?.short !== 'number') continue;
    // What a role has beyond its limit is no part of what is asked for.
    const lacking = Number(short.wanted) - Number(short.have);
    allowed = Math.min(allowed, wanted - Math.round(lacking * 1000));
  }
  return Math.max(0, allowed);
}

function amountOf({ resources, ports = 0 }: Wish, key: string): number {
  if (key === 'ports' && ports > 0) return ports * 1000;
  for (const r of resources) if (r.kind === 'scalar' && r.key === key) return r.milli;
  return 0;
}

// Undefined when nothing of the wish would be left.
function reduced(wish: Wish, key: string, milli: number): Wish | undefined {
  if (key === 'ports' && (wish.ports ?? 0) > 0) return { ...wish, ports: milli / 1000 };
  const resources = wish.resources.flatMap(r => {
    if (r.kind !== 'scalar' || r.key !== key) return [r];
    return milli > 0 ? [{ ...r, milli }] : [];
  });
  return resources.length === 0 ? undefined : { ...wish, resources };
}
