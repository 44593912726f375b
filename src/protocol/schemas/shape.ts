// Shapes: what a value of a type looks like at run time, said once and checked against the type by the compiler. In: combinators. Out: for a value,
// `ok` (cheap, every message) and `explain` (every violation, only after `ok` said no).
import type { ErrorCode } from '../../base/errors.js';
import type { Findings, Say } from './findings.js';
import { fieldPath, given, isPlain, kindOf } from './findings.js';

declare const typeOf: unique symbol;

/** What values of type T look like. Values that pass are used as they are: shapes hold on to nothing and copy nothing. */
export interface Shape<T> {
  /** What is allowed, after "is not": `a string`. */
  readonly what: string;
  ok(value: unknown): boolean;
  /** Adds at least one problem when `ok(value)` is false, none otherwise. */
  explain(value: unknown, path: string, code: ErrorCode, found: Findings): void;
  /** Of an object: the shapes of its fields. */
  readonly fields?: ReadonlyMap<string, Shape<unknown> & { readonly optional?: true }>;
  /** Of a union: the shape that `value.type` asks for. */
  variantOf?(value: unknown): Shape<unknown> | undefined;
  readonly [typeOf]?: T;
}

/** A field that may be absent or undefined. */
export interface OptionalShape<T> extends Shape<T> {
  readonly optional: true;
}

/** A field that must be there. */
type RequiredShape<T> = Shape<T> & { readonly optional?: never };

/** One shape per field of T, optional ones for optional fields: a new field of T is an error here until it gets a shape. */
export type Fields<T> = {
  readonly [K in keyof T]-?: undefined extends T[K] ? OptionalShape<Required<T>[K]> : RequiredShape<T[K]>;
};

/** A value described by one predicate. */
export function leaf<T>(what: string, ok: (value: unknown) => boolean): Shape<T> {
  return {
    what,
    ok,
    explain(value, path, code, found) {
      if (!ok(value)) found.add(path, code, `${given(value)} is not ${what}`);
    },
  };
}

/** Text, narrowed by a rule that says why a text is not allowed (after the text given), and what to do about it. */
export function text<T extends string = string>(
  what = 'a string',
  why?: (value: string) => string | undefined,
  hint?: string,
): Shape<T> {
  return {
    what,
    ok: value => typeof value === 'string' && (why === undefined || why(value) === undefined),
    explain(value, path, code, found) {
      if (typeof value !== 'string') found.add(path, code, `${given(value)} is not ${what}`, hint);
      else {
        const reason = why?.(value);
        if (reason !== undefined) found.add(path, code, `${given(value)} ${reason}`, hint);
      }
    },
  };
}

/** Text that may be a secret: messages never show it. */
export function secretText(why?: (value: string) => string | undefined, hint?: string): Shape<string> {
  const what = 'a string';
  return {
    what,
    ok: value => typeof value === 'string' && (why === undefined || why(value) === undefined),
    explain(value, path, code, found) {
      if (typeof value !== 'string') found.add(path, code, `the value (${kindOf(value)}) is not ${what}`, hint);
      else {
        const reason = why?.(value);
        if (reason !== undefined) found.add(path, code, `the value ${reason}`, hint);
      }
    },
  };
}

/** A finite number from `min` to `max`, both included. */
export function number(what: string, min = -Number.MAX_VALUE, max = Number.MAX_VALUE): Shape<number> {
  return leaf(what, value => typeof value === 'number' && value >= min && value <= max);
}

/** A whole number from `min` to `max`, both included. */
export function whole(what: string, min: number, max: number = Number.MAX_SAFE_INTEGER): Shape<number> {
  return leaf(what, value => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max);
}

export const boolean: Shape<boolean> = leaf('true or false', value => typeof value === 'boolean');

