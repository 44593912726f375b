// What is wrong with policies, their texts and axes of one's own; what cannot be combined; what is said of a policy.
import test from 'ava';
import type { PolicySpec } from '../../../src/allocator/policies/index.js';
import { definePolicy } from '../../../src/allocator/policies/index.js';
import { ProfferError } from '../../../src/base/errors.js';
import { Cluster } from '../support.js';
import { PolicyCluster } from './support.js';

test('bad policies: everything that is wrong at once, each with its path and what is allowed', t => {
  const error = t.throws(
    () =>
      definePolicy({
        frameworkOrder: 'dfr',
        agentOrder: 'bestfit',
        granularity: 'slice:0',
        commit: 'optimistic:fits,copies=0',
        tieBreak: 'age' as 'count',
        ...({ pace: 1 } as object),
      }),
    { instanceOf: ProfferError },
  );
  t.is(error?.code, 'USAGE');
  t.deepEqual(
    error?.problems.map(({ path }) => path),
    [
      'policy.pace',
      'policy.tieBreak',
      'policy.frameworkOrder',
      'policy.agentOrder',
      'policy.granularity',
      'policy.commit',
      'policy.commit',
    ],
  );
  t.regex(error?.problems[2]?.message ?? '', /no order of frameworks is called "dfr"/);
  t.regex(error?.problems[2]?.hint ?? '', /did you mean drf\?.*hdrf.*ps-dsf/);
  t.regex(error?.problems[3]?.hint ?? '', /did you mean best-fit\?/);
  for (const [frameworkOrder, message] of [
    ['prio', /needs classes/],
    ['prio:ads', /"ads" is not ROLE=NUMBER/],
    ['prio:ads=1,ads=2', /twice/],
    ['prio:ads=1.5', /whole number/],
    ['prio:ads=x', /"ads=x": a class is a whole number/],
    ['prio:/x=1', /role/],
    ['prio:ads=1:nope', /no order of frameworks is called "nope"/],
    ['prio:ads=1:ps-dsf', /prio cannot contain ps-dsf/],
    ['prio:ads=2:prio:web=1', /prio cannot contain another prio/],
    ['prio:ads=2:lottery:web=0', /above 0/],
    ['least-alloc:cpus(a)', /"cpus\(a\)" is not the name of a resource/],
    ['least-alloc:cpus{revocable}', /not the name of a resource/],
    ['lottery:a=0', /"a=0": the tickets of a role are a number above 0/],
    ['demand:2', /from 0 to 1/],
    ['least-alloc:a b', /not the name of a resource/],
    ['drf:1', /drf has no parameters/],
    ['fifo:now', /not a parameter of fifo/],
  ] as const) {
    t.regex(
      t.throws(() => definePolicy({ frameworkOrder }), { instanceOf: ProfferError })?.message ?? '',
      message,
      frameworkOrder,
    );
  }
});

test('what is said twice is one error; a colon after a number begins the order within classes', t => {
  const error = t.throws(() => definePolicy({ commit: 'optimistic:fit,sequence,copies=3,copies=2' }), {
    instanceOf: ProfferError,
  });
  t.is(error?.problems.length, 1);
  t.regex(error?.message ?? '', /more than once the test \(fit and sequence\), copies \(3 and 2\)/);
  for (const [frameworkOrder, name] of [
    ['prio:ads=2:lottery:web=9', 'prio:ads=2:lottery:web=9: highest class first; within a class: each grant drawn'],
    ['prio:team:ads=2,web=1:fifo', 'prio:team:ads=2,web=1:fifo: highest class first; within a class: by arrival'],
  ] as const) {
    const { description } = definePolicy({ frameworkOrder });
    t.true(String(description['frameworkOrder']).startsWith(name), String(description['frameworkOrder']));
  }
});

test('axes of one’s own are checked, too, and are not taken for the ones whose names they have', t => {
  const bad = {
    frameworkOrder: { name: 'x', start: 3 },
    agentOrder: { name: 'y', rule: 'r', kind: 'rank' },
    granularity: { kind: 'fraction', fraction: -1 },
    commit: { kind: 'optimistic', test: 'fit', transaction: 'some', copies: 0.5 },
  } as unknown as PolicySpec;
  const error = t.throws(() => definePolicy(bad), { instanceOf: ProfferError });
  t.deepEqual(
    error?.problems.map(({ path }) => path.slice('policy.'.length)),
    [
      'frameworkOrder.rule',
      'frameworkOrder.start',
      'agentOrder.score',
      'granularity.fraction',
      'commit.transaction',
      'commit.copies',
    ],
  );
  t.regex(error?.problems[1]?.message ?? '', /start must be a function, got 3/);
  t.throws(() => definePolicy({ agentOrder: 7 as unknown as string }), {
    message: /7 is neither a text nor an object/,
  });
  const c = new PolicyCluster({
    frameworkOrder: {
      name: 'drf',
      rule: 'the last name first',
      // Where there is no number, one comes last.
      start: () => ({ score: ({ path }) => (path === 'B' ? Number.NaN : -path.charCodeAt(0)) }),
    },
  });
  for (const id of ['A', 'B', 'C']) c.framework(id, ['r']);
  for (let i = 1; i <= 2; i += 1) c.agent(`s${i}`, 'cpus:1');
  c.allocator.suppress('C');
  t.is(c.order(), 'A A');
  c.allocator.revive('C');
  c.decline();
  t.is(c.order(), 'C C');
});

