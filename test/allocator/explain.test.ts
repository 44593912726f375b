// Stories of things that wait: each has one cause, explain names it with exact figures, and names what would help.
import test from 'ava';
import type { Grant } from '../../src/allocator/index.js';
import type { AttributeConstraint } from '../../src/protocol/entities.js';
import { bagOf, revocableLabel } from '../../src/resources/index.js';
import { Around, wish } from './explain-around.js';
import { bag, Cluster } from './support.js';

test('tasks use the agents: short by how much at least, mostly, at most; less of it would fit', t => {
  const c = new Cluster();
  const around = new Around();
  for (const [id, cpus] of [
    ['a', 1],
    ['b', 1.5],
    ['c', 3.5],
  ] as const) {
    c.agent(id, 'cpus:4;mem:1024');
    const grant: Grant = { frameworkId: 'old', role: '*', agentId: id, resources: bag(`cpus:${cpus}`) };
    c.allocator.book(grant);
    around.task(grant, `task-${id}`);
  }
  c.framework('fw', ['ads']);
  const told = c.allocator.explain({ frameworkId: 'fw', wish: wish('cpus:3.5;mem:512') }, around);
  t.is(told.fits, 0);
  t.deepEqual(told.reasons, [
    {
      kind: 'IN_USE',
      resource: 'cpus',
      wanted: 3.5,
      shortBy: { min: 0.5, median: 1, max: 3 },
      agents: 3,
      changesByItself: true,
      examples: ['a', 'b', 'c'],
    },
  ]);
  t.deepEqual(told.changes, [
    { change: 'LESS', resource: 'cpus', from: 3.5, to: 3, agents: 1, examples: ['a'] },
    {
      change: 'FREE_AGENT',
      agentId: 'a',
      holdings: [
        { what: 'TASK', id: 'task-a', frameworkId: 'old', role: '*', resources: { cpus: 1 }, heldForMs: 60_000 },
      ],
      agents: 1,
      examples: ['a'],
    },
  ]);
  t.is(c.allocator.explain({ frameworkId: 'fw', wish: wish('cpus:3;mem:512') }, around).fits, 1);
});

test('too large for every agent: nothing that runs is to blame, and only a new agent or a smaller wish helps', t => {
  const c = new Cluster();
  c.agent('a', 'cpus:2;mem:1024');
  c.agent('b', 'cpus:4;mem:1024');
  c.framework('fw');
  const { reasons, changes } = c.allocator.explain({ frameworkId: 'fw', wish: wish('cpus:10;mem:4096') }, new Around());
  t.deepEqual(
    reasons.map(reason => [
      reason.kind,
      'resource' in reason ? reason.resource : '',
      'shortBy' in reason ? reason.shortBy : '',
    ]),
    [
      ['TOO_SMALL', 'cpus', { min: 6, median: 6, max: 8 }],
      ['TOO_SMALL', 'mem', { min: 3072, median: 3072, max: 3072 }],
    ],
  );
  t.deepEqual(changes, [
    {
      change: 'SEVERAL',
      changes: [
        { change: 'LESS', resource: 'cpus', from: 10, to: 4 },
        { change: 'LESS', resource: 'mem', from: 4096, to: 1024 },
      ],
      agents: 1,
      examples: ['b'],
    },
    { change: 'ADD_AGENT', resources: { cpus: 10, mem: 4096 }, agents: 0, examples: [] },
  ]);
});

test('another framework holds offers: who, on how many agents, for how long, and when they expire', t => {
  const c = new Cluster();
  const around = new Around();
  c.framework('hoarder');
  c.agent('a', 'cpus:4;mem:1024');
  c.agent('b', 'cpus:8;mem:1024');
  c.now();
  for (const [index, grant] of c.outstanding.entries())
    around.offer(grant, `o-${grant.agentId}`, 1000 * (index + 1), 29_000 - 1000 * index);
  c.framework('fw');
  const { reasons, changes } = c.allocator.explain({ frameworkId: 'fw', wish: wish('cpus:2') }, around);
  t.like(reasons, [{ kind: 'OFFERED', agents: 2, shortBy: { min: 2, max: 2 }, changesByItself: true }]);
  t.deepEqual(
    reasons.flatMap(reason => ('holders' in reason ? reason.holders : [])),
    [{ frameworkId: 'hoarder', role: '*', agents: 2, heldForMs: 2000 }],
  );
  t.like(changes[0], { change: 'WAIT', ms: 28_000, for: 'OFFERS' });
  t.true(changes.some(change => change.change === 'FREE_AGENT' && change.holdings.length === 1));
});

