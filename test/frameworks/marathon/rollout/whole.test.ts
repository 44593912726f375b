// All decisions together, with a glue of a few lines, on a real master under virtual time: deployments end, also when another leader takes over in any of their steps.
import test from 'ava';
import type { Framework, Offer, TaskStatus } from 'proffer';
import { bagOf } from 'proffer';
import { cluster } from 'proffer/testing';
import type { Cluster } from 'proffer/testing';
import { seededRandom } from '../../../../src/env/random.js';
import type { InstanceEvent } from '../../../../frameworks/marathon/machine/events.js';
import { instanceIdOf } from '../../../../frameworks/marathon/machine/ids.js';
import { isCurrent, newInstance } from '../../../../frameworks/marathon/machine/instance.js';
import type { Instance } from '../../../../frameworks/marathon/machine/instance.js';
import { step } from '../../../../frameworks/marathon/machine/step.js';
import { ownershipOf } from '../../../../frameworks/marathon/machine/strangers.js';
import { matchRound } from '../../../../frameworks/marathon/match/round.js';
import { runSpecAt, runSpecsOf } from '../../../../frameworks/marathon/model/group.js';
import type { Group } from '../../../../frameworks/marathon/model/group.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import { planDeployment, runSpecOf } from '../../../../frameworks/marathon/plan/plan.js';
import type { DeploymentPlan } from '../../../../frameworks/marathon/plan/plan.js';
import { advanced, beginning, currentStep } from '../../../../frameworks/marathon/plan/progress.js';
import type { Standing } from '../../../../frameworks/marathon/plan/progress.js';
import { LaunchBook } from '../../../../frameworks/marathon/queue/launch-book.js';
import { rollout } from '../../../../frameworks/marathon/rollout/rollout.js';
import type { Rollout } from '../../../../frameworks/marathon/rollout/rollout.js';
import { describeWaiting } from '../../../../frameworks/marathon/rollout/waiting.js';
import { app, tree, versionOf } from '../machine/samples.js';

/** What is stored. */
interface Stored {
  tree: Group;
  instances: Map<string, Instance>;
  deployment: { plan: DeploymentPlan; standing: Standing } | undefined;
  made: number;
}

class Leader {
  readonly stored: Stored;
  waits = '';
  readonly #cluster: Cluster;
  readonly #framework: Framework;
  readonly #book: LaunchBook;

  constructor(c: Cluster, framework: Framework, stored: Stored) {
    this.#cluster = c;
    this.#framework = framework;
    this.stored = stored;
    this.#book = new LaunchBook(c.nowMs);
    for (const spec of runSpecsOf(stored.tree)) this.#book.define(spec, this.#of(spec.id));
    this.look();
  }

