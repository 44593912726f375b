// A cluster under an operator's hands, with real processes and sockets: maintenance with inverse offers, drains, quota, reservations and volumes.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import { filter, firstValueFrom } from 'rxjs';
import type { InverseOffer, Offer } from '../../src/protocol/entities.js';
import type { AgentView, MaintenanceView, OperationView, QuotaView } from '../../src/protocol/operator-api.js';
import { connect } from '../../src/scheduler/connect.js';
import type { Framework } from '../../src/scheduler/framework.js';
import { launch } from '../../src/scheduler/launch.js';
import { Cli, cli, eventually, tempDir } from '../support/cli.js';

const home = tempDir();
const hosts = ['node-1', 'node-2'] as const;
const agents = new Map<string, Cli>();
let master: Cli;
let masterUrl: string;
let framework: Framework;
let open: readonly Offer[] = [];

function proffer(...args: readonly string[]): ReturnType<typeof cli> {
  return cli(args, { cwd: home.path, env: { PROFFER_MASTER: masterUrl } });
}

async function get<T>(path: string): Promise<T> {
  return (await (await fetch(masterUrl + path)).json()) as T;
}

async function agentOn(host: string): Promise<AgentView | undefined> {
  const [agent] = await get<AgentView[]>(`/agents?hostname=${host}`);
  return agent;
}

function startAgent(host: string): Cli {
  const where = ['--port', '0', '--hostname', host, '--work-dir', join(home.path, host), '--containerizer', 'process'];
  const what = ['--resources', 'cpus:2;mem:1024;disk:4096', '--cgroups', 'off'];
  const agent = new Cli(['agent', '--master', masterUrl, ...where, ...what], { cwd: home.path });
  agents.set(host, agent);
  return agent;
}

/** The open offer of a host, as soon as there is one that fits. */
async function offerOf(host: string, fits: (offer: Offer) => boolean = () => true): Promise<Offer> {
  const found = (): Offer | undefined => open.find(offer => offer.hostname === host && fits(offer));
  await eventually(`an offer of ${host}`, () => found() !== undefined);
  return found() as Offer;
}

/** The id of a task that sleeps on `host`. */
async function sleepOn(host: string): Promise<string> {
  const offer = await offerOf(host);
  const request = launch({ name: 'sleeper', command: 'sleep 600', resources: { cpus: 0.1, mem: 32 } });
  const taskId = framework.accept(offer, [request], { refuseMs: 0 })[0]?.taskId ?? '';
  open = open.filter(one => one !== offer);
  await firstValueFrom(
    framework.updates$.pipe(filter(status => status.taskId === taskId && status.state === 'TASK_RUNNING')),
  );
  return taskId;
}

test.before(async () => {
  master = new Cli(['master', '--port', '0', '--work-dir', home.path, '--log-format', 'json'], { cwd: home.path });
  const [, url = ''] = await master.until(/"url":"(http:[^"]+)"/);
  masterUrl = url;
  for (const host of hosts) startAgent(host);
  framework = await connect({
    master: url.replace(/^http/, 'ws'),
    name: 'tenant',
    roles: ['ads'],
    capabilities: ['PARTITION_AWARE'],
  });
  framework.offers$.subscribe(offer => {
    open = [...open, offer];
  });
  framework.rescinds$.subscribe(offers => {
    open = open.filter(offer => !offers.includes(offer));
  });
  for (const host of hosts)
    await eventually(`${host} is registered`, async () => (await agentOn(host))?.liveness === 'REGISTERED');
});

test.after.always(async () => {
  await framework.teardown();
  for (const child of [...agents.values(), master]) {
    child.signal('SIGINT');
    await child.ended;
  }
  home.remove();
});

