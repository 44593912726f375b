// Stories of what would help: several changes at once, guarantees of others, an agent that does not exist, and when waiting is enough.
import test from 'ava';
import type { Explanation } from '../../src/allocator/index.js';
import type { AttributeConstraint } from '../../src/protocol/entities.js';
import { Around, wish } from './explain-around.js';
import { bag, Cluster } from './support.js';

test('an announced absence: in the way of those who launch nothing then, and until when', t => {
  const c = new Cluster();
  const around = new Around();
  c.allocator.pause();
  c.agent('a', 'cpus:4;mem:1024');
  c.framework('fw');
  around.absences.set('a', { startMs: 60_000, endMs: 90_000 });
  const query = { frameworkId: 'fw', wish: wish('cpus:1') };
  const ask = (absenceWithinMs: number): Explanation => c.allocator.explain({ ...query, absenceWithinMs }, around);
  t.is(ask(0).fits, 1, 'not yet');
  t.like(ask(60_000).reasons, [{ kind: 'ABSENCE', agents: 1, changesByItself: true }]);
  c.after(60_000);
  t.like(ask(0), { fits: 0, changes: [{ change: 'WAIT', ms: 30_000, for: 'ABSENCE' }] });
  t.is(c.allocator.explain(query, around).fits, 1, 'it is offered, and others may launch there');
  c.after(30_000);
  t.is(ask(60_000).fits, 1, 'it is over');
});

test('guarantees of several: one where that is enough, else of each the least; never below what is promised beneath', t => {
  const c = new Cluster();
  c.framework('fw', ['web']);
  c.allocator.pause();
  c.agent('a', 'cpus:10;mem:1024');
  c.quota('ads', '', 'cpus:4');
  c.quota('db', '', 'cpus:5');
  c.quota('db/hot', '', 'cpus:3');
  const lowers = (cpus: number): unknown => {
    const { changes } = c.allocator.explain({ frameworkId: 'fw', wish: wish(`cpus:${cpus}`) }, new Around());
    return changes.flatMap(change => (change.change === 'LOWER_GUARANTEES' ? change.lowers : []));
  };
  t.deepEqual(lowers(2.5), [{ role: 'ads', resource: 'cpus', from: 4, to: 2.5 }]);
  t.deepEqual(lowers(6.5), [
    { role: 'ads', resource: 'cpus', from: 4, to: 0.5 },
    { role: 'db', resource: 'cpus', from: 5, to: 3 },
  ]);
  c.quota('ads', '', 'cpus:0.5');
  c.quota('db', '', 'cpus:3');
  t.is(c.allocator.explain({ frameworkId: 'fw', wish: wish('cpus:6.5') }, new Around()).fits, 1);
});

test('two things in the way: both changes, and none of them alone', t => {
  const c = new Cluster();
  c.framework('fw', ['ads']);
  c.allocator.pause();
  for (const id of ['a', 'b']) c.agent(id, 'cpus:4;mem:1024', { attributes: { rack: 'x' } });
  c.agent('c', 'cpus:2;mem:1024', { attributes: { rack: 'x' } });
  c.quota('ads', 'mem:256', '');
  const rack: AttributeConstraint = { attribute: 'rack', predicate: 'TEXT_EQUALS', value: 'z' };
  const query = { frameworkId: 'fw', wish: wish('cpus:3;mem:512'), constraints: [[rack]] };
  const { changes } = c.allocator.explain(query, new Around());
  const drop = { change: 'DROP_CONSTRAINT', constraint: 'rack TEXT_EQUALS z', of: 'REQUEST' };
  t.deepEqual(changes, [
    {
      change: 'SEVERAL',
      changes: [{ change: 'LESS', resource: 'mem', from: 512, to: 256 }, drop],
      agents: 2,
      examples: ['a', 'b'],
    },
    {
      change: 'SEVERAL',
      changes: [drop, { change: 'RAISE_QUOTA', raises: [{ role: 'ads', resource: 'mem', from: 256, to: 512 }] }],
      agents: 2,
      examples: ['a', 'b'],
    },
  ] as never);
});

test('of many things in the way only the smallest set is told: what one agent needs besides is needless for another', t => {
  const c = new Cluster();
  const around = new Around();
  c.allocator.pause();
  for (const id of ['a', 'b']) c.agent(id, 'cpus:2;mem:64', { attributes: { rack: 'x' } });
  c.framework('fw', ['ads'], { suppressedRoles: ['ads'] });
  c.allocator.deactivateFramework('fw');
  c.allocator.deactivateAgent('b');
  around.activities.set('b', 'DEACTIVATED');
  const rack: AttributeConstraint = { attribute: 'rack', predicate: 'TEXT_EQUALS', value: 'z' };
  const query = { frameworkId: 'fw', wish: { ...wish('cpus:1;mem:128'), ports: 2 }, constraints: [[rack]] };
  t.deepEqual(c.allocator.explain(query, around).changes, [
    {
      change: 'SEVERAL',
      changes: [
        { change: 'RECONNECT' },
        { change: 'REVIVE', role: 'ads' },
        { change: 'LESS', resource: 'mem', from: 128, to: 64 },
        { change: 'LESS', resource: 'ports', from: 2, to: 0 },
        { change: 'DROP_CONSTRAINT', constraint: 'rack TEXT_EQUALS z', of: 'REQUEST' },
      ],
      agents: 1,
      examples: ['a'],
    },
  ]);
});

