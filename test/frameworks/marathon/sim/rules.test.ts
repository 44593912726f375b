// Every rule of the simulated Marathon speaks when what it watches is broken, and is silent when it is not. In: turns made by hand.
import test from 'ava';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import { planDeployment } from '../../../../frameworks/marathon/plan/plan.js';
import { beginning } from '../../../../frameworks/marathon/plan/progress.js';
import type { MarathonService } from '../../../../frameworks/marathon/service/service.js';
import type { Known } from '../../../../frameworks/marathon/sim/marathon-node.js';
import { DataRule } from '../../../../frameworks/marathon/sim/rules/data.js';
import { DelaysRule } from '../../../../frameworks/marathon/sim/rules/delays.js';
import { DeploymentsRule, InheritanceRule } from '../../../../frameworks/marathon/sim/rules/deployments.js';
import { FieldsRule } from '../../../../frameworks/marathon/sim/rules/fields.js';
import { NumbersRule } from '../../../../frameworks/marathon/sim/rules/numbers.js';
import { PlacesRule } from '../../../../frameworks/marathon/sim/rules/places.js';
import type { Rule, Turn } from '../../../../frameworks/marathon/sim/rules/rule.js';
import { WantedRule } from '../../../../frameworks/marathon/sim/rules/wanted.js';
import {
  after,
  app,
  constraint,
  fresh,
  noon,
  place,
  resident,
  running,
  status,
  tree,
  versionOf,
} from '../machine/samples.js';

type Deployments = Known['deployments'];

function known(instances: readonly Instance[], deployments: Deployments = new Map()): Known {
  return { version: noon, instances: new Map(instances.map(each => [each.id, each])), deployments };
}

/** From some instances to others, while `specs` are what the tree says. */
function turn(
  before: readonly Instance[],
  later: readonly Instance[],
  specs: readonly RunSpec[],
  more: Partial<Turn> = {},
): Turn {
  const [was, is] = [known(before), known(later)];
  const ids = new Set([...was.instances.keys(), ...is.instances.keys()]);
  const changes = [...ids]
    .map(id => ({ id, before: was.instances.get(id), after: is.instances.get(id) }))
    .filter(change => change.before !== change.after);
  const root = tree(...specs);
  return {
    now: noon + 1000,
    service: service(later, specs),
    rootBefore: root,
    before: was,
    after: is,
    changes,
    of: id => ({
      before: before.filter(({ runSpecId }) => runSpecId === id),
      after: later.filter(({ runSpecId }) => runSpecId === id),
    }),
    ...more,
  };
}

/** As much of a service as rules ask. */
function service(instances: readonly Instance[], specs: readonly RunSpec[], more: object = {}): MarathonService {
  const seen: Partial<MarathonService> = {
    root: tree(...specs),
    connected: true,
    instancesOf: id => instances.filter(({ runSpecId }) => runSpecId === id),
    instanceOfTask: id => instances.find(({ tasks }) => tasks.some(each => each.id === id)),
    specOf: ({ runSpecId }) => specs.find(({ id }) => id === runSpecId) as RunSpec,
    deployments: () => [],
    deploymentsOf: () => [],
    queue: () => [],
  };
  return { ...seen, ...more } as MarathonService;
}

function said(rule: Rule, ...turns: readonly Turn[]): string[] {
  const reports: string[] = [];
  for (const each of turns) rule.turned?.(each, message => reports.push(message));
  return reports;
}

const end = (instance: Instance): Instance => after(instance, noon + 1000, { type: 'GOAL', goal: 'Decommissioned' });

/** A deployment from one definition to another, in its first step. */
function deploying(before: RunSpec, later: RunSpec): Deployments {
  const plan = planDeployment(tree(before), tree(later), { id: 'd1', isOutdated: () => true });
  return new Map([['d1', { plan, standing: beginning(plan, noon) }]]);
}

