// The boundary form of resources: what people write and messages carry. `toBag` checks it and makes it countable.

/** `[begin, end]`, both included. */
export type Range = readonly [begin: number, end: number];

/**
 * Resources as people and messages write them: `{ cpus: 0.5, mem: 64, ports: [[31000, 31001]] }`. A number is a scalar (at most three
 * decimals; mem and disk in MiB), pairs are ranges, strings are a set. A key is a name, or `name(role)` for what is reserved to a role.
 */
export interface Resources {
  readonly [key: string]: number | readonly Range[] | readonly string[];
}
