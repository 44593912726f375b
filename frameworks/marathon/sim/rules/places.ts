// G7: no placement of ours breaks a constraint, counting all that may still be there. In: turns. Out: reports.
import { isTerminal } from '../../machine/condition.js';
import type { Instance, Place } from '../../machine/instance.js';
import type { PathId } from '../../model/path.js';
import type { RunSpec } from '../../model/run-spec.js';
import type { Report, Rule, Turn } from './rule.js';

/** So long a group of GROUP_BY is waited for. */
const patienceMs = 30_000;

export class PlacesRule implements Rule {
  readonly name = 'G7 places';
  readonly counts = { placed: 0, constrained: 0 };
  /** Since when something of an app waits, without a break. */
  readonly #waits = new Map<PathId, number>();

  turned(turn: Turn, report: Report): void {
    const placed = turn.changes.filter(
      ({ before, after }) => after !== undefined && after.incarnation > (before?.incarnation ?? 0),
    );
    for (const { after } of placed) if (after !== undefined) this.#look(turn, after, report);
    for (const id of new Set(turn.changes.map(({ before, after }) => (after ?? before)?.runSpecId ?? ''))) {
      const waits = turn.of(id).after.some(({ goal, condition }) => goal === 'Running' && condition === 'Scheduled');
      if (!waits) this.#waits.delete(id);
      else if (!this.#waits.has(id)) this.#waits.set(id, turn.now);
    }
  }

  #look(turn: Turn, instance: Instance, report: Report): void {
    this.counts.placed += 1;
    const spec = turn.service.specOf(instance);
    const { place } = instance;
    if (place === undefined) return report(`${instance.id} starts nowhere`);
    const others = turn
      .of(instance.runSpecId)
      .after.filter(
        each =>
          each.id !== instance.id &&
          each.place !== undefined &&
          each.tasks.length > 0 &&
          !isTerminal(each.condition) &&
          each.configVersion === instance.configVersion,
      );
    if (spec.constraints.length > 0) this.counts.constrained += 1;
    const waited = turn.now - (this.#waits.get(instance.runSpecId) ?? turn.now) >= patienceMs;
    for (const constraint of spec.constraints) {
      const why = broken(constraint, place, others, waited);
      if (why !== undefined)
        report(`${instance.id} starts on ${place.hostname} against ${constraint.field} ${constraint.operator}: ${why}`);
    }
  }
}

type Constraint = RunSpec['constraints'][number];

function broken(
  { field, operator, value }: Constraint,
  place: Place,
  others: readonly Instance[],
  waited: boolean,
): string | undefined {
  const own = textOf(place, field);
  const values = others.map(each => (each.place === undefined ? undefined : textOf(each.place, field)));
  const alike = values.filter(each => each === own).length;
  switch (operator) {
    case 'UNIQUE':
      return alike > 0 ? `${alike} others are at ${own}` : undefined;
    case 'CLUSTER': {
      const wrong = values.find(each => each !== own);
      if (value !== undefined && value !== '' && own !== value) return `it is at ${own}`;
      return wrong === undefined ? undefined : `others are at ${wrong}`;
    }
    case 'MAX_PER':
      return alike + 1 > Number(value) ? `${alike} others are at ${own}` : undefined;
    case 'LIKE':
    case 'UNLIKE': {
      const fits = own !== undefined && new RegExp(`^(?:${value})$`).test(own);
      return fits === (operator === 'LIKE') ? undefined : `it is at ${own}`;
    }
    case 'IS':
      return own === value ? undefined : `it is at ${own}`;
    case 'GROUP_BY': {
      const sizes = new Map<string | undefined, number>();
      for (const each of values) sizes.set(each, (sizes.get(each) ?? 0) + 1);
      // A group that nobody is in yet may be there; one that is known is known to be.
      const least = Math.min(alike, ...sizes.values());
      return !waited && sizes.size > 1 && alike - least > 1 ? `${alike} are at ${own}, ${least} elsewhere` : undefined;
    }
    default:
      return undefined;
  }
}

function textOf({ hostname, attributes }: Place, field: string): string | undefined {
  if (field === 'hostname' || field === '@hostname') return hostname;
  const value = attributes[field];
  return value === undefined ? undefined : String(value);
}
