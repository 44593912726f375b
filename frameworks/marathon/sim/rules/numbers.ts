// G2, G3, G5 and G6: how many may go and how many may be there, who goes, and when somebody takes the place of one out of reach. In: turns. Out: reports.
import { isActive, isUnreachable } from '../../machine/condition.js';
import type { InstanceId } from '../../machine/ids.js';
import type { Instance } from '../../machine/instance.js';
import type { PathId } from '../../model/path.js';
import { isResident } from '../../model/run-spec.js';
import type { RunSpec } from '../../model/run-spec.js';
import type { Request } from '../users.js';
import { aimedAt, numbersOf } from './rule.js';
import type { Aimed, Report, Rule, Turn } from './rule.js';

function serves({ goal, condition, hasHealthChecks, healthy }: Instance): boolean {
  return goal === 'Running' && condition === 'Running' && (!hasHealthChecks || healthy === true);
}

/** Whether it stands for one of those wanted. */
function counts({ goal, condition }: Instance): boolean {
  return goal === 'Running' && condition !== 'UnreachableInactive';
}

function isCurrentFor(instance: Instance, specs: readonly RunSpec[]): boolean {
  return specs.some(({ versionInfo }) => versionInfo.lastConfigChangeAt === instance.configVersion);
}

export class NumbersRule implements Rule {
  readonly name = 'G2 G3 G5 G6 numbers';
  /** Whom users want killed. */
  readonly #asked = new Set<InstanceId>();
  readonly counts = { deploymentKills: 0, surplusKills: 0, made: 0, replaced: 0 };

  asked(request: Request): void {
    if (request.type === 'KILL') for (const id of request.ids) this.#asked.add(id);
  }

  turned(turn: Turn, report: Report): void {
    const touched = new Set<PathId>();
    for (const { id, before, after } of turn.changes) {
      touched.add((after ?? before)?.runSpecId ?? '');
      if (before?.killedAt === undefined && after?.killedAt !== undefined && after.goal === 'Running') {
        if (before !== undefined && serves(before) && before.tasks.length === 1 && !this.#asked.has(id))
          report(`G5: ${id} serves, and is killed though it stays wanted`);
      }
    }
    for (const id of touched) this.#look(turn, id, report);
    // It was about the start of then.
    for (const { id, before, after } of turn.changes)
      if (after === undefined || after.incarnation !== before?.incarnation) this.#asked.delete(id);
  }

  #look(turn: Turn, id: PathId, report: Report): void {
    const aimed = aimedAt(turn, id);
    // Deleted: all of it may go.
    if (aimed.specs.length === 0 || aimed.actions.includes('Stop')) return;
    const numbers = numbersOf(aimed);
    if (numbers.length < aimed.specs.length) return;
    const { before, after } = turn.of(id);
    const left = new Map(after.map(each => [each.id, each]));
    const isGoing = (each: Instance): boolean => each.goal === 'Running' && left.get(each.id)?.goal !== 'Running';
    const gone = before.filter(
      each =>
        isGoing(each) && !this.#asked.has(each.id) && !aimed.sentenced.has(each.id) && left.get(each.id) !== undefined,
    );
    if (gone.length > 0) this.#goes(id, aimed, { before, after, gone }, report);
    this.#comes(turn, id, aimed, report);
  }

