// What a record must look like, said once and held against its type by the compiler. In: a value out of the store. Out: what is wrong with it. Pure.
import * as v from 'valibot';

/** A schema of values of type T. Its output is not used: a value that passes is kept as it is. */
export type Schema<T> = v.GenericSchema<unknown, T>;

/** One schema for each member of T, optional ones for optional members: a new member of T does not compile until it has one. */
type Members<T> = {
  // oxlint-disable-next-line typescript/ban-types
  readonly [K in keyof T]-?: {} extends Pick<T, K>
    ? v.ExactOptionalSchema<Schema<Exclude<T[K], undefined>>, undefined>
    : Schema<T[K]>;
};

/** An object with these members and no others: what a later release has added must not get lost. */
export function shape<T extends object>(members: Members<T>): Schema<T> & { readonly members: Members<T> } {
  // The compiler cannot follow the mapping of T; `Members` has checked it.
  const schema = v.strictObject(members as unknown as v.ObjectEntries) as unknown as Schema<T>;
  return Object.assign(schema, { members });
}

/** A member that may be absent. */
export function maybe<T>(schema: Schema<T>): v.ExactOptionalSchema<Schema<T>, undefined> {
  return v.exactOptional(schema);
}

/** A union told apart by one member. */
export function cases<T extends object>(key: string, schemas: { readonly [name: string]: Schema<T> }): Schema<T> {
  const unknown = v.picklist(Object.keys(schemas));
  return v.lazy((input): Schema<T> => {
    const name: unknown =
      typeof input === 'object' && input !== null ? (input as { readonly [key: string]: unknown })[key] : input;
    const found = typeof name === 'string' && Object.hasOwn(schemas, name) ? schemas[name] : undefined;
    return found ?? (v.looseObject({ [key]: unknown }) as unknown as Schema<T>);
  });
}

export const text: Schema<string> = v.string();
export const flag: Schema<boolean> = v.boolean();
export const number: Schema<number> = v.pipe(v.number(), v.finite());
/** A count, or a moment in wall milliseconds. */
export const whole: Schema<number> = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const texts: Schema<readonly string[]> = v.array(v.string());
export const textMap: Schema<{ readonly [name: string]: string }> = v.record(v.string(), v.string());

export function list<T>(item: Schema<T>): Schema<readonly T[]> {
  return v.array(item);
}

export function word<const T extends string>(words: readonly T[]): Schema<T> {
  return v.picklist(words);
}

/** What is wrong with `value`, which is called `at`, where first; undefined when nothing is. */
export function problemOf(schema: Schema<unknown>, value: unknown, at: string): string | undefined {
  const { issues } = v.safeParse(schema, value, { abortEarly: true });
  const issue = issues?.[0];
  if (issue === undefined) return undefined;
  const path = v.getDotPath(issue);
  return `${path === null ? at : `${at}.${path}`}: ${issue.message}`;
}