test.serial('maintenance: planned, answered by the framework, started, stopped', async t => {
  const taskId = await sleepOn('node-1');
  const asked: Promise<InverseOffer> = firstValueFrom(framework.inverseOffers$);
  const planned = await proffer('maintenance', 'schedule', 'node-1', '--start', '+1h', '--for', '30m');
  t.is(planned.code, 0, planned.stderr);
  t.regex(planned.stdout, /^planned for 1 machine: \S+Z \(in (1h|59m 59s)\) for 30m$/m);
  const inverse = await asked;
  t.like(inverse, { hostname: 'node-1', unavailability: { durationMs: 1_800_000 } });
  t.regex((await proffer('maintenance', 'status')).stdout, /^node-1 +DRAINING .* 30m +tenant has not answered$/m);
  framework.acceptInverse(inverse);
  await eventually('the answer is seen', async () => {
    const { machines } = await get<MaintenanceView>('/maintenance');
    return machines[0]?.inverseOffers[0]?.answer === 'ACCEPT';
  });
  t.regex((await proffer('maintenance', 'status')).stdout, /^node-1 .* tenant leaves$/m);
  t.deepEqual((await agentOn('node-1'))?.unavailability, inverse.unavailability);
  t.deepEqual((await offerOf('node-1')).unavailability, inverse.unavailability);

  const wrong = await proffer('maintenance', 'start', 'node-9');
  t.is(wrong.code, 1);
  t.regex(
    wrong.stderr,
    /^error: startMaintenance\.hostnames\[0\]: "node-9" is not in the maintenance schedule\nhint: /,
  );
  const slip = await proffer('maintenance', 'schedule', 'node-77', '--start', '+1h');
  t.is(slip.code, 0, slip.stderr);
  t.is(slip.stderr, 'note: no agent has this host name: "node-77"; proffer agents shows those there are\n');
  t.is((await proffer('maintenance', 'cancel', 'Node-77')).code, 0);
  const lost = firstValueFrom(framework.updates$.pipe(filter(status => status.taskId === taskId)));
  const started = await proffer('maintenance', 'start', 'node-1');
  t.is(started.code, 0, started.stderr);
  t.like(await lost, { state: 'TASK_GONE', reason: 'AGENT_REMOVED' });
  const agent = agents.get('node-1');
  t.not(await agent?.ended, 0);
  t.regex(agent?.stderr ?? '', /the machine is down for maintenance/);
  t.is(await agentOn('node-1'), undefined);
  const refused = startAgent('node-1');
  t.not(await refused.ended, 0);
  t.regex(refused.stderr, /"node-1" is down for maintenance/);
  t.regex(refused.stderr, /^hint: .*maintenance stop/m);

  t.is((await proffer('maintenance', 'stop', 'node-1')).code, 0);
  t.is((await proffer('maintenance', 'status')).stdout, 'no maintenance is planned; all machines are up\n');
  startAgent('node-1');
  await eventually('node-1 is back', async () => (await agentOn('node-1'))?.liveness === 'REGISTERED');
});

test.serial('drain --wait ends when the agent is empty, and its tasks were killed for that', async t => {
  const taskId = await sleepOn('node-2');
  const killed = firstValueFrom(
    framework.updates$.pipe(filter(status => status.taskId === taskId && status.state === 'TASK_KILLED')),
  );
  const drained = await proffer('drain', 'node-2', '--grace', '1s', '--wait');
  t.is(drained.code, 0, drained.stderr);
  t.regex(drained.stdout, /^draining \S+ on node-2\n\S+ is drained\n$/);
  t.like(await killed, { reason: 'AGENT_DRAINING' });
  t.regex((await proffer('agents')).stdout, /node-2:\d+ +REGISTERED +DRAINED /);
  t.is((await agentOn('node-2'))?.activity, 'DRAINED');
  const again = await proffer('drain', 'node-2', '--json', '--wait');
  t.is(again.stdout, '{"accepted":true}\n');
  t.is((await proffer('reactivate', 'node-2')).code, 0);
  t.is((await agentOn('node-2'))?.activity, 'ACTIVE');
  t.is((await offerOf('node-2')).resources['cpus'], 2);
});

test.serial('quota and weights are set, shown and removed while the cluster runs', async t => {
  const set = await proffer('quota', 'set', 'ads/video', '--limit', 'cpus=1,mem=512', '--guarantee', 'cpus=0.5');
  t.is(set.code, 0, set.stderr);
  t.like(await get<QuotaView[]>('/quota'), [
    { role: 'ads/video', limits: { cpus: 1, mem: 512 }, guarantees: { cpus: 0.5 } },
  ]);
  const { stdout: listed } = await proffer('quota', 'list');
  t.regex(listed, /^ads\/video +cpus +0\.5 +1 +0$/m);
  t.regex(listed, /^ads\/video +mem +- +512 +0$/m);
  t.regex((await proffer('roles')).stdout, /^ads\/video .* cpus 0 of 1, at least 0\.5; mem 0 of 512 /m);
  const json = await proffer('quota', 'list', '--json');
  t.is(json.stdout, `${JSON.stringify(await get('/quota'))}\n`);
  const wrong = await proffer('quota', 'set', 'ads/video', '--limit', 'cpus=1', '--guarantee', 'cpus=2');
  t.is(wrong.code, 1);
  t.regex(wrong.stderr, /^error: updateQuota\.quotas\[0\].*\n/);
  t.is((await proffer('quota', 'remove', 'ads/video')).code, 0);
  const none = await proffer('quota', 'remove', 'ads/video');
  t.is(none.code, 1);
  t.regex(none.stderr, /^error: the role "ads\/video" has no quota to be removed\nhint: /);
  t.is((await proffer('quota', 'list')).stdout, 'no role has a quota\n');
  t.is((await proffer('weights', 'ads=2', 'batch=0.5')).code, 0);
  t.regex((await proffer('weights')).stdout, /^ads +2$/m);
  t.is((await proffer('weights', 'ads=1,batch=1')).code, 0);
  t.is((await proffer('weights')).stdout, 'all roles have weight 1\n');
});

