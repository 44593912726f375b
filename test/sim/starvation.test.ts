// Starvation, as told of Mesos's allocator: each story first happens with what Mesos does by default, where our options allow that, and then not, with the
// tool against it. Frameworks here are written as authors would; time is virtual.
import test from 'ava';
import type { AllocatorOptions } from '../../src/allocator/index.js';
import { definePolicy } from '../../src/allocator/policies/index.js';
import type { FrameworkInfo, OfferConstraints } from '../../src/protocol/entities.js';
import type { OperatorCall } from '../../src/protocol/operator-api.js';
import { bagOf, take } from '../../src/resources/index.js';
import type { Resources } from '../../src/resources/index.js';
import { LaunchQueue } from '../../src/scheduler/launch-queue.js';
import { launch } from '../../src/scheduler/launch.js';
import type { Framework } from '../../src/scheduler/framework.js';
import { World } from '../../src/sim/index.js';
import type { AgentNodeOptions, Program } from '../../src/sim/index.js';

/** Offers never end, nobody is looked after, and what comes back waits for the next run over all agents. */
const asMesos: AllocatorOptions = { patienceRuns: 0, recoveryIntervalMs: 1000 };
const never = 365 * 86_400_000;

interface Setting {
  readonly allocator?: AllocatorOptions;
  readonly offerTimeoutMs?: number;
  readonly agents?: number | readonly AgentNodeOptions[];
}

/** A cluster; where nothing is said it behaves as Mesos. */
class Drill {
  readonly world = new World({ seed: 5, scenario: 'starvation drill' });

  constructor({ allocator = asMesos, offerTimeoutMs = never, agents = 1 }: Setting = {}) {
    this.world.addMaster({ allocator, master: { offerTimeoutMs } });
    const list = typeof agents === 'number' ? Array.from({ length: agents }, () => machine) : agents;
    for (const each of list) this.world.addAgent(each);
    this.world.run('1s');
  }

  framework(name: string, role: string, program: Program, more: More = {}): Framework {
    const { offerConstraints, ...info } = more;
    const node = this.world.addScheduler(
      name,
      { info: { name, roles: [role], ...info }, ...(offerConstraints === undefined ? {} : { offerConstraints }) },
      program,
    );
    this.world.runUntil(() => node.framework?.connected === true);
    if (node.framework === undefined) throw new Error(`${name} does not run`);
    return node.framework;
  }

  operate(call: OperatorCall): void {
    let done: boolean | undefined;
    this.world.master.operate(call, problems => {
      done = problems.length === 0;
      if (!done) throw new Error(problems.map(each => each.message).join('; '));
    });
    this.world.runUntil(() => done !== undefined);
  }

  /** How long until `what` holds, in runs of the allocator (1 s each); undefined when it does not within `runs`. */
  runsUntil(what: () => boolean, runs: number): number | undefined {
    const sinceMs = this.world.nowMs;
    return this.world.runUntil(what, runs * 1000) ? Math.ceil((this.world.nowMs - sinceMs) / 1000) : undefined;
  }
}

type More = Partial<FrameworkInfo> & { readonly offerConstraints?: OfferConstraints };

const machine: AgentNodeOptions = { resources: { cpus: 4, mem: 4096 } };
const small: Resources = { cpus: 1, mem: 256 };

const quiet = (framework: Framework): void => {
  framework.updates$.subscribe(() => {});
};

/** Keeps what it is offered, and never answers. */
const hoarder: Program = quiet;

/** Wants nothing, and says so with a filter of `refuseMs`. */
function decliner(refuseMs: number): Program {
  return framework => {
    quiet(framework);
    framework.offers$.subscribe(offer => framework.decline(offer, { refuseMs }));
  };
}

/** Runs `wanted` tasks for ever and then wants no more; counts what it was offered in vain. */
function worker(resources: Resources, wanted: number, where: (rack: unknown) => boolean = () => true) {
  const seen = { wanted, launched: 0, inVain: 0 };
  const program: Program = framework => {
    quiet(framework);
    framework.offers$.subscribe(offer => {
      const fits = take(bagOf(offer.resources), bagOf(resources)).shortages.length === 0;
      if (seen.launched >= seen.wanted) {
        framework.decline(offer);
      } else if (fits && where(offer.attributes['rack'])) {
        seen.launched += 1;
        framework.accept(offer, [launch({ name: 'work', command: 'run on', resources })]);
        if (seen.launched >= seen.wanted) framework.suppress();
      } else {
        seen.inVain += 1;
        framework.decline(offer);
      }
    });
  };
  return { seen, program };
}

