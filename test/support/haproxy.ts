// Finds HAProxy for tests. In: PATH, PROFFER_REQUIRE_HAPROXY. Out: a `test` function that runs, skips, or fails. A missing HAProxy is said in one line.
import { spawnSync } from 'node:child_process';
import type { ImplementationFn, TestFn } from 'ava';

/** Declares one test with a real HAProxy; they run one after the other within a file. */
export type HaproxyTest<Context> = (title: string, run: ImplementationFn<[], Context>) => void;

/**
 * `test` itself where HAProxy is installed. Elsewhere a `test` that skips every test given to it and prints why; or, with `PROFFER_REQUIRE_HAPROXY=1`, one that fails
 * each of them with that reason.
 */
export function testWithHaproxy<Context>(test: TestFn<Context>): HaproxyTest<Context> {
  const { status, error } = spawnSync('haproxy', ['-v'], { stdio: 'ignore', timeout: 10_000 });
  if (status === 0) return (title, run) => test.serial(title, run);
  const line = `no HAProxy: ${error?.message ?? `haproxy -v ends with ${status}`} (on Debian: apt-get install haproxy)`;
  if (process.env['PROFFER_REQUIRE_HAPROXY'] === '1')
    return title => test(title, t => t.fail(`${line}; PROFFER_REQUIRE_HAPROXY=1 makes that a failure`));
  process.stderr.write(`HAProxy tests are skipped: ${line}\n`);
  return (title, run) => test.skip(title, run);
}
