// Tests that need root (cgroups, other users). Out: a `test` function that runs, or skips and says so in one line for each file.
import test from 'ava';

export const isRoot = process.getuid?.() === 0;

if (!isRoot) process.stderr.write('Tests that need root are skipped: this user is not root\n');

/** `test` itself for root; elsewhere every test given to it is skipped. */
export const asRoot = isRoot ? test : test.skip;
