// What the matcher says, the production master and agents have to agree to: apps and pods of every shape in a cluster under virtual time.
import test from 'ava';
import type { Framework, Offer, TaskStatus } from 'proffer';
import { bagOf } from 'proffer';
import { cluster } from 'proffer/testing';
import type { Cluster } from 'proffer/testing';
import { seededRandom } from '../../../../src/env/random.js';
import { instanceIdOf } from '../../../../frameworks/marathon/machine/ids.js';
import { newInstance } from '../../../../frameworks/marathon/machine/instance.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import { step } from '../../../../frameworks/marathon/machine/step.js';
import { matchRound } from '../../../../frameworks/marathon/match/round.js';
import type { RoundContender } from '../../../../frameworks/marathon/match/round.js';
import { Placements } from '../../../../frameworks/marathon/match/placements.js';
import { Spread } from '../../../../frameworks/marathon/match/spread.js';
import type { AppDefinition } from '../../../../frameworks/marathon/model/app.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import { app, constraint, container, noon, pod } from '../machine/samples.js';

/** A Marathon of a few lines: waiting instances, offers in hand, and what became of them. */
class Small {
  readonly instances = new Map<string, Instance>();
  readonly ends: TaskStatus[] = [];
  readonly #cluster: Cluster;
  readonly #framework: Framework;
  readonly #contenders: (Omit<RoundContender, 'waiting'> & { readonly spec: RunSpec })[];

  constructor(c: Cluster, specs: readonly RunSpec[]) {
    this.#cluster = c;
    this.#framework = c.connect({ name: 'marathon', roles: ['ads'] });
    this.#contenders = specs.map(spec => {
      const count = spec.instances === '*' ? 3 : spec.instances;
      for (let at = 0; at < count; at += 1) {
        const instance = newInstance(instanceIdOf(spec.id, `i${at}`), spec, noon);
        this.instances.set(instance.id, instance);
      }
      return { spec, placed: Placements.of(spec, []), spread: new Spread(), agents: 3 };
    });
    this.#framework.updates$.subscribe(status => this.#update(status));
    this.#framework.offers$.subscribe(offer => this.#offer(offer));
  }

  /** Until all run, or the time is over; the conditions then. */
  run(): Record<string, string> {
    const all = (): Instance[] => [...this.instances.values()];
    this.#cluster.runUntil(
      () => this.ends.length > 0 || all().every(({ condition }) => condition === 'Running'),
      '120s',
    );
    return Object.fromEntries(all().map(({ id, condition }) => [id, condition]));
  }

  #offer(offer: Offer): void {
    const contenders = this.#contenders.map(contender => ({
      ...contender,
      waiting: [...this.instances.values()].filter(
        ({ runSpecId, condition }) => runSpecId === contender.spec.id && condition === 'Scheduled',
      ),
    }));
    const context = { now: noon, frameworkId: 'f-1', random: seededRandom(4), versionText: String };
    const open = { offer, left: bagOf(offer.resources) };
    const { starts } = matchRound(open, contenders, { instancesMax: 5, tokens: 100 }, context);
    for (const { instance, fit } of starts) {
      const { instance: sent } = step(instance, fit.event, noon);
      if (sent !== undefined) this.instances.set(sent.id, sent);
    }
    if (starts.length === 0) this.#framework.decline([offer]);
    else
      this.#framework.accept(
        offer,
        starts.flatMap(({ fit }) => fit.requests),
        { refuseMs: 0 },
      );
  }

  #update(status: TaskStatus): void {
    for (const instance of this.instances.values()) {
      if (!instance.tasks.some(({ id }) => id === status.taskId)) continue;
      const { instance: after, effects } = step(instance, { type: 'STATUS', status }, noon);
      if (effects.some(({ type }) => type === 'ENDED')) this.ends.push(status);
      if (after !== undefined) this.instances.set(after.id, after);
    }
  }
}

