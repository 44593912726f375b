// Docker tasks as a person meets them: an image, its output, its exit code, the progress and the words of a pull that fails, and nothing left behind.
import { execFileSync } from 'node:child_process';
import test from 'ava';
import type { AgentView, TaskView } from '../../src/protocol/operator-api.js';
import { Cli, cli, eventually, processesNaming, tempDir } from '../support/cli.js';
import { testImage, testWithDocker } from '../support/docker.js';

const dockerTest = await testWithDocker(test);

dockerTest('containers run, tell their output and exit code, and end with the cluster', async t => {
  const home = tempDir();
  const env = { DOCKER_HOST: process.env['DOCKER_HOST'] };
  const up = new Cli(['up', '--port', '0', '--agents', '1', '--work-dir', home.path], { cwd: home.path, env });
  t.teardown(async () => {
    up.signal('SIGTERM');
    await up.ended;
    home.remove();
  });
  const [, url = ''] = await up.until(/^master +\d+ +(http:\S+)/m);
  await up.until(/^try: /m);
  const run = (...args: readonly string[]): ReturnType<typeof cli> =>
    cli(['run', '--master', url, ...args], { cwd: home.path });
  const get = async <T>(path: string): Promise<T> => (await (await fetch(url + path)).json()) as T;
  t.deepEqual((await get<AgentView[]>('/agents'))[0]?.containerizers, ['PROCESS', 'DOCKER']);

  const seven = await run(
    '-q',
    '--image',
    testImage,
    '--env',
    'A=b',
    '--',
    'sh',
    '-c',
    'echo "$A $PROFFER_TASK_ID"; echo err >&2; exit 7',
  );
  t.is(seven.code, 7, seven.stderr);
  t.regex(seven.stdout, /^b sh\.\w+\n$/);
  t.is(seven.stderr, 'err\n');

  const missing = await run('--image', 'proffer/no-such-image:1', '--', 'true');
  t.is(missing.code, 1);
  t.regex(missing.stderr, /^true\.\w+ failed: .*no-such-image/m);

  const nine = ['sh', '-c', 'trap "exit 9" USR1; while :; do sleep 0.1; done'];
  const running = new Cli(['run', '--master', url, '--name', 'box', '--image', testImage, '--', ...nine], {
    cwd: home.path,
    env,
  });
  const [, id = ''] = await running.until(/^(box\.\w+) launched/m);
  await eventually('the container runs', async () => (await get<TaskView>(`/tasks/${id}`)).state === 'TASK_RUNNING');
  const box = containersBelow(home.path);
  // The agent dies; the one started in its place finds the container by its labels, and tells how it ends.
  const [, pid = ''] = await up.until(/^agent-1 +(\d+) /m);
  process.kill(Number(pid), 'SIGKILL');
  await up.until(/agent-1 runs again/);
  await eventually('the agent is back', async () => (await get<AgentView[]>('/agents'))[0]?.liveness === 'REGISTERED');
  t.is(containersBelow(home.path), box, 'it ran on');
  execFileSync('docker', ['kill', '--signal', 'USR1', box.split(' ')[0] ?? '']);
  t.is(await running.ended, 9);

  const last = new Cli(['run', '--master', url, '--name', 'last', '--image', testImage, '--', 'sleep', '1000'], {
    cwd: home.path,
    env,
  });
  const [, lastId = ''] = await last.until(/^(last\.\w+) launched/m);
  await eventually(
    'the container runs',
    async () => (await get<TaskView>(`/tasks/${lastId}`)).state === 'TASK_RUNNING',
  );
  t.not(containersBelow(home.path), '');
  up.signal('SIGINT');
  t.is(await up.ended, 130);
  last.signal('SIGKILL');
  await last.ended;
  t.is(containersBelow(home.path), '');
  t.deepEqual(processesNaming(home.path), []);
});

/** The containers, running or not, that mount something below `path`: tasks whose sandbox is there. */
function containersBelow(path: string): string {
  const all = execFileSync('docker', ['ps', '-a', '--no-trunc', '--format', '{{.ID}} {{.Mounts}}'], {
    encoding: 'utf8',
  });
  return all
    .split('\n')
    .filter(line => line.includes(path))
    .join('\n');
}