test('G2: too few are left by a deployment', t => {
  const old = app({ instances: 4 });
  const next = app({
    instances: 4,
    versionInfo: versionOf(2),
    upgradeStrategy: { minimumHealthCapacity: 0.5, maximumOverCapacity: 0.5 },
  });
  const all = ['i1', 'i2', 'i3', 'i4'].map(name => running(old, name));
  const deployments = deploying(old, next);
  const ending = (count: number): Turn => {
    const later = all.map((each, at) => (at < count ? end(each) : each));
    return turn(all, later, [next], { before: known(all, deployments), after: known(later, deployments) });
  };
  t.deepEqual(said(new NumbersRule(), ending(2)), []);
  // What the old definition asks for counts as well as long as nobody can say which of the two was gone by.
  const strict = app({ instances: 4, versionInfo: versionOf(3) });
  const both = deploying(old, strict);
  const later = all.map((each, at) => (at < 1 ? end(each) : each));
  const broken = turn(all, later, [strict], { before: known(all, both), after: known(later, both) });
  t.regex(said(new NumbersRule(), broken)[0] ?? '', /^G2: of \/web 3 serve after .* at least 4 must$/);
});

test('G3: too many are there', t => {
  const spec = app({ instances: 1 });
  const one = running(spec, 'i1');
  t.regex(
    said(new NumbersRule(), turn([one], [one, fresh(spec, 'i2')], [spec]))[0] ?? '',
    /^G3: 2 of \/web are wanted/,
  );
  const more = app({ instances: 2 });
  t.deepEqual(said(new NumbersRule(), turn([one], [one, fresh(more, 'i2')], [more])), []);
});

test('G5: one that is what it shall be is ended without a cause', t => {
  const spec = app({ instances: 2 });
  const all = [running(spec, 'i1'), running(spec, 'i2')];
  const broken = turn(all, [end(all[0] as Instance), all[1] as Instance], [spec]);
  t.regex(
    said(new NumbersRule(), broken)[0] ?? '',
    /^G5: web\.instance-i1 is what it shall be and serves; it is ended although 1 of 2/,
  );
  const rule = new NumbersRule();
  rule.asked({ type: 'KILL', ids: ['web.instance-i1'], wipe: true });
  t.deepEqual(said(rule, broken), [], 'a user asked for it');
  const killed = after(all[0] as Instance, noon + 1, { type: 'KILL' });
  t.regex(
    said(new NumbersRule(), turn(all, [killed, all[1] as Instance], [spec]))[0] ?? '',
    /is killed though it stays wanted$/,
  );
});

test('G6: of too many the wrong one goes', t => {
  const spec = app({ instances: 1 });
  const [old, young] = [running(spec, 'i1', place(), noon), running(spec, 'i2', place(), noon + 500)];
  t.deepEqual(said(new NumbersRule(), turn([old, young], [old, end(young)], [spec])), []);
  t.regex(
    said(new NumbersRule(), turn([old, young], [end(old), young], [spec]))[0] ?? '',
    /^G6: web\.instance-i1 of \/web is ended, web\.instance-i2 stays/,
  );
  const slow = { ...young, condition: 'Unreachable' as const };
  t.regex(
    said(new NumbersRule(), turn([old, slow], [end(old), slow], [spec]))[0] ?? '',
    /^G6: web\.instance-i1 serves and is ended, web\.instance-i2 is Unreachable/,
  );
});

test('G4: deployments share an app, go back, or end in silence', t => {
  const [old, next] = [app(), app({ versionInfo: versionOf(2) })];
  const one = deploying(old, next);
  const first = [...one.values()][0];
  if (first === undefined) return t.fail('there is no deployment');
  const plan = { ...first.plan, id: 'd2' };
  const two = new Map([...one, ['d2', { plan, standing: { ...first.standing, planId: 'd2' } }]]);
  const with_ = (before: Deployments, later: Deployments): Turn =>
    turn([], [], [next], { before: known([], before), after: known([], later) });
  t.deepEqual(said(new DeploymentsRule(), with_(new Map(), one)), []);
  t.regex(said(new DeploymentsRule(), with_(one, two))[0] ?? '', /both touch \/web$/);
  const further = new Map([['d1', { ...first, standing: { ...first.standing, step: 1 } }]]);
  t.regex(said(new DeploymentsRule(), with_(further, one))[0] ?? '', /goes back from step 1 to 0$/);
  const rule = new DeploymentsRule();
  t.deepEqual(said(rule, with_(one, new Map())), []);
  const reports: string[] = [];
  rule.looked(service([], [next]), noon + 100_000, 100_000, message => reports.push(message));
  t.regex(reports[0] ?? '', /^nobody is told of the end of deployment d1$/);
  rule.told({ type: 'deployment_success', at: noon, plan: first.plan }, message => reports.push(message));
  rule.told({ type: 'deployment_failed', at: noon, plan: first.plan }, message => reports.push(message));
  t.regex(reports[1] ?? '', /is told twice$/);
  t.regex(reports[2] ?? '', /failed without a reason$/);
  rule.told({ type: 'deployment_stalled', at: noon, plan, step: 0, sinceMs: 1, waitingFor: [] }, message =>
    reports.push(message),
  );
  t.regex(reports[3] ?? '', /says nothing of why$/);
  const still = [{ plan, standing: first.standing }];
  const stuck = service([], [next], { deployments: () => still });
  rule.looked(stuck, noon + 500_000, 500_000, message => reports.push(message));
  t.true(reports.some(each => each.endsWith('is not said to have stalled')));
});

