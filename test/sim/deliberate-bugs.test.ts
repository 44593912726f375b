// The checkers see what they are for: each deliberate bug, put into an otherwise honest cluster from outside, is caught by the checker meant for it,
// with a message that names the invariant and the line that shows it again.
import { tasksOf } from '../../src/protocol/operations.js';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Master } from '../../src/master/master.js';
import type { AgentRecord, OfferRecord } from '../../src/master/state.js';
import type { ValidatedSchedulerCall } from '../../src/protocol/checked.js';
import type { Quota } from '../../src/allocator/index.js';
import { add, bagOf, equals, fromBag, volumesOf } from '../../src/resources/index.js';
import type { Resources } from '../../src/resources/index.js';
import { runScenario, SimulationFailure } from '../../src/sim/index.js';
import type { HistoryEvent, Mutations, ScenarioName } from '../../src/sim/index.js';
import { ConservationChecker } from '../../src/sim/checkers/conservation.js';
import { emptyView, watching } from '../support/world-view.js';

interface Bug {
  readonly name: string;
  readonly scenario: ScenarioName;
  readonly checker: string;
  readonly says: RegExp;
  /** Made anew for each seed. */
  readonly mutations: () => Mutations;
}

/** An allocator with some of its methods replaced. */
function replacing(methods: (inner: object) => object): NonNullable<Mutations['allocator']> {
  return inner =>
    new Proxy(inner, {
      get(target, key) {
        const own: unknown = Reflect.get(methods(target), key);
        if (own !== undefined) return own;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
      },
    });
}

/** Whether an ACCEPT takes the whole of one offer: then nothing comes back of it, and no assertion on the books speaks first. */
function takesAll(master: Master, call: ValidatedSchedulerCall): boolean {
  if (call.type !== 'ACCEPT' || call.offerIds.length !== 1) return false;
  const offer = master.view.offers.get(call.offerIds[0] ?? '');
  const tasks = call.operations.flatMap(tasksOf);
  return (
    offer !== undefined && tasks.length === 1 && tasks.every(task => equals(offer.resources, bagOf(task.resources)))
  );
}