test('hoarding: a framework that never answers holds the cluster for ever', t => {
  const story = (setting: Setting): number | undefined => {
    const drill = new Drill({ ...setting, agents: 3 });
    drill.framework('hoarder', 'sitting', hoarder);
    drill.world.run('5s');
    const { seen, program } = worker(small, 1);
    drill.framework('worker', 'working', program);
    return drill.runsUntil(() => seen.launched > 0, 600);
  };
  t.is(story({}), undefined, 'not in ten minutes, as no offer ever ends');
  const expired = story({ offerTimeoutMs: 30_000 });
  t.true(expired !== undefined && expired <= 31, `offers end: after ${expired} runs`);
  const rescinded = story({ allocator: {} });
  t.true(rescinded !== undefined && rescinded <= 10, `offers are taken back for who waits: after ${rescinded} runs`);
});

test('hoarding: whoever has less than hoarders waits for ten runs at most, also with tasks of its own, and again each time', t => {
  const drill = new Drill({ allocator: {}, agents: 4 });
  const { seen, program } = worker(small, 1);
  const framework = drill.framework('worker', 'working', program);
  t.not(
    drill.runsUntil(() => seen.launched === 1, 5),
    undefined,
  );
  drill.framework('hoarder', 'sitting', hoarder);
  drill.world.run('60s');
  for (let wanted = 2; wanted <= 4; wanted += 1) {
    seen.wanted = wanted;
    framework.revive();
    const runs = drill.runsUntil(() => seen.launched === wanted, 60);
    t.true(runs !== undefined && runs <= 10, `task ${wanted} after ${runs} runs`);
    drill.world.run('20s');
  }
});

test('circling: poor frameworks that decline at once pass the cluster among themselves, and who runs something never sees an offer', t => {
  const story = (
    poor: Program,
    setting: Setting = {},
    before: (drill: Drill) => void = () => {},
  ): number | undefined => {
    const drill = new Drill(setting);
    const { seen, program } = worker(small, 3);
    drill.framework('worker', 'working', program);
    drill.runsUntil(() => seen.launched === 1, 10);
    before(drill);
    for (let i = 0; i < 5; i += 1) drill.framework(`idle-${i}`, `idle-${i}`, poor);
    const already = seen.launched;
    return drill.runsUntil(() => seen.launched > already, 300);
  };
  // As a filter of 0 s lets them have it again in the very next run, and each of five has less than the worker.
  const idle = decliner(0);
  const first = story(idle, {}, drill => drill.world.run(1));
  t.is(first, undefined, 'five minutes without an offer');
  const longer = story(decliner(60_000));
  t.true(longer !== undefined && longer <= 10, `longer filters: after ${longer} runs`);
  const suppressing: Program = framework => {
    quiet(framework);
    framework.offers$.subscribe(offer => {
      framework.decline(offer, { refuseMs: 0 });
      framework.suppress();
    });
  };
  const suppressed = story(suppressing);
  t.true(suppressed !== undefined && suppressed <= 10, `they suppress: after ${suppressed} runs`);
  const guaranteed = story(idle, {}, drill =>
    drill.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'working', guarantees: { cpus: 3, mem: 1024 } }] }),
  );
  t.true(guaranteed !== undefined && guaranteed <= 10, `a guarantee is met first: after ${guaranteed} runs`);
  const turns = story(idle, { allocator: { ...asMesos, policy: definePolicy({ frameworkOrder: 'random' }) } });
  t.true(turns !== undefined && turns <= 60, `an order by chance: after ${turns} runs`);
});

test('pickiness: who can use few agents is offered all others first, and burns the limit of its role on them', t => {
  const racks = Array.from({ length: 24 }, (_, i) => ({ ...machine, attributes: { rack: i === 0 ? 'gold' : 'iron' } }));
  const story = (offerConstraints?: OfferConstraints) => {
    const drill = new Drill({ agents: racks });
    // Room for half an agent: while the picky one looks at iron there is no room for gold, nor for anybody else of the role.
    drill.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'team', limits: { cpus: 2, mem: 2048 } }] });
    const picky = worker(small, 1, rack => rack === 'gold');
    drill.framework('picky', 'team/picky', picky.program, offerConstraints === undefined ? {} : { offerConstraints });
    return { runs: drill.runsUntil(() => picky.seen.launched === 1, 300), inVain: picky.seen.inVain };
  };
  const without = story();
  // How many come before the one it can use is chance.
  t.true(without.inVain >= 3, `${without.inVain} offers in vain`);
  const constraints: OfferConstraints = {
    'team/picky': [[{ attribute: 'rack', predicate: 'TEXT_EQUALS', value: 'gold' }]],
  };
  const told = story(constraints);
  t.is(told.inVain, 0, 'who tells what it can use is offered nothing else');
  t.true(told.runs !== undefined && told.runs <= 2);
  t.true(without.runs === undefined || without.runs > 2, `${without.runs} runs`);
});