test('G5: what was durable is forgotten, or something is done before it is', t => {
  const spec = app();
  const one = running(spec);
  const rule = new InheritanceRule();
  const reports: string[] = [];
  const report = (message: string): void => void reports.push(message);
  rule.began(service([], [spec]), known([one]), known([end(one)]), report);
  rule.began(service([], [spec]), known([{ ...one, incarnation: 0 }]), known([one]), report);
  rule.asked({ type: 'ANSWERED', version: noon + 5 });
  rule.began(service([], [spec]), known([]), undefined, report);
  const taskId = one.tasks[0]?.id ?? '';
  rule.said({ type: 'KILL', taskId }, service([], []), known([one]), report);
  const launch = {
    type: 'LAUNCH',
    tasks: [{ taskId: 'new', name: 'new', resources: {}, command: { value: 'x' } }],
  } as const;
  rule.said({ type: 'ACCEPT', offerIds: ['o1'], operations: [launch] }, service([], []), known([one]), report);
  t.deepEqual(reports, [
    'web.instance-i1 was to go, and is wanted again',
    'start 1 of web.instance-i1 is forgotten',
    `version ${noon + 5} was answered, and is forgotten`,
    `${taskId} is to end, and nothing of that is durable`,
    'new is launched, and nothing of that is durable',
  ]);
  rule.said({ type: 'KILL', taskId }, service([], []), known([end(one)]), report);
  t.is(reports.length, 5);
});

test('G7: a placement breaks a constraint', t => {
  const at = (agent: string, rack: string): ReturnType<typeof place> => place(agent, { rack });
  const cases = [
    [constraint('hostname', 'UNIQUE'), at('a1', 'r0'), at('a2', 'r0')],
    [constraint('rack', 'CLUSTER'), at('a2', 'r1'), at('a2', 'r0')],
    [constraint('rack', 'MAX_PER', '1'), at('a2', 'r0'), at('a2', 'r1')],
    [constraint('rack', 'LIKE', 'r[0]'), at('a2', 'r1'), at('a2', 'r0')],
    [constraint('rack', 'UNLIKE', 'r[0]'), at('a2', 'r0'), at('a2', 'r1')],
    [constraint('rack', 'IS', 'r1'), at('a2', 'r0'), at('a2', 'r1')],
  ] as const;
  for (const [each, wrong, right] of cases) {
    const spec = app({ instances: 2, constraints: [each] });
    const one = running(spec, 'i1', at('a1', 'r0'));
    const looks = (where: ReturnType<typeof place>): string[] =>
      said(new PlacesRule(), turn([one], [one, running(spec, 'i2', where)], [spec]));
    t.regex(looks(wrong)[0] ?? '', new RegExp(`^web.instance-i2 starts on .* against ${each.field} ${each.operator}`));
    t.deepEqual(looks(right), [], each.operator);
  }
  const spec = app({ instances: 4, constraints: [constraint('rack', 'GROUP_BY', '2')] });
  const there = [
    running(spec, 'i1', at('a1', 'r0')),
    running(spec, 'i2', at('a1', 'r0')),
    running(spec, 'i4', at('a2', 'r1')),
  ];
  const fourth = running(spec, 'i5', at('a1', 'r0'));
  t.deepEqual(said(new PlacesRule(), turn(there, [...there, fourth], [spec])), []);
  const uneven = turn([...there, fourth], [...there, fourth, running(spec, 'i6', at('a1', 'r0'))], [spec]);
  t.regex(said(new PlacesRule(), uneven)[0] ?? '', /GROUP_BY: 3 are at r0, 1 elsewhere$/);
});

