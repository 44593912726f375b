// The boundary form of resources: what people write and messages carry. `toBag` checks it and makes it countable.

/** `[begin, end]`, both included. */
export type Range = readonly [begin: number, end: number];

/**
 * Resources as people and messages write them: `{ cpus: 0.5, mem: 64, ports: [[31000, 31001]] }`. A number is a scalar (at most three
 * decimals; mem and disk in MiB), pairs are ranges, strings are a set. A key is a name, perhaps with a label:
 *
 * - `cpus(ads)` statically reserved to role ads; `cpus(ads,dynamic,@ops,team=blue)` dynamically, by principal ops, with a label;
 *   `cpus(ads)(ads/video,dynamic)` refined;
 * - `disk(ads,dynamic)[db-0:/data]` the persistent volume db-0, found at /data; `[db-0:/data:ro]` read-only; `[db-0:/data]<shared>` for several at once;
 * - `disk<mount=/mnt/a>` a disk of its own, taken whole; `disk<path=/mnt/b>` one that can be divided; reservations and volumes may follow;
 * - `cpus{revocable}` what may be taken away any time.
 *
 * Inside labels `%`, `,`, `=`, brackets, `;`, `:`, `@`, white space and control characters are percent-encoded.
 */
export interface Resources {
  readonly [key: string]: number | readonly Range[] | readonly string[];
}
