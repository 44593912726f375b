// Volumes and lent cpus in a real cluster: an agent that is killed, or told to end, and started again still has them, and their data.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { filter, firstValueFrom } from 'rxjs';
import type { Bag, Framework, Offer, TaskStatus } from '../../src/index.js';
import {
  bagOf,
  connect,
  createVolume,
  destroyVolume,
  fromBag,
  isTerminal,
  launch,
  reserve,
  sum,
} from '../../src/index.js';
import { Cli, eventually, tempDir } from '../support/cli.js';

const volume = 'disk(ads,dynamic)[db-0:data]';

/** A master, one agent, and a framework of the role `ads` that takes lent cpus, too. */
class Cluster {
  readonly home = tempDir();
  readonly #master: Cli;
  #url = '';
  #agent: Cli | undefined;
  #framework: Framework | undefined;
  offers: readonly Offer[] = [];

  constructor() {
    const where = ['--port', '0', '--work-dir', this.home.path];
    this.#master = new Cli(['master', ...where, '--log-format', 'json'], { cwd: this.home.path });
  }

  get framework(): Framework {
    if (this.#framework === undefined) throw new Error('not started');
    return this.#framework;
  }

  async start(): Promise<void> {
    const [, url = ''] = await this.#master.until(/"url":"(http:[^"]+)"/);
    this.#url = url;
    this.#framework = await connect({
      master: url.replace(/^http/, 'ws'),
      name: 'database',
      roles: ['ads'],
      capabilities: ['REVOCABLE_RESOURCES', 'PARTITION_AWARE'],
    });
    this.framework.offers$.subscribe(offer => (this.offers = [...this.offers, offer]));
    this.framework.rescinds$.subscribe(gone => (this.offers = this.offers.filter(offer => !gone.includes(offer))));
  }

  startAgent(...more: readonly string[]): Cli {
    const where = ['--port', '0', '--work-dir', this.home.path, '--containerizer', 'process', '--cgroups', 'off'];
    const what = more.includes('--resources') ? more : ['--resources', 'cpus:2;mem:512;disk:1000', ...more];
    this.#agent = new Cli(['agent', '--master', this.#url, ...where, ...what], { cwd: this.home.path });
    return this.#agent;
  }

  /** The agent ends by this signal. */
  async endAgent(signal: 'SIGKILL' | 'SIGINT'): Promise<void> {
    this.#agent?.signal(signal);
    await this.#agent?.ended;
    this.offers = [];
  }

  /** An offer with `key`, taken out of those in hand. */
  async offerWith(key: string): Promise<Offer> {
    const found = (): Offer | undefined => this.offers.find(offer => key in offer.resources);
    await eventually(`an offer with ${key}`, () => found() !== undefined);
    const offer = found() as Offer;
    this.offers = this.offers.filter(one => one !== offer);
    return offer;
  }

  /** Accepts, waits for the task's end, and gives what it printed. */
  async run(
    offer: Offer,
    requests: Parameters<Framework['accept']>[1],
  ): Promise<{ status: TaskStatus; stdout: string }> {
    const [task] = this.framework.accept(offer, requests, { refuseMs: 0 });
    // After an agent's end, the end of the task before may come once more.
    const status = await firstValueFrom(
      this.framework.updates$.pipe(filter(({ taskId, state }) => taskId === task?.taskId && isTerminal(state))),
    );
    const agent = (await (await fetch(`http://127.0.0.1:${offer.port}/state`)).json()) as {
      readonly tasks: readonly { readonly id: string; readonly sandbox?: string }[];
      readonly completedTasks: readonly { readonly id: string; readonly sandbox?: string }[];
    };
    const { sandbox = '' } = [...agent.tasks, ...agent.completedTasks].find(({ id }) => id === task?.taskId) ?? {};
    return { status, stdout: readFileSync(join(sandbox, 'stdout'), 'utf8') };
  }

  async stop(): Promise<void> {
    this.#framework?.close();
    await this.endAgent('SIGINT');
    this.#master.signal('SIGTERM');
    await this.#master.ended;
    this.home.remove();
  }
}

const script = (command: string): ReturnType<typeof launch> =>
  launch({ name: 'job', command, resources: { cpus: 0.1, mem: 32, [volume]: 60 } });

test('reserve, create, write; the agent is killed; read; it says goodbye; read again; destroy', async t => {
  const cluster = new Cluster();
  t.teardown(() => cluster.stop());
  await cluster.start();
  cluster.startAgent();
  const wrote = await cluster.run(await cluster.offerWith('disk'), [
    reserve({ disk: 100 }, { role: 'ads' }),
    createVolume({ id: 'db-0', disk: 60, containerPath: 'data' }),
    script('echo kept > data/file'),
  ]);
  t.is(wrote.status.state, 'TASK_FINISHED', wrote.status.message);
  const first = await cluster.offerWith(volume);
  t.is(first.resources[volume], 60);

  await cluster.endAgent('SIGKILL');
  cluster.startAgent();
  const again = await cluster.offerWith(volume);
  t.is(again.agentId, first.agentId, 'it is the same agent');
  t.is((await cluster.run(again, [script('cat data/file')])).stdout, 'kept\n');

  await cluster.endAgent('SIGINT');
  cluster.startAgent();
  const other = await cluster.offerWith(volume);
  t.not(other.agentId, first.agentId, 'to the master it is another');
  t.is((await cluster.run(other, [script('cat data/file')])).stdout, 'kept\n');

  const destroyed = firstValueFrom(cluster.framework.operations$);
  cluster.framework.accept(await cluster.offerWith(volume), [destroyVolume('db-0', 'gone')], { refuseMs: 0 });
  t.like(await destroyed, { operationId: 'gone', state: 'OPERATION_FINISHED' });
  const back = (): Bag => sum(cluster.offers.map(({ resources }) => bagOf(resources)));
  await eventually('the disk is back', () => fromBag(back())['disk(ads,dynamic)'] === 100);
  await cluster.endAgent('SIGINT');
  const refused = cluster.startAgent('--resources', 'cpus:2;mem:512;disk:50');
  t.is(await refused.ended, 1);
  t.regex(refused.stderr, /disk short by 50 \(wanted 100, have 50\)/);
});

test('lent cpus are offered apart, run tasks, and go when the agent lends no more', async t => {
  const cluster = new Cluster();
  t.teardown(() => cluster.stop());
  await cluster.start();
  cluster.startAgent('--resource-estimator', 'fixed:cpus=3');
  const offer = await cluster.offerWith('cpus{revocable}');
  t.like(offer.resources, { cpus: 2, 'cpus{revocable}': 3 });
  const lent = launch({ name: 'guest', command: 'echo $CPUS', resources: { 'cpus{revocable}': 2, mem: 32 } });
  t.is((await cluster.run(offer, [lent])).stdout, '2\n');
  await cluster.endAgent('SIGKILL');
  cluster.startAgent();
  t.false('cpus{revocable}' in (await cluster.offerWith('cpus')).resources);
});