test('G8: the next start comes too early', t => {
  const spec = app({ backoff: { backoffMs: 2000, factor: 3, maxLaunchDelayMs: 60_000 } });
  const one = running(spec);
  const rule = new DelaysRule();
  const failed = { ...status(one, 'TASK_FAILED'), taskId: one.tasks[0]?.id ?? '' };
  rule.heard(failed, service([one], [spec]), noon);
  rule.heard(failed, service([one], [spec]), noon + 1);
  const again = (now: number): Turn =>
    turn([one], [{ ...one, incarnation: 2, condition: 'Provisioned' }], [spec], { now });
  t.regex(
    said(rule, again(noon + 5000))[0] ?? '',
    /^web\.instance-i1 starts 4999 ms after failure 2 of \/web, 6000 ms are to pass$/,
  );
  t.deepEqual(said(rule, again(noon + 6001)), []);
  rule.asked({ type: 'RESET_DELAY', id: '/web' });
  t.deepEqual(said(rule, again(noon + 2)), []);
});

test('G9: data is given up, and nobody said so', t => {
  const spec = resident();
  const volumes = [{ id: 'v1', containerPath: 'data', mib: 10 }];
  const one = { ...running(spec), reservation: { agentId: 'a1', resources: {}, volumes, proven: true } };
  const rule = new DataRule();
  t.deepEqual(said(rule, turn([], [one], [spec])), []);
  const destroy = { type: 'ACCEPT', offerIds: ['o1'], operations: [{ type: 'DESTROY', volumeIds: ['v1'] }] } as const;
  const reports: string[] = [];
  const report = (message: string): void => void reports.push(message);
  rule.said(destroy, service([], []), known([one]), report);
  t.regex(said(rule, turn([one], [end(one)], [spec]))[0] ?? '', /is to give up its data, and nobody said so$/);
  t.regex(said(rule, turn([one], [], [spec]))[0] ?? '', /is forgotten with its data$/);
  rule.asked({ type: 'KILL', ids: ['db.instance-i1'], wipe: true });
  rule.said(destroy, service([], []), known([one]), report);
  rule.said(destroy, service([], []), known([end(one)]), report);
  t.deepEqual(reports, [
    'volume v1 of db.instance-i1 is destroyed, and nobody said so',
    'volume v1 of db.instance-i1 is destroyed, and nothing of that is durable',
  ]);
});

test('G10: an update changes what was not sent, or changes something though it fails', t => {
  const old = app({ instances: 1 });
  const asked = (later: RunSpec, sent: object, sentInvalid = false): string[] => {
    const reports: string[] = [];
    const [before, is] = [tree(old), tree(later)];
    const request = {
      type: 'CHANGE',
      id: '/web',
      sent: { ...sent },
      before,
      after: is,
      options: {},
      sentInvalid,
    } as const;
    new FieldsRule().asked(request, noon, message => reports.push(message));
    return reports;
  };
  t.deepEqual(asked(app({ instances: 3 }), { instances: 3 }), []);
  t.deepEqual(asked(app({ instances: 3 }), { cmd: 'sleep 1000' }), [
    'instances of /web was not sent (cmd), and changed',
  ]);
  t.deepEqual(asked(app({ instances: 2 }), { instances: 3 }), ['instances of /web is 2, 3 was sent']);
  t.regex(asked(app({ instances: 3 }), { instances: -1 }, true)[0] ?? '', /was not seen$/);
});

test('G1: another number than the one wanted, and nothing is done about it', t => {
  const spec = app({ instances: 2 });
  const rule = new WantedRule();
  const reports: string[] = [];
  const look = (instances: readonly Instance[], now: number, more: object = {}): void =>
    rule.looked(service(instances, [spec], more), now, 100_000, message => reports.push(message));
  look([running(spec)], noon);
  look([running(spec)], noon + 40_000);
  t.deepEqual(reports, []);
  look([running(spec)], noon + 50_000);
  t.regex(reports[0] ?? '', /^\/web has 1 instances of 2, and nothing is done about it$/);
  look([running(spec, 'i1'), running(spec, 'i2')], noon, { queue: () => [{ runSpecId: '/web', why: '' }] });
  t.regex(reports[1] ?? '', /^\/web waits, and nobody says why$/);
});