/** One of `words`. `kind` names them: `a task state`. */
export function oneOf<const T extends string>(words: readonly T[], kind: string): Shape<T> {
  const allowed: ReadonlySet<unknown> = new Set(words);
  return {
    what: kind,
    ok: value => allowed.has(value),
    explain(value, path, code, found) {
      if (allowed.has(value)) return;
      const hint = typeof value === 'string' ? found.hint(value, words) : undefined;
      found.add(path, code, `${given(value)} is not ${kind}; allowed: ${words.join(', ')}`, hint);
    },
  };
}

/** A list of values of one shape. */
export function list<T>(item: Shape<T>, what: string, least = 0): Shape<readonly T[]> {
  return {
    what,
    ok(value) {
      if (!Array.isArray(value) || value.length < least) return false;
      for (let i = 0; i < value.length; i += 1) if (!item.ok(value[i])) return false;
      return true;
    },
    explain(value, path, code, found) {
      if (!Array.isArray(value)) found.add(path, code, `${given(value)} is not ${what}`);
      else if (value.length < least) found.add(path, code, `an empty list is not allowed; it must be ${what}`);
      else {
        for (let i = 0; i < value.length; i += 1) {
          if (found.full) return;
          if (!item.ok(value[i])) item.explain(value[i], `${path}[${i}]`, code, found);
        }
      }
    },
  };
}

/** An object used as a map. Names that would reach inherited properties are refused. */
export function record<T>(
  item: Shape<T>,
  what: string,
  whyKey?: (key: string) => string | undefined,
): Shape<{ readonly [key: string]: T }> {
  return {
    what,
    ok(value) {
      if (!isPlain(value)) return false;
      for (const key in value) {
        if (keyProblem(key) !== undefined || whyKey?.(key) !== undefined || !item.ok(value[key])) return false;
      }
      return true;
    },
    explain(value, path, code, found) {
      if (!isPlain(value)) {
        found.add(path, code, `${given(value)} is not ${what}`);
        return;
      }
      for (const key of Object.keys(value)) {
        if (found.full) return;
        const at = fieldPath(path, key);
        const why = keyProblem(key) ?? whyKey?.(key);
        if (why !== undefined) found.add(at, code, `the name ${given(key)} ${why}`);
        else if (!item.ok(value[key])) item.explain(value[key], at, code, found);
      }
    },
  };
}

/** An object with exactly these fields; others are refused. */
export function object<T extends object>(what: string, fields: Fields<T>): Shape<T> {
  const names = Object.keys(fields);
  const shapes = names.map(name => fields[name as keyof T] as Shape<unknown> & { readonly optional?: true });
  const known = new Map(names.map((name, i) => [name, shapes[i] as (typeof shapes)[number]]));
  const required = shapes.filter(shape => shape.optional === undefined).length;
  return {
    what,
    fields: known,
    ok(value) {
      if (!isPlain(value)) return false;
      let missing = required;
      for (const key in value) {
        const shape = known.get(key);
        if (shape === undefined) return false;
        const field = value[key];
        if (field === undefined) continue;
        if (!shape.ok(field)) return false;
        if (shape.optional === undefined) missing -= 1;
      }
      return missing === 0;
    },
    explain(value, path, code, found) {
      if (!isPlain(value)) {
        found.add(path, code, `${given(value)} is not ${what}`);
        return;
      }
      for (const [i, name] of names.entries()) {
        const field = value[name];
        const shape = shapes[i] as (typeof shapes)[number];
        const at = fieldPath(path, name);
        if (field === undefined) {
          if (shape.optional === undefined) found.add(at, code, `is missing; it must be ${shape.what}`);
        } else if (!shape.ok(field)) shape.explain(field, at, code, found);
      }
      for (const key of Object.keys(value)) {
        if (found.full) return;
        if (!known.has(key)) unknownField(key, fieldPath(path, key), names, code, found);
      }
    },
  };
}