test('crumbs: what a limit leaves over is offered although it is of no use, again and again', t => {
  const story = (more: More): { inVain: number; launched: boolean } => {
    const drill = new Drill({ agents: 2 });
    drill.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'team', limits: { cpus: 2.5 } }] });
    const first = worker({ cpus: 2, mem: 64 }, 1);
    const framework = drill.framework('first', 'team/first', first.program);
    drill.runsUntil(() => first.seen.launched === 1, 20);
    const second = worker(small, 1);
    drill.framework('second', 'team/second', second.program, more);
    drill.world.run('60s');
    const before = second.seen.launched;
    // The first ends, and there is room.
    for (const { taskId } of framework.tasks.live()) framework.kill(taskId);
    drill.runsUntil(() => second.seen.launched === 1, 20);
    return { inVain: second.seen.inVain, launched: before === 0 && second.seen.launched === 1 };
  };
  const crumbs = story({});
  t.true(crumbs.launched);
  t.true(crumbs.inVain >= 10, `${crumbs.inVain} offers of half a cpu`);
  const whole = story({ offerFilters: { 'team/second': { minAllocatableResources: [{ cpus: 1, mem: 256 }] } } });
  t.deepEqual(whole, { inVain: 0, launched: true }, 'with a least offer for its role it hears when there is room');
});

test('guarantees are amounts: what is kept back may be where it is of no use; a reservation says where', t => {
  const racks = [
    { ...machine, attributes: { rack: 'iron' } },
    { ...machine, attributes: { rack: 'gold' } },
  ];
  const gold: OfferConstraints = { db: [[{ attribute: 'rack', predicate: 'TEXT_EQUALS', value: 'gold' }]] };
  const story = (before: (drill: Drill, goldId: string) => void): boolean => {
    const drill = new Drill({ agents: racks, allocator: {} });
    const goldId = drill.world.agents.get('agent-2')?.agent?.view().id ?? '';
    before(drill, goldId);
    // Others take all of gold that they may have.
    const others = worker({ cpus: 0.5, mem: 64 }, 100, rack => rack === 'gold');
    drill.framework('others', 'rest', others.program);
    drill.world.run('120s');
    const db = worker({ cpus: 2, mem: 256 }, 1);
    drill.framework('db', 'db', db.program, { offerConstraints: gold });
    return drill.runsUntil(() => db.seen.launched === 1, 60) !== undefined;
  };
  t.false(
    story(drill =>
      drill.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'db', guarantees: { cpus: 2, mem: 256 } }] }),
    ),
    'two cpus were kept, on the wrong machine',
  );
  t.true(
    story((drill, agentId) =>
      drill.operate({ type: 'RESERVE', agentId, resources: { cpus: 2, mem: 256 }, reservation: { role: 'db' } }),
    ),
  );
});

test('latency: what comes back waits for the next run over all agents; ours follows within a twentieth', t => {
  const story = (allocator: AllocatorOptions): number => {
    const drill = new Drill({ allocator, agents: [{ resources: { cpus: 1, mem: 512 } }] });
    let done = 0;
    // Twenty short tasks, one after the other, as each needs the whole machine.
    drill.framework('chain', 'chain', (framework, env) => {
      const queue = new LaunchQueue(env, framework);
      framework.updates$.subscribe(({ state }) => {
        if (state === 'TASK_FINISHED') done += 1;
      });
      for (let i = 0; i < 20; i += 1) {
        const env = { SIM_RUN: '100ms' };
        queue.add({
          key: `link-${i}`,
          tasks: [{ name: 'link', command: 'step', env, resources: { cpus: 1, mem: 64 } }],
        });
      }
    });
    return drill.runsUntil(() => done === 20, 300) ?? Number.POSITIVE_INFINITY;
  };
  const [slow, fast] = [story(asMesos), story({ patienceRuns: 0 })];
  t.true(slow >= 15, `${slow} s where each link waits for the next second`);
  t.true(fast <= 6, `${fast} s`);
});

test('a limit on a team binds all below it, also where a sub-role asks alone', t => {
  const drill = new Drill({ allocator: {}, agents: 2 });
  drill.operate({ type: 'UPDATE_QUOTA', quotas: [{ role: 'team', limits: { cpus: 2 } }] });
  const [left, right] = [worker(small, 10), worker(small, 10)];
  drill.framework('left', 'team/left', left.program);
  drill.framework('right', 'team/right', right.program);
  drill.world.run('60s');
  t.is(left.seen.launched + right.seen.launched, 2);
  t.is(
    drill.world.live().reduce((milli, { spec }) => milli + spec.cpusMilli, 0),
    2000,
  );
});