  deploy(target: Group, id: string): void {
    const plan = planDeployment(this.stored.tree, target, { id });
    this.stored.tree = target;
    this.stored.deployment = { plan, standing: beginning(plan, this.#cluster.nowMs) };
    for (const spec of runSpecsOf(target)) this.#book.define(spec, this.#of(spec.id));
    this.look();
  }

  look(): void {
    for (let { deployment } = this.stored; deployment !== undefined; { deployment } = this.stored) {
      const { plan, standing } = deployment;
      const current = currentStep(plan, standing);
      if (current === undefined) {
        this.stored.deployment = undefined;
        break;
      }
      const looks = current.actions.flatMap(action => {
        const spec = runSpecOf(plan, action);
        return spec === undefined ? [] : [this.#roll(spec, () => rollout(action, this.#view(spec)))];
      });
      this.waits = looks.map(({ waitingFor }) => describeWaiting(waitingFor)).join('; ');
      const done = looks.every(each => each.done);
      const left = looks.reduce((sum, each) => sum + each.left, 0);
      deployment.standing = advanced(plan, standing, { done, left }, this.#cluster.nowMs).standing;
      if (!done) break;
    }
    if (this.stored.deployment !== undefined) return;
    for (const spec of runSpecsOf(this.stored.tree))
      this.#roll(spec, () => rollout({ type: 'Keep' }, this.#view(spec)));
  }

  offered(offer: Offer): void {
    const now = this.#cluster.nowMs;
    const context = { now, frameworkId: 'f', random: seededRandom(now), versionText: String };
    const open = { offer, left: bagOf(offer.resources) };
    const limits = { instancesMax: 5, tokens: this.#book.tokens(now) };
    const round = matchRound(open, this.#book.contenders(now, 3, 5), limits, context);
    this.#book.tried(offer, round, now);
    for (const { instance, fit } of round.starts) this.tell(instance.id, fit.event);
    if (round.starts.length === 0) this.#framework.decline([offer], { refuseMs: 500 });
    else
      this.#framework.accept(
        offer,
        round.starts.flatMap(({ fit }) => fit.requests),
        { refuseMs: 0 },
      );
  }

  updated(status: TaskStatus): void {
    const owner = ownershipOf(status, id => this.stored.instances.has(id));
    if (owner.type === 'KILL') this.#framework.kill(status.taskId);
    if (owner.type === 'KNOWN') this.tell(owner.instanceId, { type: 'STATUS', status });
    this.look();
  }

  tell(id: string, event: InstanceEvent): void {
    const before = this.stored.instances.get(id);
    if (before === undefined) throw new Error(`${id} is unknown`);
    const now = this.#cluster.nowMs;
    const { instance, effects } = step(before, event, now);
    if (instance === undefined) this.stored.instances.delete(id);
    else this.stored.instances.set(id, instance);
    for (const effect of effects) {
      if (effect.type === 'KILL_TASKS') for (const taskId of effect.taskIds) this.#framework.kill(taskId);
      if (effect.type === 'ENDED' && effect.counts) this.#book.failed(before, now);
      if (effect.type === 'RUNS') this.#book.runs(before, now);
    }
    this.#book.note(before.runSpecId, id, instance);
  }

  #roll(spec: RunSpec, ask: () => Rollout): Rollout {
    const asked = ask();
    for (const id of asked.kill) this.tell(id, { type: 'GOAL', goal: asked.killGoal });
    for (const id of asked.renew) this.tell(id, { type: 'RENEW', spec });
    for (let count = 0; count < asked.launch; count += 1) {
      this.stored.made += 1;
      const made = newInstance(instanceIdOf(spec.id, `n${this.stored.made}`), spec, this.#cluster.nowMs);
      this.stored.instances.set(made.id, made);
      this.#book.note(spec.id, made.id, made);
    }
    return asked;
  }

  #view(spec: RunSpec) {
    const why = this.#book.whyWaiting(spec.id, this.#cluster.nowMs);
    return {
      spec,
      instances: this.#of(spec.id),
      isReady: () => true,
      now: this.#cluster.nowMs,
      ...(why === undefined ? {} : { whyWaiting: why }),
    };
  }

  #of(id: string): Instance[] {
    return [...this.stored.instances.values()].filter(({ runSpecId }) => runSpecId === id);
  }
}

class Site {
  readonly c: Cluster;
  leader: Leader;
  readonly #framework: Framework;

  constructor(seed: number) {
    const agent = { resources: { cpus: 4, mem: 1024 } };
    this.c = cluster({ agents: [agent, agent, agent], seed });
    this.#framework = this.c.connect({ name: 'marathon', roles: ['*'] });
    const stored: Stored = { tree: tree(), instances: new Map(), deployment: undefined, made: 0 };
    this.leader = new Leader(this.c, this.#framework, stored);
    this.#framework.offers$.subscribe(offer => this.leader.offered(offer));
    this.#framework.updates$.subscribe(status => this.leader.updated(status));
  }

  /** Another leader, who knows what is stored and nothing else. */
  failover(): void {
    this.leader = new Leader(this.c, this.#framework, structuredClone(this.leader.stored));
  }

  get running(): Instance[] {
    return [...this.leader.stored.instances.values()].filter(({ condition }) => condition === 'Running');
  }

  settle(): void {
    this.c.runUntil(() => this.leader.stored.deployment === undefined, '300s');
    if (this.leader.stored.deployment !== undefined) throw new Error(`no end: ${this.leader.waits}`);
  }
}

const strategy = { minimumHealthCapacity: 1, maximumOverCapacity: 0.34 };

function web(config: number, more = {}): RunSpec {
  const resources = { cpus: 1, mem: 64, disk: 0, gpus: 0 };
  return app({
    cmd: 'serve',
    instances: 3,
    upgradeStrategy: strategy,
    versionInfo: versionOf(config),
    resources,
    ...more,
  });
}

test('an app is deployed, rolled over, scaled, and stopped', t => {
  const site = new Site(3);
  site.leader.deploy(tree(web(1)), 'd1');
  site.settle();
  t.is(site.c.running(), 3);
  site.leader.deploy(tree(web(2)), 'd2');
  let least = 3;
  while (site.leader.stored.deployment !== undefined) {
    site.c.run('50ms');
    least = Math.min(least, site.c.running());
  }
  t.is(least, 3, 'never fewer than the minimum');
  t.true(site.running.every(instance => isCurrent(instance, runSpecAt(site.leader.stored.tree, '/web') as RunSpec)));
  t.is(site.leader.stored.made, 6, 'three and three');
  const more = web(2, { instances: 5, versionInfo: versionOf(2, 3) });
  site.leader.deploy(tree(more, app({ id: '/after', cmd: 'serve', dependencies: ['/web'] })), 'd3');
  site.settle();
  t.is(site.c.running(), 6);
  t.is(site.leader.stored.made, 9, 'scaling restarts nothing');
  site.leader.deploy(tree(), 'd4');
  site.settle();
  t.is(site.c.running(), 0);
  t.is(site.leader.stored.instances.size, 0);
});

test('a leader that dies at any moment of a rollout is followed by one that goes on from there', t => {
  for (let diesAfterMs = 0; diesAfterMs <= 3000; diesAfterMs += 150) {
    const site = new Site(diesAfterMs + 1);
    site.leader.deploy(tree(web(1)), 'd1');
    site.settle();
    site.leader.deploy(tree(web(2)), 'd2');
    const standing = new Set<string>();
    let least = 3;
    let most = 3;
    for (let ms = 0; site.leader.stored.deployment !== undefined && ms < 120_000; ms += 50) {
      if (ms % 150 === 0 && ms <= diesAfterMs) site.failover();
      site.c.run('50ms');
      least = Math.min(least, site.c.running());
      most = Math.max(most, site.c.running());
      const spec = runSpecAt(site.leader.stored.tree, '/web') as RunSpec;
      for (const id of standing)
        t.true(
          site.running.some(each => each.id === id),
          `${id} was current and healthy`,
        );
      for (const instance of site.running) if (isCurrent(instance, spec)) standing.add(instance.id);
    }
    t.is(site.leader.stored.deployment, undefined, site.leader.waits);
    t.is(site.leader.stored.made, 6, 'nothing is doubled');
    t.deepEqual([least, site.c.running()], [3, 3]);
    t.true(most <= 4, 'never more than the capacity');
  }
});

test('a deployment that waits says for what, and goes on when it comes', t => {
  const site = new Site(8);
  site.leader.deploy(tree(web(1, { resources: { cpus: 3, mem: 64, disk: 0, gpus: 0 }, instances: 4 })), 'd1');
  site.c.run('10s');
  site.leader.look();
  t.is(site.leader.waits, '1 instance to be launched (InsufficientCpus on 3 agents)');
  site.c.world.addAgent({ resources: { cpus: 4, mem: 1024 } });
  site.settle();
  t.is(site.c.running(), 4);
});