/** One of several objects, told apart by `type`. `kind` names them: `an operation`. */
export function union<T extends { readonly type: string }>(kind: string, variants: Variants<T>): Shape<T> {
  const byType = new Map<string, Shape<unknown>>();
  for (const [type, fields] of Object.entries<object>(variants)) {
    byType.set(type, object<object>(kind, { type: oneOf([type], kind), ...fields }));
  }
  const types = oneOf([...byType.keys()], `the type of ${kind}`);
  const variantOf = (value: unknown): Shape<unknown> | undefined =>
    isPlain(value) && typeof value['type'] === 'string' ? byType.get(value['type']) : undefined;
  return {
    what: kind,
    variantOf,
    ok: value => variantOf(value)?.ok(value) ?? false,
    explain(value, path, code, found) {
      const variant = variantOf(value);
      if (variant !== undefined) variant.explain(value, path, code, found);
      else if (!isPlain(value)) found.add(path, code, `${given(value)} is not ${kind}`);
      else if (value['type'] === undefined) {
        found.add(fieldPath(path, 'type'), code, `is missing; it must be one of ${[...byType.keys()].join(', ')}`);
      } else types.explain(value['type'], fieldPath(path, 'type'), code, found);
    },
  };
}

/** The fields of each variant but `type`. */
export type Variants<T extends { readonly type: string }> = {
  readonly [K in T['type']]: Fields<Omit<Extract<T, { readonly type: K }>, 'type'>>;
};

export function optional<T>(shape: Shape<T>): OptionalShape<T> {
  return { ...shape, optional: true };
}

/**
 * A rule over a whole value whose shape is right. It runs for every message: it must be cheap when there is nothing to say. With `over` it is
 * also asked about values that are wrong elsewhere: those where the fields it names are right.
 */
export interface Rule<T> {
  (value: T, path: string, say: Say): void;
  readonly over?: readonly string[];
  /** The code of what it says; default: that of the value. */
  readonly code?: ErrorCode | undefined;
}

/** `rule`, which looks at these fields only (of a list: at its items only, and minds itself which of them are right). */
export function across<T>(over: readonly string[], rule: Rule<T>, code?: ErrorCode): Rule<T> {
  return Object.assign((value: T, path: string, say: Say) => rule(value, path, say), { over, code });
}

// While `ok` is asked only the fact counts that a rule had something to say.
let counted = 0;
const count: Say = () => {
  counted += 1;
};

/** `shape` with further rules. */
export function refine<T>(shape: Shape<T>, ...rules: readonly Rule<T>[]): Shape<T> {
  return {
    ...shape,
    ok(value) {
      if (!shape.ok(value)) return false;
      const before = counted;
      for (const rule of rules) rule(value as T, '', count);
      return counted === before;
    },
    explain(value, path, code, found) {
      const right = shape.ok(value);
      if (!right) shape.explain(value, path, code, found);
      for (const rule of rules) {
        if (!right && !mayAsk(rule, shape, value)) continue;
        rule(value as T, path, (at, message, hint) => found.add(at, rule.code ?? code, message, hint));
      }
    },
  };
}

function mayAsk(rule: Rule<never>, shape: Shape<unknown>, value: unknown): boolean {
  const { over } = rule;
  if (over === undefined) return false;
  const { fields } = shape.variantOf?.(value) ?? shape;
  // What has no fields is a list.
  if (fields === undefined ? !Array.isArray(value) : !isPlain(value)) return false;
  return over.every(name => {
    const field = (value as { readonly [name: string]: unknown })[name];
    const due = fields?.get(name);
    return field === undefined ? due?.optional === true : due?.ok(field) === true;
  });
}

/** `shape`, whose problems have the code `own`. */
export function under<T>(own: ErrorCode, shape: Shape<T>): Shape<T> {
  return { ...shape, explain: (value, path, _code, found) => shape.explain(value, path, own, found) };
}

function keyProblem(key: string): string | undefined {
  return key === '__proto__' || key === 'constructor' || key === 'prototype'
    ? 'is taken by the language; choose another'
    : undefined;
}

function unknownField(key: string, at: string, names: readonly string[], code: ErrorCode, found: Findings): void {
  const allowed = names.length === 0 ? 'no fields are allowed here' : `allowed: ${names.join(', ')}`;
  found.add(at, code, `${given(key)} is not a field here; ${allowed}`, found.hint(key, names));
}