const resources = { cpus: 4, 'cpus(ads)': 2, mem: 4096, 'mem(ads)': 512, disk: 1000, ports: [[31000, 31009]] as const };
const endpoint = { protocol: ['tcp'], networkNames: [], labels: {} };
const everything: Partial<AppDefinition> = {
  role: 'ads',
  cmd: 'serve',
  labels: { tier: 'front end', HAPROXY_0_VHOST: 'a.b' },
  env: { A: 'b' },
  user: 'root',
  fetch: [{ uri: 'http://files.example/a.tgz', extract: true, executable: false, cache: false, destPath: 'a.tgz' }],
  portDefinitions: [
    { port: 10_000, protocol: 'tcp', name: 'http', labels: { VIP: '1' } },
    { port: 10_001, protocol: 'udp,tcp', labels: {} },
  ],
  healthChecks: [
    {
      protocol: 'MESOS_TCP',
      portIndex: 0,
      ipProtocol: 'IPv4',
      gracePeriodMs: 1000,
      intervalMs: 1000,
      timeoutMs: 500,
      delayMs: 0,
      maxConsecutiveFailures: 0,
    },
  ],
  resourceLimits: { cpus: 'unlimited', mem: 256 },
  taskKillGracePeriodMs: 2000,
};

test('apps and pods with all they can say are taken by a real master, and run', t => {
  const docker = { image: 'nginx', forcePullImage: false, privileged: false, parameters: [] };
  const mapping = {
    containerPort: 80,
    hostPort: 0,
    servicePort: 10_002,
    protocol: 'tcp' as const,
    labels: {},
    networkNames: [],
  };
  const specs = [
    app({ ...everything, id: '/shop/web', instances: 3 }),
    app({
      role: 'ads',
      id: '/shop/proxy',
      cmd: 'serve',
      networks: [{ mode: 'container/bridge', labels: {} }],
      container: { type: 'DOCKER', docker, volumes: [], portMappings: [mapping] },
    }),
    app({ role: 'ads', id: '/args', args: ['serve', '--now'], acceptedResourceRoles: ['ads'] }),
    pod({
      role: 'ads',
      id: '/duo',
      containers: [
        container('one', {
          exec: { command: { shell: 'serve' } },
          endpoints: [{ ...endpoint, name: 'http', hostPort: 0 }],
        }),
        container('two', { exec: { command: { argv: ['serve'] } } }),
      ],
    }),
  ];
  const c = cluster({ agents: [{ resources }, { resources }], seed: 9 });
  const small = new Small(c, specs);
  const conditions = small.run();
  t.deepEqual(small.ends, []);
  t.deepEqual(new Set(Object.values(conditions)), new Set(['Running']), JSON.stringify(conditions));
  t.is(c.running(), 7, 'five tasks of apps, two of the pod');
  const names = c.tasks().map(({ name }) => name);
  t.deepEqual([...new Set(names)].sort(), ['args', 'one', 'proxy.shop', 'two', 'web.shop']);
});

test('one on each agent, and racks apart, over real offers', t => {
  const agents = [0, 1, 2].map(at => ({ resources, attributes: { rack: `r${at % 2}` } }));
  const c = cluster({ agents, seed: 2 });
  const specs = [
    app({ role: 'ads', id: '/each', cmd: 'serve', instances: '*' }),
    app({ role: 'ads', id: '/racks', cmd: 'serve', instances: 2, constraints: [constraint('rack', 'UNIQUE')] }),
  ];
  const small = new Small(c, specs);
  t.deepEqual(new Set(Object.values(small.run())), new Set(['Running']));
  const of = (id: string): Instance[] => [...small.instances.values()].filter(({ runSpecId }) => runSpecId === id);
  t.is(new Set(of('/each').map(({ place }) => place?.agentId)).size, 3);
  t.is(new Set(of('/racks').map(({ place }) => place?.attributes['rack'])).size, 2);
});
