// Settings on their way into a cluster of processes: by flag, variable and file; what they change; and a framework's own executor on such a cluster.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { filter, firstValueFrom } from 'rxjs';
import type { AgentStateView } from '../../src/agent/views.js';
import type { AgentView, RoleView, StateView } from '../../src/protocol/operator-api.js';
import { isTerminal } from '../../src/protocol/task-state.js';
import { connect } from '../../src/scheduler/connect.js';
import { launch } from '../../src/scheduler/launch.js';
import { Cli, cli, eventually, processesNaming, tempDir } from '../support/cli.js';

const home = tempDir();
let cluster: Cli;
let masterUrl: string;

async function get<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T;
}

test.before(async () => {
  const file = join(home.path, 'cluster.json');
  writeFileSync(
    file,
    JSON.stringify({ master: { maxCompletedFrameworks: 3 }, agent: { gcDelay: '1h' }, region: 'eu', zone: 'eu-1' }),
  );
  const size = ['--agents', '1', '--agent-cpus', '4', '--agent-mem', '512'];
  const settings = ['--weights', 'ads=2,batch=0.5', '--kill-grace', '1s', '--cgroups', 'off', '--cpu-hard-limit'];
  const where = ['--port', '0', '--work-dir', home.path, '--containerizer', 'process', '--config', file];
  cluster = new Cli(['up', ...size, ...settings, ...where], {
    cwd: home.path,
    env: {
      PROFFER_AGENT_PING_TIMEOUT: '2s',
      PROFFER_EXECUTOR_SHUTDOWN_GRACE: '2s',
      PROFFER_ALLOCATION_INTERVAL: '500ms',
    },
  });
  const [, url = ''] = await cluster.until(/^master +\d+ +(http:\S+)/m);
  masterUrl = url;
  await cluster.until(/^try: /m);
});

test.after.always(async () => {
  cluster.signal('SIGTERM');
  await cluster.ended;
  home.remove();
});

test('up’s flags, variables and file reach its master and agents, which show them', async t => {
  const { flags, master } = await get<StateView>(`${masterUrl}/state`);
  t.like(flags, {
    weights: { ads: 2, batch: 0.5 },
    allocationIntervalMs: 500,
    agentPingTimeoutMs: 2000,
    completedFrameworksMax: 3,
    minAllocatable: ['cpus:0.01', 'mem:32'],
    region: 'eu',
    zone: 'eu-1',
  });
  const domain = { region: 'eu', zone: 'eu-1' };
  t.deepEqual(master.domain, domain);
  const [agent] = await get<AgentView[]>(`${masterUrl}/agents`);
  t.deepEqual(agent?.domain, domain);
  t.like(await get<AgentStateView>(`http://${agent?.hostname}:${agent?.port}/state`), {
    domain,
    flags: {
      killGraceMs: 1000,
      cpuHardLimit: true,
      cgroups: 'off',
      gcDelayMs: 3_600_000,
      executorShutdownGraceMs: 2000,
      region: 'eu',
    },
  });
});

test('without cgroups, tasks are in none of the agent’s', async t => {
  const { code, stdout } = await cli(['run', '-q', '--master', masterUrl, '--', 'cat', '/proc/self/cgroup'], {
    cwd: home.path,
  });
  t.is(code, 0);
  t.regex(stdout, /^\d+:/m);
  t.notRegex(stdout, /proffer/);
});

test('roles are shown with their weights, and their shares divided by them', async t => {
  const framework = await connect({ master: masterUrl, name: 'own', roles: ['ads'] });
  t.teardown(() => framework.close());
  const offer = await firstValueFrom(framework.offers$);
  const program = fileURLToPath(new URL('../support/executor-program.js', import.meta.url));
  const running = firstValueFrom(framework.updates$.pipe(filter(update => update.state === 'TASK_RUNNING')));
  const ended = firstValueFrom(framework.updates$.pipe(filter(update => isTerminal(update.state))));
  const executor = {
    executorId: 'worker',
    command: { argv: [process.execPath, program] },
    resources: { cpus: 1, mem: 64 },
  };
  framework.accept(offer, [launch({ name: 'wait', executor, resources: { cpus: 1, mem: 64 } })], { refuseMs: 600_000 });
  // The executor found the agent by its environment: only it says that its task runs.
  t.like(await running, { source: 'EXECUTOR', executorId: 'worker' });
  await eventually(
    'the rest is not offered',
    async () => (await get<RoleView[]>(`${masterUrl}/roles?role=ads`))[0]?.offered['cpus'] === undefined,
  );
  const roles = await get<RoleView[]>(`${masterUrl}/roles`);
  t.like(
    roles.find(({ name }) => name === 'ads'),
    { weight: 2, share: 0.25, used: { cpus: 2, mem: 128 } },
  );
  t.like(
    roles.find(({ name }) => name === 'batch'),
    { weight: 0.5, share: 0 },
  );
  const { stdout } = await cli(['roles', '--master', masterUrl], { cwd: home.path });
  t.regex(stdout, /^ROLE +WEIGHT +SHARE +CPUS/m);
  t.regex(stdout, /^ads +2 +0\.2500 +2 +128/m);
  t.regex(stdout, /^batch +0\.5 +0\.0000 /m);
  framework.kill((await running).taskId);
  t.like(await ended, { state: 'TASK_KILLED', message: 'stopped waiting' });
});

test('a wrong setting is one clear error, exit 2, and nothing starts', async t => {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  const where = ['--port', '0', '--work-dir', dir.path];
  const expected = /^error: --weights: "ads=none": the weight of ads must be a number .*\nhint: .*ads=2,batch=0\.5\n$/;
  for (const command of ['up', 'master']) {
    const flag = await cli([command, ...where, '--weights', 'ads=none'], { cwd: dir.path });
    t.is(flag.code, 2, command);
    t.regex(flag.stderr, expected);
    t.is(flag.stdout, '');
    const variable = await cli([command, ...where], { cwd: dir.path, env: { PROFFER_WEIGHTS: 'ads' } });
    t.is(variable.code, 2, command);
    t.regex(variable.stderr, /^error: PROFFER_WEIGHTS: "ads" is not ROLE=WEIGHT\nhint: .*\n$/);
  }
  const below = await cli(['up', ...where], { cwd: dir.path, env: { PROFFER_GC_DELAY: 'never' } });
  t.is(below.code, 2, below.stderr);
  t.regex(below.stderr, /PROFFER_GC_DELAY: "never" is not a duration/);
  t.deepEqual(processesNaming(dir.path), []);
});

test('an agent that says where it is ends when its master does not', async t => {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  const master = new Cli(['master', '--port', '0', '--work-dir', dir.path, '--log-format', 'json'], { cwd: dir.path });
  const [, url = ''] = await master.until(/"url":"(http:[^"]+)"/);
  const args = ['--master', url, '--port', '0', '--work-dir', dir.path, '--containerizer', 'process'];
  const agent = await cli(['agent', ...args, '--region', 'eu', '--zone', 'eu-1'], { cwd: dir.path });
  t.not(agent.code, 0);
  t.regex(agent.stderr, /the agent is in region "eu"/);
  t.regex(agent.stderr, /^hint: start the master with a region and zone too/m);
  master.signal('SIGTERM');
  await master.ended;
});