test('the framework sits on its own offers', t => {
  const c = new Cluster();
  const around = new Around();
  c.framework('fw');
  c.agent('a', 'cpus:4;mem:1024');
  c.now();
  for (const grant of c.outstanding) around.offer(grant, 'o-1', 5000, 25_000);
  const { reasons } = c.allocator.explain({ frameworkId: 'fw', wish: wish('cpus:2') }, around);
  t.like(reasons, [{ kind: 'OFFERED_TO_ITSELF', agents: 1 }]);
});

test('constraints: which of them fails on how many agents, and which is worth dropping', t => {
  const c = new Cluster();
  for (const [id, rack, disk] of [
    ['a', 'x', 'ssd'],
    ['b', 'x', 'hdd'],
    ['c', 'y', 'hdd'],
  ] as const) {
    c.agent(id, 'cpus:4;mem:1024', { attributes: { rack, disk } });
  }
  c.framework('fw');
  const rack: AttributeConstraint = { attribute: 'rack', predicate: 'TEXT_EQUALS', value: 'z' };
  const disk: AttributeConstraint = { attribute: 'disk', predicate: 'TEXT_EQUALS', value: 'ssd' };
  const query = { frameworkId: 'fw', wish: wish('cpus:1'), constraints: [[rack, disk]] };
  const { fits, reasons, changes } = c.allocator.explain(query, new Around());
  t.is(fits, 0);
  t.deepEqual(
    reasons.map(reason => ('constraint' in reason ? [reason.constraint, reason.agents, reason.of] : [])),
    [
      ['rack TEXT_EQUALS z', 3, 'REQUEST'],
      ['disk TEXT_EQUALS ssd', 2, 'REQUEST'],
    ],
  );
  t.deepEqual(changes, [
    { change: 'DROP_CONSTRAINT', constraint: 'rack TEXT_EQUALS z', of: 'REQUEST', agents: 1, examples: ['a'] },
  ]);
  t.is(c.allocator.countFits({ ...query, constraints: [[disk]] }, new Around()), 1);
});

test('offer constraints of the framework are told apart from those of the request', t => {
  const c = new Cluster();
  const around = new Around();
  around.constraints = [[{ attribute: 'rack', predicate: 'EXISTS' }]];
  c.agent('a', 'cpus:4;mem:1024');
  c.framework('fw', ['*'], { constraints: { '*': around.constraints } });
  const { reasons, changes } = c.allocator.explain({ frameworkId: 'fw' }, around);
  t.like(reasons, [{ kind: 'CONSTRAINT', constraint: 'rack EXISTS', of: 'FRAMEWORK', agents: 1 }]);
  t.like(changes, [{ change: 'DROP_CONSTRAINT', of: 'FRAMEWORK', agents: 1 }]);
});

test('a declined agent: until when, and that reviving helps at once', t => {
  const c = new Cluster();
  c.framework('fw');
  c.agent('a', 'cpus:4;mem:1024');
  c.now();
  c.decline(60_000);
  c.after(2000);
  const { reasons, changes } = c.allocator.explain({ frameworkId: 'fw', wish: wish('cpus:1') }, new Around());
  t.like(reasons, [{ kind: 'FILTERED', firstEndsInMs: 58_000, lastEndsInMs: 58_000, agents: 1 }]);
  t.like(changes, [
    { change: 'WAIT', ms: 58_000, for: 'FILTER' },
    { change: 'REVIVE', role: '*' },
  ]);
});

test('who declined an agent because of a constraint hears of the constraint, and of the filter', t => {
  const c = new Cluster();
  c.framework('fw');
  c.agent('a', 'cpus:4;mem:1024', { attributes: { rack: 'x' } });
  c.now();
  c.decline(60_000);
  const rack: AttributeConstraint = { attribute: 'rack', predicate: 'TEXT_EQUALS', value: 'z' };
  const query = { frameworkId: 'fw', wish: wish('cpus:1'), constraints: [[rack]] };
  const { reasons, changes } = c.allocator.explain(query, new Around());
  t.deepEqual(
    reasons.map(({ kind }) => kind),
    ['CONSTRAINT', 'FILTERED'],
  );
  t.deepEqual(changes, [
    {
      change: 'DROP_CONSTRAINT',
      constraint: 'rack TEXT_EQUALS z',
      of: 'REQUEST',
      agents: 1,
      examples: ['a'],
      revived: true,
    },
  ]);
});

