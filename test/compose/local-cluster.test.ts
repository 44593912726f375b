// A cluster inside this process, over real sockets: it runs tasks, closes without a trace, and a start that fails leaves nothing either.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { filter, firstValueFrom } from 'rxjs';
import type { Framework } from '../../src/index.js';
import { connect, isTerminal, LaunchQueue, ProfferError, runCluster } from '../../src/index.js';

/** Runs one command and gives its last state, and what the agents' attributes said of the place. */
async function runOne(framework: Framework, command: string): Promise<string> {
  const ended = firstValueFrom(framework.updates$.pipe(filter(update => isTerminal(update.state))));
  const queue = new LaunchQueue(framework.env, framework);
  queue.add({ key: 'one', tasks: [{ name: 'one', command, resources: { cpus: 0.1, mem: 16 } }] });
  const { state } = await ended;
  queue.close();
  return state;
}

test('it runs tasks, and leaves nothing when it closes', async t => {
  const workDir = mkdtempSync(join(tmpdir(), 'proffer-cluster-test-'));
  t.teardown(() => rmSync(workDir, { recursive: true, force: true }));
  const cluster = await runCluster({
    agents: 2,
    workDir,
    containerizer: 'process',
    attributes: index => ({ n: index }),
  });
  t.is(cluster.agents.length, 2);
  t.deepEqual(readdirSync(workDir).toSorted(), ['agent-1', 'agent-2']);
  const framework = await connect({ master: cluster.url, name: 'test' });
  t.is(await runOne(framework, 'exit 0'), 'TASK_FINISHED');
  t.is(await runOne(framework, 'exit 3'), 'TASK_FAILED');
  const ended = new Promise<void>(resolve => framework.connection$.subscribe({ complete: resolve }));
  // One that still runs when everything is closed is ended with it.
  const running = firstValueFrom(framework.updates$.pipe(filter(update => update.state === 'TASK_RUNNING')));
  const queue = new LaunchQueue(framework.env, framework);
  queue.add({ key: 'long', tasks: [{ name: 'long', command: 'exec sleep 600', resources: { cpus: 0.1, mem: 16 } }] });
  const pid = (await running).container?.pid ?? 0;
  t.notThrows(() => process.kill(pid, 0));
  await cluster.close();
  t.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  await cluster.closed;
  framework.close();
  await ended;
  await t.throwsAsync(fetch(`${cluster.url}/health`));
  t.true(existsSync(workDir), 'a directory that was given stays');
});

test('a signal closes it', async t => {
  const stop = new AbortController();
  const cluster = await runCluster({ agents: 1, containerizer: 'process' }, stop.signal);
  stop.abort();
  await cluster.closed;
  await t.throwsAsync(fetch(`${cluster.url}/health`));
});

test('what cannot start says why, and nothing of it goes on', async t => {
  const taken = createServer();
  const port = await new Promise<number>(resolve => {
    taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port));
  });
  t.teardown(() => new Promise<void>(resolve => void taken.close(() => resolve())));
  const busy = await t.throwsAsync(runCluster({ port }), { instanceOf: ProfferError });
  t.is(busy?.code, 'ADDRESS_IN_USE');
  const free = createServer();
  const other = await new Promise<number>(resolve => {
    free.listen(0, '127.0.0.1', () => resolve((free.address() as { port: number }).port));
  });
  await new Promise<void>(resolve => void free.close(() => resolve()));
  const wrong = await t.throwsAsync(runCluster({ port: other, agents: 2, resources: { cpus: -1 } }), {
    instanceOf: ProfferError,
  });
  t.is(wrong?.code, 'INVALID_RESOURCES');
  await t.throwsAsync(fetch(`http://127.0.0.1:${other}/health`), undefined, 'the master was closed again');
});