/** The disk that volumes were made of. */
function withoutVolume(resources: Resources): Resources {
  return Object.fromEntries(Object.entries(resources).map(([key, value]) => [key.replace(/\[.*$/, ''), value]));
}

const bugs: readonly Bug[] = [
  {
    name: 'an offer is accepted twice: the master does not forget offers that were used',
    scenario: 'rogues',
    checker: 'offer life',
    says: /launched out of no outstanding offer: an offer was accepted twice \(R4\)/,
    mutations: () => {
      let used: OfferRecord[] = [];
      const offersOf = (master: Master): Map<string, OfferRecord> => master.view.offers as Map<string, OfferRecord>;
      return {
        beforeCall: (master, call) => {
          if (!takesAll(master, call)) for (const offer of used) offersOf(master).delete(offer.id);
          used = call.type === 'ACCEPT' ? call.offerIds.flatMap(id => master.view.offers.get(id) ?? []) : [];
        },
        afterCall: master => {
          for (const offer of used) offersOf(master).set(offer.id, offer);
        },
      };
    },
  },
  {
    name: 'a resource is returned twice: a declined offer is added to what is free once more',
    scenario: 'calm',
    checker: 'ledgers',
    says: /is not the total .* \(R2\)/,
    mutations: () => {
      let declined: OfferRecord[] = [];
      return {
        beforeCall: (master, call) => {
          declined = call.type === 'DECLINE' ? call.offerIds.flatMap(id => master.view.offers.get(id) ?? []) : [];
        },
        afterCall: master => {
          for (const offer of declined) {
            const agent = master.view.agents.get(offer.agentId) as AgentRecord;
            agent.free = add(agent.free, offer.resources);
          }
        },
      };
    },
  },
  {
    name: 'a resource is lost: the allocator keeps what the master gave back',
    scenario: 'calm',
    checker: 'ledgers',
    says: /the allocator .* \(R2\)/,
    mutations: () => {
      let calls = 0;
      return {
        allocator: replacing(inner => ({
          recover: (...args: unknown[]) => {
            calls += 1;
            if (calls !== 7) (Reflect.get(inner, 'recover') as (...args: unknown[]) => void).apply(inner, args);
          },
        })),
      };
    },
  },
  {
    name: 'the same resources are offered twice',
    scenario: 'calm',
    checker: 'conservation',
    says: /\(R1\)/,
    mutations: () => ({
      schedulerEvent: event => {
        if (event.type !== 'OFFERS') return [event];
        return [{ ...event, offers: event.offers.flatMap(offer => [offer, { ...offer, id: `${offer.id}-again` }]) }];
      },
    }),
  },
  {
    name: 'what is reserved to one role is offered to another',
    scenario: 'calm',
    checker: 'offer life',
    says: /for role .* holds cpus\(prod\) \(R10\)/,
    mutations: () => ({
      schedulerEvent: event => {
        if (event.type !== 'OFFERS') return [event];
        return [
          {
            ...event,
            offers: event.offers.map(offer => ('cpus(prod)' in offer.resources ? { ...offer, role: 'dev' } : offer)),
          },
        ];
      },
    }),
  },
  {
    name: 'a task gets more than its offer holds',
    scenario: 'calm',
    checker: 'offer life',
    says: /its offers have .* left \(R5\)/,
    mutations: () => ({
      agentEvent: event => {
        if (event.type !== 'LAUNCH') return [event];
        return [
          { ...event, tasks: event.tasks.map(task => ({ ...task, resources: { ...task.resources, cpus: 100 } })) },
        ];
      },
    }),
  },
  {
    name: 'offers of a lost agent are not rescinded',
    scenario: 'churn',
    checker: 'offer life',
    says: /was not rescinded in the same step \(R6\)/,
    mutations: () => ({
      schedulerEvent: event => (event.type === 'RESCIND' && event.why === 'AGENT_LOST' ? [] : [event]),
    }),
  },
  {
    name: 'offers expire too late',
    scenario: 'rogues',
    checker: 'offer life',
    says: /outstanding for \d+ ms \(R7: at most 30000\)/,
    mutations: () => ({ master: { offerTimeoutMs: 40_000 } }),
  },
  {
    name: 'a declined offer is made again at once: filters are forgotten',
    scenario: 'calm',
    checker: 'refusals',
    says: /refused for another .* \(R8\)/,
    mutations: () => ({
      allocator: replacing(inner => ({
        recover: (grant: unknown) =>
          (Reflect.get(inner, 'recover') as (grant: unknown, refuseMs: number) => void).call(inner, grant, 0),
      })),
    }),
  },
  {
    name: 'suppression is ignored',
    scenario: 'calm',
    checker: 'refusals',
    says: /has suppressed \(R9\)/,
    mutations: () => ({ allocator: replacing(() => ({ suppress: () => {} })) }),
  },
  {
    name: 'a task runs twice',
    scenario: 'calm',
    checker: 'task states',
    says: /is alive twice \(T2\)/,
    mutations: () => ({
      containerizer: inner => ({
        ...inner,
        launch: (spec, onEvent) => {
          inner.launch(spec, () => {});
          return inner.launch(spec, onEvent);
        },
      }),
    }),
  },
  {
    name: 'an ended task comes back to life',
    scenario: 'calm',
    checker: 'task states',
    says: /which is TASK_FINISHED, is TASK_RUNNING \(T3\)/,
    mutations: () => ({
      schedulerEvent: event => {
        if (event.type !== 'UPDATE' || event.status.state !== 'TASK_FINISHED') return [event];
        const { uuid: _uuid, ...status } = event.status;
        return [event, { ...event, status: { ...status, state: 'TASK_RUNNING' } }];
      },
    }),
  },
  {
    name: 'updates are acknowledged to the agent before the framework has them',
    scenario: 'calm',
    checker: 'task states',
    says: /is acknowledged to its agent, but no framework did so \(T5\)/,
    mutations: () => {
      let early: { frameworkId: string; taskId: string; uuid: string } | undefined;
      return {
        afterCall: (master, call) => {
          if (call.type !== 'ACKNOWLEDGE') return;
          const owner = [...master.view.frameworks.values()].find(framework => framework.tasks.has(call.taskId));
          early = owner === undefined ? undefined : { frameworkId: owner.id, taskId: call.taskId, uuid: 'made-up' };
        },
        agentEvent: event =>
          event.type === 'PING' && early !== undefined ? [event, { type: 'ACKNOWLEDGE', ...early }] : [event],
      };
    },
  },
  {
    name: 'resources come back while the container is still alive',
    scenario: 'calm',
    checker: 'ends',
    says: /is told to be .* while its container is alive \(T7\)/,
    mutations: () => ({
      containerizer: inner => ({
        ...inner,
        launch: (spec, onEvent) =>
          inner.launch(spec, event => {
            onEvent(event);
            if (event.type === 'STARTED') onEvent({ type: 'EXITED', exit: { exitCode: 0, oomKilled: false } });
          }),
      }),
    }),
  },
  {
    name: 'reconciliation denies what is alive',
    scenario: 'calm',
    checker: 'task states',
    says: /reconciliation says TASK_GONE of .*, which is alive \(T9\)/,
    mutations: () => ({
      schedulerEvent: event => {
        if (event.type !== 'UPDATE' || event.status.reason !== 'RECONCILIATION') return [event];
        return [{ ...event, status: { ...event.status, state: 'TASK_GONE' } }];
      },
    }),
  },
  {
    name: 'limits are acknowledged and forgotten',
    scenario: 'allocation',
    checker: 'quota',
    says: /of its limit of .* \(R12\)/,
    mutations: () => ({ allocator: replacing(() => ({ setQuota: () => {} })) }),
  },
  {
    name: 'what guarantees need is given to others',
    scenario: 'allocation',
    checker: 'quota',
    says: /leaves .* that guarantees need \(R13\)/,
    mutations: () => ({
      allocator: replacing(inner => ({
        setQuota: (role: string, quota: Quota | undefined) => {
          const set = Reflect.get(inner, 'setQuota') as (role: string, quota: Quota | undefined) => void;
          set.call(inner, role, quota === undefined ? undefined : { ...quota, guarantees: new Map() });
        },
      })),
    }),
  },
  {
    name: 'nobody is looked after who waits while others sit on offers',
    scenario: 'hoarding',
    checker: 'starvation',
    says: /waits in role .* would do \(R14\)/,
    mutations: () => ({ allocatorOptions: { patienceRuns: 0 } }),
  },
  {
    name: 'volumes are kept in the books alone',
    scenario: 'allocation',
    checker: 'volumes',
    says: /starts on .*, which is not there \(R11\)/,
    mutations: () => ({
      volumes: inner => ({
        path: name => inner.path(name),
        open: () => {},
        make: () => {},
        retire: () => {},
        restore: () => {},
        purge: () => {},
      }),
    }),
  },
  {
    name: 'a volume is destroyed while a container has it',
    scenario: 'allocation',
    checker: 'volumes',
    says: /DESTROY takes .* from container .* \(R11\)/,
    mutations: () => {
      let used: Resources = {};
      return {
        agentEvent: event => {
          if (event.type === 'LAUNCH') {
            const [first] = event.tasks.flatMap(task => volumesOf(bagOf(task.resources)));
            if (first !== undefined) used = fromBag([first.resource]);
          }
          if (event.type !== 'PING' || Object.keys(used).length === 0) return [event];
          const uuid = 'made-up';
          return [
            event,
            { type: 'APPLY_OPERATION', uuid, kind: 'DESTROY', consumed: used, produced: withoutVolume(used) },
          ];
        },
      };
    },
  },
  {
    name: 'an operation makes more than it takes',
    scenario: 'allocation',
    checker: 'volumes',
    says: /RESERVE .* makes .* of .* \(R11\)/,
    mutations: () => ({
      agentEvent: event =>
        event.type === 'APPLY_OPERATION' && event.kind === 'RESERVE'
          ? [{ ...event, produced: { ...event.produced, gpus: 1 } }]
          : [event],
    }),
  },
  {
    name: 'nothing is offered as if it were something',
    scenario: 'calm',
    checker: 'quantities',
    says: /has gpus:0 \(R15\)/,
    mutations: () => ({
      schedulerEvent: event => {
        if (event.type !== 'OFFERS') return [event];
        return [
          { ...event, offers: event.offers.map(each => ({ ...each, resources: { ...each.resources, gpus: 0 } })) },
        ];
      },
    }),
  },
  {
    name: 'acknowledgements never reach the agents',
    scenario: 'calm',
    checker: 'convergence',
    // The agents repeat the oldest update for ever, so that no later one gets through.
    says: /job .* TASK_RUNNING/,
    mutations: () => ({ agentEvent: event => (event.type === 'ACKNOWLEDGE' ? [] : [event]) }),
  },
  {
    name: 'something throws',
    scenario: 'calm',
    checker: 'crash',
    says: /the disk is on fire/,
    mutations: () => ({
      containerizer: () => ({
        types: ['PROCESS'],
        launch: () => {
          throw new Error('the disk is on fire');
        },
        close: () => {},
      }),
    }),
  },
];

test('under optimistic commit what is offered to several does not count, and what runs does', t => {
  const checker = new ConservationChecker();
  const { tell, said } = watching(checker, emptyView({ optimistic: true }));
  const at = { session: 1, node: 'agent-1' };
  const info = {
    hostname: 'agent-1',
    port: 0,
    resources: { cpus: 4 },
    attributes: {},
    containerizers: [],
    version: '1',
  };
  const master = { id: 'm', hostname: 'm', port: 0, version: '1' };
  tell({ type: 'SESSION', kind: 'AGENT', ...at, open: true });
  tell({
    type: 'AGENT_CALL',
    ...at,
    call: { type: 'REGISTER', agent: info, frameworks: [], tasks: [], executors: [], more: false },
  });
  tell({
    type: 'AGENT_EVENT',
    ...at,
    event: { type: 'REGISTERED', agentId: 's1', master, pingTimeoutMs: 1000, reconcile: [] },
  });
  const offer = {
    agentId: 's1',
    hostname: 'agent-1',
    port: 0,
    role: '*',
    attributes: {},
    containerizers: [],
    executorIds: [],
  };
  const offers = ['o1', 'o2'].map(id => ({
    ...offer,
    id,
    frameworkId: `f-${id}`,
    resources: { cpus: 4 },
    expiresInMs: 1,
  }));
  tell({ type: 'SCHEDULER_EVENT', session: 2, node: 'both', event: { type: 'OFFERS', offers } });
  const launch = (taskId: string): HistoryEvent => ({
    type: 'AGENT_EVENT',
    ...at,
    event: {
      type: 'LAUNCH',
      framework: { id: `f-${taskId}`, name: 'f', roles: ['*'] },
      tasks: [{ taskId, name: 't', command: { value: 'run' }, resources: { cpus: 3 } }],
    },
  });
  tell(launch('o1'));
  t.deepEqual(said, []);
  tell(launch('o2'));
  t.regex(said.join(), /task o2 overcommits s1: offered nothing \+ used 6 cpus > total 4 cpus \(R1\)/);
});

const seedsMax = 12;

for (const bug of bugs) {
  test(bug.name, t => {
    const failure = firstFailure(t, bug);
    t.is(failure?.checker, bug.checker, failure?.describe());
    t.regex(failure?.what ?? '', bug.says);
    t.regex(
      failure?.message ?? '',
      new RegExp(
        `^${bug.checker} broke at step [\\d,]+ [\\s\\S]*reproduce: npm run sim -- --seed \\d+ --scenario ${bug.scenario}$`,
      ),
    );
  });
}

function firstFailure(t: ExecutionContext, bug: Bug): SimulationFailure | undefined {
  for (let seed = 1; seed <= seedsMax; seed += 1) {
    try {
      runScenario(bug.scenario, seed, { mutations: bug.mutations(), settleMs: 300_000 });
    } catch (error) {
      if (error instanceof SimulationFailure) return error;
      throw error;
    }
  }
  t.fail(`not caught within ${seedsMax} seeds`);
  return undefined;
}