test('suppressed, disconnected, not in the role: said of the framework, with the one thing that helps', t => {
  const c = new Cluster();
  c.agent('a', 'cpus:4;mem:1024');
  c.framework('fw', ['ads', 'web'], { suppressedRoles: ['ads'] });
  const ask = (role: string): { kinds: string[]; changes: string[] } => {
    const { reasons, changes } = c.allocator.explain({ frameworkId: 'fw', role, wish: wish('cpus:1') }, new Around());
    return { kinds: reasons.map(({ kind }) => kind), changes: changes.map(({ change }) => change) };
  };
  t.deepEqual(ask('ads'), { kinds: ['SUPPRESSED'], changes: ['REVIVE'] });
  t.deepEqual(ask('web'), { kinds: ['ORDER'], changes: [] });
  t.deepEqual(ask('dev'), { kinds: ['NOT_SUBSCRIBED'], changes: ['SUBSCRIBE'] });
  c.allocator.deactivateFramework('fw');
  t.deepEqual(ask('web'), { kinds: ['FRAMEWORK_INACTIVE'], changes: ['RECONNECT'] });
});

test('reservations and capabilities', t => {
  const c = new Cluster();
  c.agent('a', 'cpus:1;cpus(ads):3;mem:1024');
  c.agent('b', 'cpus:4;mem:1024;gpus:1');
  c.framework('fw', ['web']);
  const { reasons, changes } = c.allocator.explain({ frameworkId: 'fw', wish: wish('cpus:2') }, new Around());
  t.like(reasons, [
    { kind: 'CAPABILITY', capability: 'GPU_RESOURCES', examples: ['b'] },
    { kind: 'RESERVED', roles: ['ads'], resource: 'cpus', shortBy: { min: 1, max: 1 }, examples: ['a'] },
  ]);
  t.like(changes, [
    { change: 'ADD_CAPABILITY', capability: 'GPU_RESOURCES', agents: 1 },
    { change: 'LESS', resource: 'cpus', from: 2, to: 1, examples: ['a'] },
  ]);
  t.is(c.allocator.explain({ frameworkId: 'fw', role: 'ads', wish: wish('cpus:2') }, new Around()).fits, 0);
  t.is(c.allocator.explain({ role: 'ads/video', wish: wish('cpus:4') }, new Around()).fits, 2);
});

test('revocable resources are for those who can bear their loss', t => {
  const c = new Cluster();
  c.agent('a', 'cpus:1;mem:1024;cpus{revocable}:4');
  c.framework('firm');
  c.framework('loose', ['*'], { capabilities: ['REVOCABLE_RESOURCES'] });
  const spare = {
    resources: [{ ...bag('cpus:2')[0], key: 'cpus{revocable}', label: revocableLabel }] as ReturnType<typeof bag>,
  };
  const firm = c.allocator.explain({ frameworkId: 'firm', wish: spare }, new Around());
  t.like(firm.reasons, [{ kind: 'CAPABILITY', capability: 'REVOCABLE_RESOURCES' }]);
  t.like(firm.changes, [{ change: 'ADD_CAPABILITY', capability: 'REVOCABLE_RESOURCES' }]);
  t.is(c.allocator.explain({ frameworkId: 'loose', wish: spare }, new Around()).fits, 1);
});

test('agents that are drained or away, in the master’s words; one that drains cannot be had again before it is drained', t => {
  const c = new Cluster();
  const around = new Around();
  for (const id of ['a', 'b', 'c']) c.agent(id, 'cpus:4;mem:1024');
  c.framework('fw');
  const query = { frameworkId: 'fw', wish: wish('cpus:1') };
  for (const [id, activity] of [
    ['a', 'DRAINING'],
    ['b', 'DISCONNECTED'],
    ['c', 'DRAINING'],
  ] as const) {
    c.allocator.deactivateAgent(id);
    around.activities.set(id, activity);
  }
  const { reasons, changes } = c.allocator.explain(query, around);
  t.deepEqual(
    reasons.map(reason => ('activity' in reason ? [reason.activity, reason.changesByItself] : [])),
    [
      ['DRAINING', false],
      ['DISCONNECTED', true],
    ],
  );
  t.deepEqual(
    changes.map(({ change }) => change),
    ['ADD_AGENT'],
  );
  around.activities.set('c', 'DRAINED');
  t.like(c.allocator.explain(query, around).changes, [{ change: 'REACTIVATE_AGENT', agents: 1, examples: ['c'] }]);
});