  #goes(
    id: PathId,
    aimed: Aimed,
    at: {
      readonly before: readonly Instance[];
      readonly after: readonly Instance[];
      readonly gone: readonly Instance[];
    },
    report: Report,
  ): void {
    const serving = at.gone.filter(serves);
    if (serving.length === 0) return;
    const n = Math.min(...numbersOf(aimed));
    const stay = at.after.filter(serves).length;
    if (aimed.actions.includes('Restart')) {
      this.counts.deploymentKills += serving.length;
      const least = Math.min(...aimed.specs.map(spec => leastServing(spec, n)));
      if (stay < least)
        report(
          `G2: of ${id} ${stay} serve after ${serving.map(each => each.id).join(', ')} was ended, at least ${least} must`,
        );
    }
    const current = serving.filter(each => isCurrentFor(each, aimed.goals));
    const counted = at.after.filter(counts).length;
    if (current.length > 0 && counted < n)
      report(
        `G5: ${current[0]?.id ?? ''} is what it shall be and serves; it is ended although ${counted} of ${n} are left`,
      );
    if (aimed.actions.includes('Restart')) return;
    this.counts.surplusKills += serving.length;
    this.#chooses(id, aimed, at, report);
  }

  // Of too many the least useful go, of equals the youngest or oldest.
  #chooses(
    id: PathId,
    { goals: specs, sentenced }: Aimed,
    {
      before,
      after,
      gone,
    }: {
      readonly before: readonly Instance[];
      readonly after: readonly Instance[];
      readonly gone: readonly Instance[];
    },
    report: Report,
  ): void {
    const [spec, ...others] = specs;
    if (spec === undefined || others.length > 0 || sentenced.size > 0) return;
    if (spec.constraints.some(({ operator }) => operator === 'GROUP_BY')) return;
    const known = new Set(before.map(each => each.id));
    const stay = after.filter(each => counts(each) && known.has(each.id) && !this.#asked.has(each.id));
    for (const victim of gone.filter(serves)) {
      const worse = stay.find(
        each => !serves(each) && (isUnreachable(each.condition) || each.condition === 'Scheduled'),
      );
      if (worse !== undefined)
        report(`G6: ${victim.id} serves and is ended, ${worse.id} is ${worse.condition} and stays`);
      const sign = spec.killSelection === 'YOUNGEST_FIRST' ? 1 : -1;
      const kept = stay.find(each => serves(each) && sign * ((each.activeSince ?? 0) - (victim.activeSince ?? 0)) > 0);
      if (kept !== undefined)
        report(
          `G6: ${victim.id} of ${id} is ended, ${kept.id} stays: ${spec.killSelection}, ${victim.activeSince} and ${kept.activeSince}`,
        );
    }
  }

  #comes(turn: Turn, id: PathId, aimed: Aimed, report: Report): void {
    const came = turn.changes.filter(
      ({ before, after }) => after?.runSpecId === id && after.goal === 'Running' && before?.goal !== 'Running',
    );
    if (came.length === 0) return;
    this.counts.made += came.length;
    const { after, before } = turn.of(id);
    if (before.some(({ condition }) => condition === 'UnreachableInactive')) this.counts.replaced += 1;
    const n = Math.max(...numbersOf(aimed));
    const counted = after.filter(counts).length;
    // Before the restart of this turn the number of before was kept.
    const keptFirst = aimed.specs.length > aimed.goals.length && counted <= n;
    if (keptFirst || !aimed.actions.includes('Restart')) {
      if (counted > n) report(`G3: ${counted} of ${id} are wanted after ${came[0]?.id ?? ''} came, ${n} are asked for`);
      return;
    }
    const most = Math.max(...aimed.specs.map(spec => mostThere(spec, n)));
    const current = after.filter(each => counts(each) && isCurrentFor(each, aimed.goals)).length;
    const tried = aimed.goals.some(({ upgradeStrategy }) => upgradeStrategy.trial !== undefined);
    const there = after.filter(each => (each.goal === 'Running' ? counts(each) : isActive(each.condition)));
    const away = after.filter(({ condition }) => isUnreachable(condition)).length;
    // What is tried comes beside all that is there.
    if (tried ? current > n : there.length > most + away)
      report(
        `G3: ${there.length} of ${id} are there after ${came[0]?.id ?? ''} came, at most ${most} may, ${away} are out of reach`,
      );
  }
}

/** ceil(n · minimumHealthCapacity); where nothing could begin otherwise, one less of what keeps data. */
function leastServing(spec: RunSpec, n: number): number {
  const { minimumHealthCapacity: share } = spec.upgradeStrategy;
  const least = Math.ceil(Number((n * share).toFixed(6)));
  return isResident(spec) && least === most(spec, n) ? least - 1 : least;
}

/** floor(n · (1 + maximumOverCapacity)), and one more where nothing could begin otherwise. */
function mostThere(spec: RunSpec, n: number): number {
  const bound = most(spec, n);
  const least = Math.ceil(Number((n * spec.upgradeStrategy.minimumHealthCapacity).toFixed(6)));
  return !isResident(spec) && least === bound ? bound + 1 : bound;
}

function most(spec: RunSpec, n: number): number {
  return Math.floor(Number((n * (1 + spec.upgradeStrategy.maximumOverCapacity)).toFixed(6)));
}
