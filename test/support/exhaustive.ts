// Tries every small case: the body asks for choices, and is run once for each sequence of answers. The idea is TigerBeetle's exhaustigen.
import { assert } from '../../src/base/assert.js';
import { messageOf } from '../../src/base/errors.js';

/** Answers one run's questions. What is asked may depend on earlier answers, so long as the same answers lead to the same questions. */
export interface Choose {
  /** A whole number from 0 to `max`, both included. */
  int(max: number): number;
  /** One of `items`, which must not be empty. */
  pick<T>(items: readonly T[]): T;
  /** Some of `items`, in their order. */
  some<T>(items: readonly T[]): T[];
  /** Up to `max` things, each made by `make`. */
  list<T>(max: number, make: () => T): T[];
}

/**
 * Runs `body` for every sequence of choices, and gives the number of cases.
 * @throws what `body` throws, with the choices that led there put before the message.
 */
export function everyCase(body: (choose: Choose) => void): number {
  // One digit per question; like an odometer, but each digit has its own bound, found out by asking.
  const digits: { value: number; readonly max: number }[] = [];
  for (let cases = 1; ; cases += 1) {
    let asked = 0;
    const int = (max: number): number => {
      assert(Number.isSafeInteger(max) && max >= 0, 'a choice needs a bound');
      const digit = digits[asked];
      asked += 1;
      if (digit === undefined) {
        digits.push({ value: 0, max });
        return 0;
      }
      assert(digit.max === max, 'the same answers led to another question');
      return digit.value;
    };
    try {
      body(chooser(int));
    } catch (error) {
      const path = digits.map(digit => digit.value).join(',');
      throw new Error(`case ${cases}, choices ${path}: ${messageOf(error)}`, { cause: error });
    }
    let last = digits.at(-1);
    while (last !== undefined && last.value === last.max) {
      digits.pop();
      last = digits.at(-1);
    }
    if (last === undefined) return cases;
    last.value += 1;
  }
}

function chooser(int: (max: number) => number): Choose {
  return {
    int,
    pick: items => items[int(items.length - 1)] as (typeof items)[number],
    some: items => items.filter(() => int(1) === 1),
    list: (max, make) => Array.from({ length: int(max) }, make),
  };
}
