// Did you mean …?: what people mistype, and what they did not mean.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { didYouMean, editDistance, suggest } from '../../src/base/suggest.js';
import { holds } from '../support/property.js';

const fields = ['refuseMs', 'failoverTimeoutMs', 'healthCheck', 'killPolicy', 'roles', 'resources'];

test('slips of the finger, other conventions and other units are understood', t => {
  const meant = {
    healthcheck: 'healthCheck',
    health_check: 'healthCheck',
    'kill-policy': 'killPolicy',
    refuse_seconds: 'refuseMs',
    failover_timeout: 'failoverTimeoutMs',
    role: 'roles',
    rolse: 'roles',
    resorces: 'resources',
  };
  for (const [given, word] of Object.entries(meant)) t.is(suggest(given, fields), word, given);
  t.is(didYouMean('RUNNING', ['TASK_KILLING', 'TASK_RUNNING']), 'did you mean TASK_RUNNING?');
});

test('what is like nothing gets no suggestion', t => {
  for (const given of ['', 'x', 'constraints', 'r'.repeat(1000)]) t.is(suggest(given, fields), undefined, given);
  t.is(suggest('roles', []), undefined);
});

test('edit distance counts letters added, dropped, changed and swapped', t => {
  const known = [
    ['', '', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['rolse', 'roles', 1],
    ['ca', 'abc', 3],
  ] as const;
  for (const [a, b, distance] of known) t.is(editDistance(a, b), distance, `${a} ${b}`);
});

test('edit distance is symmetric, 0 for equals only, and at most the longer length', t => {
  const word = fc.string({ maxLength: 8 });
  holds(
    t,
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b);
      assert.equal(distance, editDistance(b, a));
      assert.equal(distance === 0, a === b);
      assert.ok(distance >= Math.abs(a.length - b.length) && distance <= Math.max(a.length, b.length));
    }),
  );
});