test('a set found for one agent is told without what another agent does not need', t => {
  const c = new Cluster();
  c.allocator.pause();
  c.agent('a', 'cpus:2;mem:64', { attributes: { rack: 'x' } });
  c.agent('b', 'cpus:2;mem:64', { attributes: { rack: 'y' } });
  c.framework('fw', ['ads'], { minAllocatable: { ads: [bag('cpus:0.01')] } });
  c.allocator.setQuota('ads', { limits: new Map([['cpus', 0]]), guarantees: new Map() });
  c.quota('web', '', 'cpus:2');
  c.allocator.book({ frameworkId: 'old', role: 'ads', agentId: 'b', resources: bag('cpus:2') });
  const rack: AttributeConstraint = { attribute: 'rack', predicate: 'TEXT_NOT_EQUALS', value: 'y' };
  const query = { frameworkId: 'fw', wish: wish('cpus:2.5;mem:32'), constraints: [[rack]] };
  const { changes } = c.allocator.explain(query, new Around());
  t.deepEqual(changes, [
    {
      change: 'SEVERAL',
      changes: [{ change: 'LOWER_MINIMUM' }, { change: 'LESS', resource: 'cpus', from: 2.5, to: 0 }],
      agents: 1,
      examples: ['a'],
    },
  ]);
});

test('a new agent has to be such that the constraints hold, if there can be one', t => {
  const c = new Cluster();
  const around = new Around();
  around.constraints = [[{ attribute: 'zone', predicate: 'EXISTS' }]];
  c.agent('a', 'cpus:4;mem:1024', { attributes: { zone: 'z1' } });
  c.framework('fw', ['*'], { constraints: { '*': around.constraints } });
  const added = (...group: AttributeConstraint[]): unknown =>
    c.allocator
      .explain({ frameworkId: 'fw', wish: wish('cpus:10'), constraints: [group] }, around)
      .changes.flatMap(change => (change.change === 'ADD_AGENT' ? [[change.attributes, change.hostname]] : []));
  const zone = 'z1';
  const is = (attribute: string, value: string): AttributeConstraint => ({
    attribute,
    predicate: 'TEXT_EQUALS',
    value,
  });
  const isNot = (attribute: string, value: string): AttributeConstraint => ({
    ...is(attribute, value),
    predicate: 'TEXT_NOT_EQUALS',
  });
  t.deepEqual(added(is('rack', 'a')), [[{ zone, rack: 'a' }, undefined]]);
  t.deepEqual(added(isNot('zone', 'z1')), [[{ zone: 'any' }, undefined]], 'any other will do');
  t.deepEqual(added({ attribute: 'rack', predicate: 'TEXT_MATCHES', value: 'b|c' }, isNot('rack', 'b')), [
    [{ zone, rack: 'c' }, undefined],
  ]);
  t.deepEqual(added(is('rack', 'a'), is('rack', 'b')), [], 'none has both');
  t.deepEqual(added({ attribute: 'zone', predicate: 'NOT_EXISTS' }), [], 'the framework’s own say otherwise');
  t.deepEqual(added(is('@hostname', 'new')), [[{ zone }, 'new']]);
  t.deepEqual(added(is('@hostname', 'a.example')), [], 'that one is there');
});

test('a filter that is over stays until the next run over all agents: told is how long that is', t => {
  const c = new Cluster();
  c.framework('fw');
  c.agent('a', 'cpus:4;mem:1024');
  c.now();
  c.after(300);
  c.decline(20);
  const query = { frameworkId: 'fw', wish: wish('cpus:1') };
  const { reasons, changes } = c.allocator.explain(query, new Around());
  const [filtered] = reasons;
  t.is(filtered?.kind, 'FILTERED');
  const ms = filtered?.kind === 'FILTERED' ? filtered.lastEndsInMs : 0;
  t.like(changes, [{ change: 'WAIT', ms, for: 'FILTER' }, { change: 'REVIVE' }]);
  c.after(100);
  t.like(c.allocator.explain(query, new Around()).changes[0], { change: 'WAIT', ms: ms - 100 });
  c.after(ms - 101);
  t.is(c.allocator.explain(query, new Around()).fits, 0);
  c.after(1);
  t.is(c.allocator.explain(query, new Around()).fits, 1);
});
