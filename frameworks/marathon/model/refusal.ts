// How a definition is refused: every violation at once, each with its path in the JSON, in the shape Marathon answers with.

/** One path and all that is wrong there, e.g. `/container/volumes(0)/persistent/size`; `/` is the whole object. */
export interface RefusalDetail {
  readonly path: string;
  readonly errors: readonly string[];
}

/** `malformed`: not the JSON it should be, HTTP 400. `invalid`: the right shape, but against a rule, HTTP 422. */
export interface Refusal {
  readonly kind: 'malformed' | 'invalid';
  readonly message: string;
  readonly details: readonly RefusalDetail[];
}

export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

/** Where rules tell what is wrong. */
export type Report = (path: string, error: string) => void;

/** Paths beyond this many are counted, not listed: the answer must stay smaller than what was sent. */
const detailsMax = 100;

/** Collects violations, one detail per path, in the order of their first report. */
export class Violations {
  readonly #errors = new Map<string, Set<string>>();
  #left = 0;

  get any(): boolean {
    return this.#errors.size > 0;
  }

  readonly report: Report = (path, error) => {
    const known = this.#errors.get(path);
    if (known !== undefined) known.add(error);
    else if (this.#errors.size < detailsMax) this.#errors.set(path, new Set([error]));
    else this.#left += 1;
  };

  refusal(kind: Refusal['kind']): Refusal {
    const details = [...this.#errors].map(([path, errors]) => ({ path, errors: [...errors] }));
    if (this.#left > 0) details.push({ path: '/', errors: [`${this.#left} more violations are not listed`] });
    return { kind, message: kind === 'malformed' ? 'Invalid JSON' : 'Object is not valid', details };
  }

  /** `value` when nothing was reported. */
  checked<T>(value: T, kind: Refusal['kind'] = 'invalid'): Checked<T> {
    return this.any ? { ok: false, refusal: this.refusal(kind) } : { ok: true, value };
  }
}

/** A refusal for one reason. */
export function refused(kind: Refusal['kind'], path: string, error: string): { ok: false; refusal: Refusal } {
  const violations = new Violations();
  violations.report(path, error);
  return { ok: false, refusal: violations.refusal(kind) };
}

/** The same reporter one level down: `/` of the inner object is `prefix` of the outer one. */
export function within(report: Report, prefix: string): Report {
  return (path, error) => report(path === '/' ? prefix : `${prefix}${path}`, error);
}

const shownMax = 64;

/** A value as a message shows it: JSON, cut at 64 characters. */
export function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > shownMax ? `${text.slice(0, shownMax - 1)}…` : text;
}