test.serial('disk is reserved, a volume made of it, grown, listed and destroyed; then it is given back', async t => {
  const run = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await proffer(...args);
    t.is(code, 0, `${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const total = async (key: string): Promise<unknown> => (await agentOn('node-2'))?.total[key];
  await run('reserve', 'node-2', 'disk:1024;cpus:1', '--role', 'db');
  t.deepEqual([await total('disk(db,dynamic)'), await total('cpus(db,dynamic)'), await total('cpus')], [1024, 1, 1]);
  t.regex(await run('roles'), /^db .* cpus 1, disk 1024 /m);
  await run('volumes', 'create', 'node-2', 'pg-0', '--role', 'db', '--disk', '256', '--path', 'data');
  await run('volumes', 'grow', 'node-2', 'pg-0', '--disk', '64');
  t.regex(await run('volumes', 'list'), /^pg-0 +db +320 +data +RW +\S+ +node-2$/m);
  const directory = join(home.path, 'node-2', 'agent', 'volumes', 'roles', 'db', 'pg-0');
  await eventually('the directory is there', () => existsSync(directory));
  const busy = await proffer('unreserve', 'node-2', 'disk:1024', '--role', 'db');
  t.is(busy.code, 1, 'a part of it is the volume’s');
  await run('volumes', 'shrink', 'node-2', 'pg-0', '--disk', '300');
  await run('volumes', 'destroy', 'node-2', 'pg-0');
  await eventually('the directory is gone', () => !existsSync(directory));
  await run('unreserve', 'node-2', 'disk:1024;cpus:1', '--role', 'db');
  t.deepEqual([await total('disk'), await total('cpus')], [4096, 2]);
});

test.serial('what an agent cannot do is told by the command, and listed with the reason', async t => {
  // Where the directories of a role should be is a file.
  const inTheWay = join(home.path, 'node-2', 'agent', 'volumes', 'roles', 'ops');
  const reserved = await proffer('reserve', 'node-2', 'disk:64', '--role', 'ops', '--json');
  t.is(reserved.code, 0, reserved.stderr);
  t.like(JSON.parse(reserved.stdout), {
    type: 'RESERVE',
    state: 'OPERATION_FINISHED',
    produced: { 'disk(ops,dynamic)': 64 },
  });
  mkdirSync(dirname(inTheWay), { recursive: true });
  writeFileSync(inTheWay, '');
  const create = ['volumes', 'create', 'node-2', 'x', '--role', 'ops', '--disk', '32', '--path', 'data'];
  const failed = await proffer(...create);
  t.is(failed.code, 1);
  t.is(failed.stdout, '');
  t.regex(failed.stderr, /^error: making volume x on \S+ failed: .*EEXIST.* \(OPERATION_FAILED\)\n$/);
  const asJson = await proffer(...create, '--json');
  t.is(asJson.code, 1);
  t.like(JSON.parse(asJson.stdout), { type: 'CREATE', state: 'OPERATION_FAILED' });
  rmSync(inTheWay);

  // An agent that stands still answers nothing.
  agents.get('node-2')?.signal('SIGSTOP');
  const late = await proffer(...create, '--timeout', '300ms');
  t.is(late.code, 1);
  t.regex(
    late.stderr,
    /^error: operation (\S+) has no outcome after 300ms: the agent has not answered\nhint: it goes on/,
  );
  agents.get('node-2')?.signal('SIGCONT');
  await eventually('it has ended', async () => !(await proffer('operations')).stdout.includes('OPERATION_PENDING'));
  const listed = await proffer('operations', 'node-2');
  t.regex(listed.stdout, /CREATE .* OPERATION_FAILED .*EEXIST/);
  t.regex(listed.stdout, /CREATE .* OPERATION_FINISHED/);
  const parting = await proffer('volumes', 'destroy', 'node-2', 'x', '--no-wait');
  t.is(parting.code, 0);
  t.regex(
    parting.stdout,
    /^removing volume x on \S+, and what is in it; proffer operations shows what becomes of \S+\n$/,
  );
  await eventually(
    'it is gone',
    async () => (await get<OperationView[]>('/operations')).at(-1)?.state === 'OPERATION_FINISHED',
  );
  t.is((await proffer('unreserve', 'node-2', 'disk:64', '--role', 'ops')).code, 0);
});

test.serial('who is meant must be clear, and what cannot be is said with the reason', async t => {
  const unknown = await proffer('drain', 'node-7');
  t.is(unknown.code, 1);
  t.is(unknown.stderr, 'error: no agent has the id or host name "node-7"\nhint: proffer agents lists them\n');
  const id = (await agentOn('node-1'))?.id ?? '';
  const several = await proffer('deactivate', id.slice(0, 3));
  t.is(several.code, 2);
  t.regex(several.stderr, /^error: 2 agents fit ".*":\n {2}\S+ {2}node-\d:\d+\n {2}\S+ {2}node-\d:\d+\nhint: /);
  const rows: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [['drain', 'node-1', '--timeout', '5s'], /^error: --timeout: without --wait/],
    [['maintenance', 'schedule', 'node-1', '--start', 'tomorrow'], /^error: "tomorrow" is not a time\nhint: .*\+2h/],
    [['maintenance', 'stopp', 'node-1'], /^error: unknown command 'stopp'\nhint: did you mean stop\?/],
    [['quota', 'set', 'ads', '--limit', 'cpus'], /^error: --limit: "cpus" is not NAME=AMOUNT\n/],
    [['quota', 'set', 'ads'], /^error: neither --limit nor --guarantee is given\n/],
    [['weights', 'ads'], /^error: "ads" is not ROLE=WEIGHT\n/],
    [['reserve', 'node-1', 'cpus:1'], /^error: --role is missing\n/],
    [['unreserve', 'node-1', 'cpus:1'], /^error: "cpus" is not reserved\n/],
  ];
  for (const [args, message] of rows) {
    const { code, stderr } = await proffer(...args);
    t.is(code, 2, args.join(' '));
    t.regex(stderr, message);
  }
});

test.serial('an agent declared gone ends; what is started in its place is another one', async t => {
  const before = await agentOn('node-1');
  t.regex((await proffer('gone', 'node-1')).stdout, /is gone for ever/);
  t.not(await agents.get('node-1')?.ended, 0);
  t.is(await agentOn('node-1'), undefined);
  startAgent('node-1');
  await eventually('another one is registered', async () => (await agentOn('node-1'))?.liveness === 'REGISTERED');
  t.not((await agentOn('node-1'))?.id, before?.id);
});

test('a master whose disk refuses a write acknowledges nothing and ends with an error; what was acknowledged is there', async t => {
  const own = tempDir();
  t.teardown(() => own.remove());
  const start = (): Cli =>
    new Cli(['master', '--port', '0', '--work-dir', own.path, '--log-format', 'json'], { cwd: own.path });
  const urlOf = async (one: Cli): Promise<string> => (await one.until(/"url":"(http:[^"]+)"/))[1] ?? '';
  const failing = start();
  const url = await urlOf(failing);
  const weigh = (role: string): Promise<Response> =>
    fetch(`${url}/weights`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ weights: [{ role, weight: 2 }] }),
    });
  t.is((await weigh('kept')).status, 200);
  // From now on its files cannot be written: EFBIG, whatever the place.
  execFileSync('prlimit', ['--pid', String(failing.child.pid), '--fsize=0']);
  const begun = performance.now();
  const answers = await Promise.all(
    ['lost-1', 'lost-2'].map(role =>
      weigh(role).then(
        ({ status }) => status,
        () => 0,
      ),
    ),
  );
  t.false(answers.includes(200), answers.join());
  t.is(await failing.ended, 1);
  t.log(`ended ${Math.round(performance.now() - begun)} ms after the call`);
  t.regex(failing.stderr, /error: .*data\.mdb could not be written: .*\nhint: see to its disk/);
  const next = start();
  const found = (await (await fetch(`${await urlOf(next)}/weights`)).json()) as {
    readonly role: string;
    readonly weight: number;
  }[];
  t.deepEqual(
    found.map(({ role }) => role),
    ['kept'],
  );
  next.signal('SIGTERM');
  t.is(await next.ended, 0);
});
