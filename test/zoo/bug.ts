// What a bug of the zoo is: one mistake that a person could make, written as a change to one file of the product. In: nothing. Out: the words of it.

/** Kinds of trouble that cluster managers are known for. */
export const bugClasses = [
  'double launch',
  'lost work',
  'ghost',
  'stuck',
  'healthy work killed',
  'wrong state',
  'accounting',
  'unfair',
  'durability',
] as const;
export type BugClass = (typeof bugClasses)[number];

/** One bug. `find` must be in the compiled file exactly once; white space in it stands for any. */
export interface Bug {
  /** Unique; what `--bug` takes. */
  readonly name: string;
  readonly class: BugClass;
  /** What must hold and does not any more, e.g. `R4`. */
  readonly breaks: string;
  /** Where this was seen in the field, e.g. `marathon#616`. */
  readonly evidence?: string;
  /** The source, e.g. `src/master/apply.ts`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** It takes more seeds than the quick round gives it. */
  readonly rare?: true;
}
