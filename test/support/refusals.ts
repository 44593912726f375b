// What a refusal should say, and how an answer differs from that; with messages that are right to start from. For tests of validation.
import type { ErrorCode, Problem } from '../../src/base/errors.js';
import type { Checked } from '../../src/protocol/validate.js';

export type Fields = Readonly<Record<string, unknown>>;

/** Path, code, and what message or hint must hold. */
export type Expected = readonly [path: string, code: ErrorCode, says: RegExp];

/** A story, a message that is right but for one thing, and what should be said about it. */
export type Row<T> = readonly [story: string, message: T, ...expected: Expected[]];

export const task: Fields = {
  taskId: 't1',
  name: 'web',
  resources: { cpus: 1, mem: 64, ports: [[31000, 31005]] },
  command: { value: 'sleep 1' },
};
export const framework: Fields = { name: 'shop', roles: ['web', 'batch'] };

/** An ACCEPT that launches these. */
export const launch = (...tasks: readonly unknown[]): Fields => ({
  type: 'ACCEPT',
  offerIds: ['m-O1'],
  operations: [{ type: 'LAUNCH', tasks }],
});

/** What is unexpected about an answer that should be a refusal. */
export function refusals(checked: Checked<unknown>, expected: readonly Expected[]): string[] {
  return checked.ok ? ['it was accepted'] : differences(checked.problems, expected);
}

/** Problems, in their order, against what was expected of them. */
export function differences(problems: readonly Problem[], expected: readonly Expected[]): string[] {
  const wrong: string[] = [];
  for (const [i, [path, code, says]] of expected.entries()) {
    const found = problems[i];
    const text = `${found?.message} ${found?.hint}`;
    if (found?.path !== path || found.code !== code || !says.test(text)) {
      wrong.push(`expected ${path} ${code} ${says.source}, got ${found?.path} ${found?.code} ${text}`);
    }
  }
  for (const more of problems.slice(expected.length)) wrong.push(`unexpected: ${more.path} ${more.message}`);
  return wrong;
}
