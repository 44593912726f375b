// Whatever happens, everything comes to what was asked for last: nobody is doubled, forgotten, or left behind.
import fc from 'fast-check';
import test from 'ava';
import { holds } from '../../../support/property.js';
import { stories, tell } from './story.js';

test('whatever happens, all comes to what was asked for', t => {
  holds(t, fc.property(stories, tell), { numRuns: 40 });
});