test('what is free is below the least offer', t => {
  const c = new Cluster();
  c.agent('a', 'cpus:4;mem:1024');
  c.framework('fw', ['*'], { minAllocatable: { '*': [bagOf({ cpus: 8 })] } });
  const { reasons, changes } = c.allocator.explain({ frameworkId: 'fw', wish: wish('cpus:1') }, new Around());
  t.like(reasons, [{ kind: 'BELOW_MINIMUM', minimum: 'cpus:8' }]);
  t.like(changes, [{ change: 'LOWER_MINIMUM', agents: 1 }]);
});

test('a limit: of which role, how far, and the least raise that helps; reservations of the role are no part of it', t => {
  const c = new Cluster({ quotas: new Map([['ads', { limits: new Map([['cpus', 3000]]), guarantees: new Map() }]]) });
  c.agent('a', 'cpus:8;mem:1024');
  c.allocator.book({ frameworkId: 'other', role: 'ads/video', agentId: 'a', resources: bag('cpus:2.5') });
  c.framework('fw', ['ads/audio']);
  const { reasons, changes } = c.allocator.explain({ frameworkId: 'fw', wish: wish('cpus:2;mem:64') }, new Around());
  t.deepEqual(reasons, [
    {
      kind: 'QUOTA',
      role: 'ads',
      resource: 'cpus',
      limit: 3,
      consumed: 2.5,
      shortBy: { min: 1.5, median: 1.5, max: 1.5 },
      agents: 1,
      changesByItself: true,
      examples: ['a'],
    },
  ]);
  t.deepEqual(changes, [
    { change: 'LESS', resource: 'cpus', from: 2, to: 0.5, agents: 1, examples: ['a'] },
    {
      change: 'RAISE_QUOTA',
      raises: [{ role: 'ads', resource: 'cpus', from: 3, to: 4.5 }],
      agents: 1,
      examples: ['a'],
    },
  ]);
  c.allocator.setQuota('ads', { limits: new Map([['cpus', 4500]]), guarantees: new Map() });
  t.is(c.allocator.explain({ frameworkId: 'fw', wish: wish('cpus:2;mem:64') }, new Around()).fits, 1);
});

test('a limit that is below what the role holds: what is over it has to come back as well', t => {
  const c = new Cluster({ quotas: new Map([['ads', { limits: new Map([['cpus', 1000]]), guarantees: new Map() }]]) });
  c.agent('a', 'cpus:8;mem:1024');
  c.allocator.book({ frameworkId: 'other', role: 'ads', agentId: 'a', resources: bag('cpus:2') });
  c.framework('fw', ['ads']);
  const { reasons, changes } = c.allocator.explain({ frameworkId: 'fw', wish: wish('cpus:1;mem:64') }, new Around());
  t.like(reasons, [{ kind: 'QUOTA', limit: 1, consumed: 2, shortBy: { min: 2, median: 2, max: 2 } }]);
  t.like(changes, [
    { change: 'LESS', from: 1, to: 0 },
    { change: 'RAISE_QUOTA', raises: [{ role: 'ads', resource: 'cpus', from: 1, to: 3 }] },
  ]);
});

test('a guarantee: for whom what is free is kept', t => {
  const c = new Cluster({ quotas: new Map([['ads', { limits: new Map(), guarantees: new Map([['cpus', 3000]]) }]]) });
  c.agent('a', 'cpus:4;mem:1024');
  c.framework('fw', ['web']);
  const { reasons, changes } = c.allocator.explain({ frameworkId: 'fw', wish: wish('cpus:2') }, new Around());
  t.like(reasons, [{ kind: 'GUARANTEES', resource: 'cpus', roles: ['ads'], shortBy: { min: 1, max: 1 } }]);
  t.like(changes, [
    { change: 'LESS', resource: 'cpus', to: 1 },
    { change: 'LOWER_GUARANTEES', lowers: [{ role: 'ads', resource: 'cpus', from: 3, to: 2 }], agents: 1 },
  ]);
  t.is(c.allocator.explain({ role: 'ads', wish: wish('cpus:2') }, new Around()).fits, 1);
});