test('what factories of one’s own make is looked at when the policy is defined', t => {
  const order = (start: unknown): PolicySpec => ({ frameworkOrder: { name: 'x', rule: 'r', start } }) as PolicySpec;
  const visits = (start: unknown): PolicySpec =>
    ({ agentOrder: { name: 'y', rule: 'r', kind: 'visit', start } }) as PolicySpec;
  for (const [spec, message] of [
    [order(() => 3), /frameworkOrder\.start must give an object with score, got 3/],
    [order(() => ({ points: () => 0 })), /frameworkOrder\.start\(\)\.score must be a function, got undefined/],
    [order(async () => ({ score: () => 0 })), /start\(\)\.score must be a function/],
    [order(() => ({ score: () => 0, first: 'me' })), /start\(\)\.first must be a function, got "me"/],
    [
      order(() => {
        throw new Error('no licence file');
      }),
      /frameworkOrder\.start failed: no licence file/,
    ],
    [visits(() => ({})), /agentOrder\.start\(\)\.arrange must be a function/],
    [visits(() => undefined), /agentOrder\.start must give an object with arrange, got undefined/],
  ] as const) {
    const error = t.throws(() => definePolicy(spec), { instanceOf: ProfferError });
    t.is(error?.problems.length, 1);
    t.regex(error?.message ?? '', message);
  }
});

test('an order of one’s own that fails ends the run with an error that names it', t => {
  const scores: (() => unknown)[] = [
    () => {
      throw new TypeError('cpus is not defined');
    },
    () => 'much',
  ];
  for (const [i, message] of [
    /failed in score: cpus is not defined/,
    /score gave "much", which is not a number/,
  ].entries()) {
    const score = scores[i] as () => number;
    for (const spec of [
      { frameworkOrder: { name: 'mine', rule: 'r', start: () => ({ score }) } },
      { agentOrder: { name: 'mine', rule: 'r', kind: 'rank', score } },
    ] as const) {
      const c = new PolicyCluster(spec);
      const error = t.throws(
        () => {
          c.wants('A', 'a', 'cpus:1');
          c.agent('s1', 'cpus:1');
          c.granted();
        },
        { instanceOf: ProfferError },
      );
      t.is(error?.code, 'USAGE');
      t.regex(error?.message ?? '', /the order of (frameworks|agents) "mine" failed/);
      t.regex(error?.message ?? '', message);
    }
  }
});

test('axes that make no sense together are refused with a way out', t => {
  for (const [spec, message, hint] of [
    [{ agentOrder: 'joint' }, /drf does not depend on the agent/, /ps-dsf or rps-dsf/],
    [
      { frameworkOrder: 'ps-dsf', agentOrder: 'best-fit' },
      /best-fit takes the framework before the agent/,
      /take joint/,
    ],
    [{ frameworkOrder: 'rps-dsf', granularity: 'all' }, /compares frameworks on an agent/, /take agent or a slice/],
  ] as const) {
    const error = t.throws(() => definePolicy(spec), { instanceOf: ProfferError });
    t.regex(error?.message ?? '', message);
    t.regex(error?.hint ?? '', hint);
  }
});

test('a policy says what it is, with its tie-break; names and parameters as they can be given again', t => {
  const { policy } = new PolicyCluster({
    frameworkOrder: 'prio:ads=2,web=1:fifo',
    agentOrder: 'best-fit',
    granularity: 'slice:2tasks',
    commit: 'optimistic:sequence,all-or-nothing,copies=3',
  }).allocator;
  t.like(policy, {
    frameworkOrder: 'prio:ads=2,web=1:fifo: highest class first; within a class: by arrival',
    tieBreak: 'path',
    granularity: 'slice:2tasks',
    commit: 'optimistic:sequence,all-or-nothing,copies=3',
    conflict: { test: 'sequence', transaction: 'all-or-nothing' },
  });
  t.regex(String(policy['agentOrder']), /^best-fit: least sum/);
  t.like(new Cluster({ policy: definePolicy() }).allocator.policy, {
    tieBreak: 'fewer allocations made, then path',
    commit: 'pessimistic',
  });
});
