// A framework's own executor for real: a program in a process of its own, an agent, a master and a framework over sockets.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { filter, firstValueFrom, map, scan } from 'rxjs';
import { runAgent } from '../../src/compose/agent.js';
import { runMaster } from '../../src/compose/master.js';
import type { ExecutorInfo, TaskStatus } from '../../src/protocol/entities.js';
import { isTerminal } from '../../src/protocol/task-state.js';
import { connect } from '../../src/scheduler/connect.js';
import { launch } from '../../src/scheduler/launch.js';

test('an executor program runs tasks of its framework in one process, hears kills and messages, and ends with its framework', async t => {
  const workDir = mkdtempSync(join(tmpdir(), 'proffer-executor-'));
  const master = await runMaster({ port: 0 });
  const agent = await runAgent({
    master: master.url,
    workDir,
    port: 0,
    containerizer: 'process',
    resources: { cpus: 2, mem: 1024, disk: 100 },
  });
  const framework = await connect({
    master: master.url.replace('http', 'ws'),
    name: 'own',
    capabilities: ['PARTITION_AWARE'],
  });
  t.teardown(async () => {
    framework.close();
    await agent.close();
    await master.close();
    rmSync(workDir, { recursive: true, force: true });
  });
  const program = fileURLToPath(new URL('../support/executor-program.js', import.meta.url));
  const executor: ExecutorInfo = {
    executorId: 'worker',
    command: { argv: [process.execPath, program] },
    resources: { cpus: 0.1, mem: 64 },
  };
  const resources = { cpus: 0.1, mem: 32 };
  const updates: TaskStatus[] = [];
  framework.updates$.subscribe(update => updates.push(update));
  const ended = firstValueFrom(
    framework.updates$.pipe(
      filter(({ state }) => isTerminal(state)),
      scan(count => count + 1, 0),
      filter(count => count === 3),
    ),
  );
  const echoed = firstValueFrom(framework.messages$.pipe(map(({ executorId, data }) => `${executorId} ${data}`)));
  const offer = await firstValueFrom(framework.offers$);
  const tasks = framework.accept(offer, [
    launch({ name: 'one', executor, data: 'b25l', resources }, { name: 'two', executor, data: 'dHdv', resources }),
    launch({ name: 'wait', executor, resources }),
  ]);
  const waiting = await firstValueFrom(
    framework.updates$.pipe(filter(update => update.taskId === tasks[2]?.taskId && update.state === 'TASK_RUNNING')),
  );
  framework.message(offer.agentId, 'worker', 'aGVsbG8=');
  t.is(await echoed, 'worker aGVsbG8=');
  framework.kill(waiting.taskId);
  await ended;
  const story = tasks.map(({ taskId }) =>
    updates.filter(update => update.taskId === taskId).map(update => update.state),
  );
  t.deepEqual(story, [
    ['TASK_RUNNING', 'TASK_FINISHED'],
    ['TASK_RUNNING', 'TASK_FINISHED'],
    ['TASK_RUNNING', 'TASK_KILLED'],
  ]);
  t.true(updates.every(update => update.source === 'EXECUTOR' && update.executorId === 'worker'));
  const processes = updates.flatMap(({ message }) => /in process (\d+)$/.exec(message ?? '')?.[1] ?? []);
  t.is(processes.length, 2);
  t.is(new Set(processes).size, 1, 'one program runs both');
  const gone = firstValueFrom(framework.failures$);
  framework.shutdownExecutor(offer.agentId, 'worker');
  t.like(await gone, { executorId: 'worker', status: 0 });
});