test('host ports are counted like the matcher counts them', t => {
  const c = new Cluster();
  c.agent('a', 'cpus:4;mem:1024;ports:[31000-31002]');
  c.framework('fw');
  const { reasons, changes } = c.allocator.explain(
    { frameworkId: 'fw', wish: { resources: bag('cpus:1;ports:[31000-31000]'), ports: 4 } },
    new Around(),
  );
  t.like(reasons, [{ kind: 'TOO_SMALL', resource: 'ports', wanted: 4, shortBy: { min: 2, max: 2 } }]);
  t.like(changes, [{ change: 'LESS', resource: 'ports', from: 4, to: 2 }]);
});

test('when it fits only the order decides: place and share', t => {
  const c = new Cluster();
  c.allocator.pause();
  c.agent('a', 'cpus:4;mem:1024');
  c.agent('b', 'cpus:4;mem:1024');
  c.framework('first', ['ads']);
  c.framework('second', ['web']);
  c.allocator.book({ frameworkId: 'second', role: 'web', agentId: 'b', resources: bag('cpus:2') });
  const { fits, reasons, changes, standings } = c.allocator.explain(
    { frameworkId: 'second', wish: wish('cpus:1') },
    new Around(),
  );
  t.is(fits, 2);
  t.like(reasons, [{ kind: 'ORDER', agents: 2 }]);
  t.deepEqual(changes, []);
  t.like(standings, [{ frameworkId: 'second', role: 'web', share: 0.25, position: 2, competitors: 2 }]);
});

test('a role: what keeps its nearest framework from each agent', t => {
  const c = new Cluster();
  c.agent('a', 'cpus:4;mem:1024');
  c.framework('asleep', ['ads'], { suppressedRoles: ['ads'] });
  t.like(c.allocator.explain({ role: 'ads' }, new Around()).reasons, [{ kind: 'SUPPRESSED', role: 'ads' }]);
  c.framework('awake', ['ads/video']);
  const { reasons, standings } = c.allocator.explain({ role: 'ads' }, new Around());
  t.like(reasons, [{ kind: 'ORDER', agents: 1 }]);
  t.deepEqual(
    standings.map(({ frameworkId, position }) => [frameworkId, position]),
    [
      ['awake', 1],
      ['asleep', undefined],
    ],
  );
});

test('without agents, a new one is what helps', t => {
  const c = new Cluster();
  c.framework('fw');
  const told = c.allocator.explain({ frameworkId: 'fw', wish: { resources: bag('cpus:1'), ports: 2 } }, new Around());
  t.deepEqual([told.agents, told.fits, told.reasons], [0, 0, []]);
  t.deepEqual(told.changes, [
    { change: 'ADD_AGENT', resources: { cpus: 1, ports: [[31_000, 31_001]] }, agents: 0, examples: [] },
  ]);
});

test('a mount disk that a limit would divide: the limit is what is in the way, and how far it must be raised', t => {
  const c = new Cluster();
  c.quota('ads', 'disk:350', '');
  c.framework('fw', ['ads']);
  c.allocator.pause();
  c.agent('a', 'cpus:4;mem:1024;disk:300;disk<mount=/mnt/a>:100');
  const query = { frameworkId: 'fw', wish: wish('cpus:1;disk<mount=/mnt/a>:100') };
  const { fits, reasons, changes } = c.allocator.explain(query, new Around());
  t.is(fits, 0);
  t.like(reasons, [{ kind: 'QUOTA', resource: 'disk', limit: 350, consumed: 0, shortBy: { min: 50, max: 50 } }]);
  t.like(changes, [{ change: 'RAISE_QUOTA', raises: [{ role: 'ads', resource: 'disk', from: 350, to: 400 }] }]);
  c.quota('ads', 'disk:400', '');
  t.is(c.allocator.explain(query, new Around()).fits, 1);
});

test('another mount disk, or part of one, is no help; a reserved one is somebody’s', t => {
  const c = new Cluster();
  c.framework('fw', ['ads']);
  c.allocator.pause();
  c.agent('a', 'cpus:4;mem:1024;disk<mount=/mnt/a>(web):100');
  const reasons = (text: string): unknown =>
    c.allocator.explain({ frameworkId: 'fw', wish: wish(text) }, new Around()).reasons.map(({ kind }) => kind);
  t.deepEqual(reasons('cpus:1;disk<mount=/mnt/a>:100'), ['RESERVED']);
  t.deepEqual(reasons('cpus:1;disk<mount=/mnt/a>:60'), ['TOO_SMALL']);
  t.deepEqual(reasons('cpus:1;disk<mount=/mnt/b>:100'), ['TOO_SMALL']);
  t.deepEqual(reasons('cpus:1;disk:1'), ['TOO_SMALL']);
});
