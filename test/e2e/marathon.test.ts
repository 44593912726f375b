// Marathon as a person uses it: `proffer up --frameworks marathon`, then requests: a real server in three instances, one killed by hand, Marathon itself too.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { isRoot } from '../support/as-root.js';
import { cli, Cli, eventually, processesNaming, tempDir } from '../support/cli.js';

const home = tempDir();
let cluster: Cli;
let url: string;
let pid: number;

test.before(async () => {
  const args = ['up', '--agents', '2', '--port', '0', '--frameworks', 'marathon', '--marathon-port', '0'];
  cluster = new Cli([...args, '--containerizer', 'process', '--work-dir', home.path], {
    cwd: home.path,
    env: { PROFFER_AUTOSCALE_INTERVAL: '500ms' },
  });
  const [, number = '', at = ''] = await cluster.until(/^marathon +(\d+) +(http:\S+)/m);
  pid = Number(number);
  url = at;
  await cluster.until(/^try: /m);
});

test.after.always(async () => {
  cluster.signal('SIGTERM');
  await cluster.ended;
  home.remove();
});

interface Task {
  readonly id: string;
  readonly ports: readonly number[];
  readonly state: string;
  readonly healthCheckResults: readonly { readonly alive: boolean }[];
}

// It says its pid.
const server = `exec '${process.execPath}' -e 'require("http").createServer((_, a) => a.end(String(process.pid))).listen(process.env.PORT0, "127.0.0.1")'`;
const web = {
  id: '/web',
  cmd: server,
  cpus: 0.1,
  mem: 64,
  instances: 3,
  healthChecks: [{ protocol: 'HTTP', path: '/', intervalSeconds: 1, timeoutSeconds: 1, gracePeriodSeconds: 20 }],
};

async function healthy(): Promise<Task[]> {
  const { tasks } = (await (await fetch(`${url}/v2/apps//web/tasks`)).json()) as { readonly tasks: Task[] };
  return tasks
    .filter(({ state, healthCheckResults: [result] }) => state === 'TASK_RUNNING' && result?.alive === true)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

async function deployed(): Promise<boolean> {
  return ((await (await fetch(`${url}/v2/deployments`)).json()) as unknown[]).length === 0;
}

test.serial('an app of three instances serves, and one that is killed is replaced', async t => {
  const posted = await fetch(`${url}/v2/apps`, { method: 'POST', body: JSON.stringify(web) });
  t.is(posted.status, 201, await posted.clone().text());
  await eventually('three instances that serve', async () => (await healthy()).length === 3 && (await deployed()));
  const [first] = await healthy();
  const says = async (port: number | undefined): Promise<number> =>
    Number(await (await fetch(`http://127.0.0.1:${port}/`)).text());
  const victim = await says(first?.ports[0]);
  process.kill(victim, 'SIGKILL');
  await eventually('another in its place', async () => {
    const now = await healthy();
    return now.length === 3 && now.every(({ id }) => id !== first?.id);
  });
  const pids = await Promise.all((await healthy()).map(({ ports }) => says(ports[0])));
  t.is(new Set(pids).size, 3);
  t.false(pids.includes(victim));
});

test.serial(
  'Marathon itself is killed: the next one is where it was, knows everything, and touches nothing',
  async t => {
    const before = (await healthy()).map(({ id, ports }) => ({ id, ports }));
    process.kill(pid, 'SIGKILL');
    await eventually('Marathon again', async () => {
      try {
        return (await fetch(`${url}/ping`)).ok && (await healthy()).length === 3;
      } catch {
        return false;
      }
    });
    t.deepEqual(
      (await healthy()).map(({ id, ports }) => ({ id, ports })),
      before,
    );
    const changed = await fetch(`${url}/v2/apps//web`, { method: 'PUT', body: JSON.stringify({ env: { A: 'b' } }) });
    t.is(changed.status, 200, await changed.clone().text());
    await eventually('a new version', async () => (await deployed()) && (await healthy()).length === 3);
    t.deepEqual(
      (await healthy()).filter(({ id }) => before.some(each => each.id === id)),
      [],
    );
  },
);

test.serial('a file is deployed from the command line, and one that cannot be says why', async t => {
  const file = join(home.path, 'web.json');
  const run = (json: object, ...flags: readonly string[]): ReturnType<typeof cli> => {
    writeFileSync(file, JSON.stringify(json));
    return cli(['marathon', 'deploy', file, '--marathon', url, ...flags], { cwd: home.path });
  };
  const planned = await run({ ...web, env: { VERSION: '2' } }, '--dry-run');
  t.is(planned.stdout, '/web:\n  step 1: RestartApplication /web\n');
  const deployed = await run({ ...web, env: { VERSION: '2' } }, '--wait', '--timeout', '50s');
  t.is(deployed.code, 0, deployed.stderr);
  t.regex(deployed.stdout, /^\/web: deployed in /);
  t.is((await healthy()).length, 3);
  const failed = await run(
    { ...web, cmd: 'exit 3', upgradeStrategy: { canary: { observeSeconds: 5 } } },
    '--wait',
    '--json',
  );
  t.is(failed.code, 1, failed.stderr);
  const [outcome] = (JSON.parse(failed.stdout) as { deployments: [{ state: string; takenBack: boolean }] }).deployments;
  t.like(outcome, { state: 'FAILED', takenBack: true, why: '/web: 1 new instance has failed, 1 may not' });
  t.is((await healthy()).length, 3);
  writeFileSync(file, JSON.stringify({ ...web, id: '/later', constraints: [['rack', 'LIKE', 'nowhere']] }));
  const waiting = new Cli(['marathon', 'deploy', file, '--marathon', url, '--wait'], { cwd: home.path });
  await waiting.until(/waiting for \/later: 3 instances to be launched/);
  waiting.signal('SIGINT');
  t.is(await waiting.ended, 130);
  t.regex(waiting.stderr, /^hint: it goes on; to take it back: curl -X DELETE http:\S+$/m);
  t.is((await fetch(`${url}/v2/apps/later`, { method: 'DELETE' })).status, 200);
  const refused = await run({ ...web, cpus: -1, instances: -1 });
  t.is(refused.code, 2);
  t.regex(refused.stderr, /^error: .*web\.json \/cpus: .*\nerror: .*web\.json \/instances: /m);
});

// What containers have used is known by their cgroups.
(isRoot ? test.serial : test.serial.skip)('an app that has more to do than its target gets more instances', async t => {
  const burner = {
    id: '/burner',
    cmd: 'while :; do :; done',
    cpus: 0.1,
    mem: 32,
    autoscaling: { maxInstances: 2, target: { metric: 'cpus', value: 0.5 }, scaleUpCooldownSeconds: 1 },
  };
  const posted = await fetch(`${url}/v2/apps`, { method: 'POST', body: JSON.stringify(burner) });
  t.is(posted.status, 201, await posted.clone().text());
  await eventually('two of them', async () => {
    const { app } = (await (await fetch(`${url}/v2/apps/burner`)).json()) as { app: { tasksRunning: number } };
    return app.tasksRunning === 2;
  });
  t.is((await fetch(`${url}/v2/apps/burner?force=true`, { method: 'DELETE' })).status, 200);
  await eventually('none of them', deployed);
});

test.serial('the end of the cluster is the end of its tasks', async t => {
  cluster.signal('SIGINT');
  t.is(await cluster.ended, 130);
  t.deepEqual(processesNaming(home.path), []);
});
