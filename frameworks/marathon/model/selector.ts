// Label selectors of lists: `a`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, joined by commas. In: the query's text, later labels. Out: whether
// all of it holds. Letters, digits and `-_.` stand for themselves; anything else after a backslash.
import type { Labels } from 'proffer';
import { shown } from './refusal.js';
import type { Checked } from './refusal.js';

/** One condition on one label; a label that is absent meets none. */
export interface LabelCondition {
  readonly label: string;
  /** The value must be among these (`in`), must not be (`notin`), or may be any (`exists`). */
  readonly operator: 'exists' | 'in' | 'notin';
  readonly values: readonly string[];
}

/** Whether `labels` meet every condition. */
export function selects(conditions: readonly LabelCondition[], labels: Labels): boolean {
  return conditions.every(({ label, operator, values }) => {
    const value = Object.hasOwn(labels, label) ? labels[label] : undefined;
    if (value === undefined) return false;
    return operator === 'exists' || values.includes(value) === (operator === 'in');
  });
}

/** The conditions that `text` states; none for an empty text. */
export function parseSelector(text: string): Checked<readonly LabelCondition[]> {
  const reader = new Reader(text);
  const conditions: LabelCondition[] = [];
  if (!reader.done) {
    do {
      const condition = conditionOf(reader);
      if (condition === undefined) return refusal(reader);
      conditions.push(condition);
    } while (reader.takes(','));
  }
  return reader.done ? { ok: true, value: conditions } : refusal(reader);
}

function conditionOf(reader: Reader): LabelCondition | undefined {
  const label = reader.term();
  if (label === undefined) return undefined;
  for (const [sign, operator] of [
    ['==', 'in'],
    ['!=', 'notin'],
  ] as const) {
    if (!reader.takes(sign)) continue;
    const value = reader.term();
    return value === undefined ? undefined : { label, operator, values: [value] };
  }
  const start = reader.at;
  const word = reader.term();
  if (word === undefined) return { label, operator: 'exists', values: [] };
  if (word !== 'in' && word !== 'notin') {
    reader.at = start;
    return undefined;
  }
  const values = setOf(reader);
  return values === undefined ? undefined : { label, operator: word, values };
}

function setOf(reader: Reader): string[] | undefined {
  if (!reader.takes('(')) return undefined;
  const values: string[] = [];
  if (reader.takes(')')) return values;
  do {
    const value = reader.term();
    if (value === undefined) return undefined;
    values.push(value);
  } while (reader.takes(','));
  return reader.takes(')') ? values : undefined;
}

/** A place in the text; blanks between words do not count. */
class Reader {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
    this.#skip();
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }

  takes(sign: string): boolean {
    if (!this.text.startsWith(sign, this.at)) return false;
    this.at += sign.length;
    this.#skip();
    return true;
  }

  term(): string | undefined {
    const found = this.#match(/(?:\\.|[-A-Za-z0-9_.])+/y);
    if (found === undefined) return undefined;
    this.#skip();
    return found.replaceAll(/\\(.)/g, '$1');
  }

  #skip(): void {
    this.#match(/\s+/y);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }
}

function refusal({ text, at }: Reader): Checked<never> {
  const found = at >= text.length ? 'the end' : shown(text.slice(at, at + 20));
  const why = `a label, ==, !=, in (…), notin (…) or a comma is expected at character ${at + 1}, ${found} is there`;
  const message = `Can not parse label selector ${text.length > 200 ? `${text.slice(0, 200)}…` : text}. Reason: ${why}`;
  return { ok: false, refusal: { kind: 'invalid', message, details: [{ path: '/label', errors: [why] }] } };
}
