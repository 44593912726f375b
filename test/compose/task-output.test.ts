// Following what tasks print: no faster than it is taken, and to the end; and what is said when it cannot be read.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { must } from '../../src/base/assert.js';
import { lossTeller } from '../../src/compose/run-tasks.js';
import type { OutputPlace } from '../../src/compose/task-output.js';
import { TaskOutputs } from '../../src/compose/task-output.js';
import type { Clock } from '../../src/env/clock.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';

const chunk = Buffer.alloc(64 * 1024, 'x');
const chunks = 1024;

test('a slow reader holds the output back where it is, and gets all of it in the end', async t => {
  let sent = 0;
  const print = (response: ServerResponse): void => {
    const file = function* (): Generator<Buffer> {
      for (; sent < chunks; sent += 1) yield chunk;
    };
    Readable.from(file(), { highWaterMark: 1 }).pipe(response);
  };
  const agent = createServer((request, response) => {
    if (request.url?.includes('/files/stdout?') === true) print(response);
    else response.end();
  });
  agent.listen(0, '127.0.0.1');
  await once(agent, 'listening');
  t.teardown(() => agent.close());

  let taken = 0;
  const calls: (() => void)[] = [];
  let onFirst = (): void => {};
  const first = new Promise<void>(resolve => {
    onFirst = resolve;
  });
  const outputs = new TaskOutputs(
    (_place, _name, bytes) => {
      taken += bytes.length;
      onFirst();
      if (calls.length > 0) return;
      return new Promise<void>(resolve => {
        calls.push(resolve);
      });
    },
    (_place, why) => t.fail(why),
  );
  const { port } = agent.address() as AddressInfo;
  outputs.follow({ hostname: '127.0.0.1', port, frameworkId: 'F', taskId: 'T' });
  const clock = new VirtualClock();
  let isSettled = false;
  const settled = outputs.settled(clock, 5000).then(() => {
    isSettled = true;
  });
  await first;
  const held = taken;
  for (let turns = 0; turns < 100; turns += 1) {
    // Nothing comes for long, but only because the reader holds what came.
    clock.advance(1000);
    await turn();
  }
  t.is(taken, held);
  t.true(sent < chunks, 'all of it was read ahead');
  t.false(isSettled);
  calls[0]?.();
  await settled;
  t.is(taken, chunk.length * chunks);
});

/** An agent that answers like this. */
async function agentThat(
  t: ExecutionContext,
  answers: (name: string, response: ServerResponse) => void,
): Promise<OutputPlace> {
  const agent = createServer((request, response) =>
    answers(/\/files\/(\w+)\?/.exec(request.url ?? '')?.[1] ?? '', response),
  );
  agent.listen(0, '127.0.0.1');
  await once(agent, 'listening');
  t.teardown(() => {
    agent.closeAllConnections();
    agent.close();
  });
  const { port } = agent.address() as AddressInfo;
  return { hostname: '127.0.0.1', port, frameworkId: 'F', taskId: 'T' };
}

test('an output that brings nothing more does not hold up the end', async t => {
  const place = await agentThat(t, (_name, response) => response.write('so far'));
  let chunks = 0;
  let onBoth = (): void => {};
  const both = new Promise<void>(resolve => {
    onBoth = resolve;
  });
  const outputs = new TaskOutputs(
    () => {
      chunks += 1;
      if (chunks === 2) onBoth();
    },
    (_place, why) => t.fail(why),
  );
  outputs.follow(place);
  await both;
  // What was brought has been taken.
  await turn();
  const clock = new VirtualClock();
  const settled = outputs.settled(clock, 5000);
  clock.advance(5000);
  await settled;
  t.is(chunks, 2);
});

/** What is told of the loss of this task's output, when there is nothing more to come. */
async function lossesOf(place: OutputPlace): Promise<string[]> {
  const losses: string[] = [];
  const outputs = new TaskOutputs(
    () => {},
    (lost, why) => losses.push(`${lost.taskId}: ${why}`),
  );
  outputs.follow(place);
  await outputs.settled(new VirtualClock(), 5000);
  return losses;
}

test('output that cannot be read is told of, once for a task; a file that was never made is no loss', async t => {
  const says = (code: string, message: string) => (_name: string, response: ServerResponse) =>
    void response.writeHead(404).end(JSON.stringify({ code, message, path: '' }));
  t.deepEqual(await lossesOf(await agentThat(t, says('NOT_FOUND', 'the sandbox has no "stdout"'))), []);
  t.deepEqual(await lossesOf(await agentThat(t, says('UNKNOWN_TASK', 'this agent has no task "T"'))), [
    'T: this agent has no task "T"',
  ]);
  const proxy = await agentThat(t, (_name, response) => void response.writeHead(502).end('<html>'));
  t.deepEqual(await lossesOf(proxy), ['T: HTTP status 502']);
  const cut = await agentThat(t, (name, response) => {
    if (name === 'stderr') response.end('whole');
    else response.write('half', () => response.destroy());
  });
  t.is((await lossesOf(cut)).length, 1);

  const gone = createServer();
  gone.listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address() as AddressInfo;
  gone.close();
  await once(gone, 'close');
  const [loss, ...more] = await lossesOf({ hostname: '127.0.0.1', port, frameworkId: 'F', taskId: 'T' });
  t.regex(loss ?? '', /^T: .*ECONNREFUSED/);
  t.deepEqual(more, []);
});

test('an agent that goes away is looked for, and its output goes on where it was', async t => {
  const text = 'one two three';
  const asked: string[] = [];
  const ask = (agent: string, name: string, { req }: ServerResponse): number => {
    const offset = Number(new URL(req.url ?? '', 'http://any').searchParams.get('offset'));
    asked.push(`${agent}: ${name} from ${offset}`);
    return offset;
  };
  const before = await agentThat(t, (name, response) => {
    if (name === 'stderr') response.end();
    else if (ask('before', name, response) === 0) response.write(text.slice(0, 4), () => response.destroy());
    else response.destroy();
  });
  const after = await agentThat(t, (name, response) => {
    const offset = ask('after', name, response);
    response.end(text.slice(offset));
  });
  const pauses: number[] = [];
  const clock: Clock = {
    now: () => 0,
    wallMs: () => 0,
    soon: run => void setImmediate(run),
    after: (delayMs, run) => {
      pauses.push(delayMs);
      const timer = setImmediate(run);
      return { cancel: () => clearImmediate(timer) };
    },
  };
  // The master is away at first, then believes the agent where it was.
  const answers = [
    () => Promise.reject(new Error('no master')),
    () => Promise.resolve(before),
    () => Promise.resolve(after),
  ];
  const away: number[] = [];
  let shown = '';
  const outputs = new TaskOutputs(
    (_task, _name, bytes) => {
      shown += bytes.toString();
    },
    (_task, why) => t.fail(why),
    { clock, locate: () => must(answers.shift(), 'answer')(), onAway: ({ port }) => away.push(port) },
  );
  outputs.follow(before);
  await outputs.settled(new VirtualClock(), 5000);
  t.is(shown, text);
  t.deepEqual(asked, [
    'before: stdout from 0',
    'before: stdout from 4',
    'before: stdout from 4',
    'after: stdout from 4',
  ]);
  t.deepEqual(pauses, [250, 500, 1000]);
  t.deepEqual(away, [before.port], 'said once');
});

test('an agent that stays away has lost what it did not show, and nobody looks for it after the end', async t => {
  const losses: string[] = [];
  const clock = new VirtualClock();
  let onAway = (): void => {};
  const isAway = new Promise<void>(resolve => {
    onAway = resolve;
  });
  const outputs = new TaskOutputs(
    () => {},
    ({ taskId }, why) => losses.push(`${taskId}: ${why}`),
    { clock, locate: () => Promise.resolve(t.fail('looked for')), onAway },
  );
  outputs.follow(
    await agentThat(t, (name, response) => {
      if (name === 'stderr') response.end('whole');
      else response.write('half', () => response.destroy());
    }),
  );
  await isAway;
  const waits = new VirtualClock();
  const settled = outputs.settled(waits, 5000);
  for (let turns = 0; losses.length === 0 && turns < 1000; turns += 1) {
    waits.advance(5000);
    await turn();
  }
  await settled;
  t.is(losses.length, 1);
  t.regex(losses[0] ?? '', /^T: /);
  t.is(clock.pending, 0);
});

test('an agent that never answers is not waited for without a word', async t => {
  const losses: string[] = [];
  const outputs = new TaskOutputs(
    () => {},
    (_place, why) => losses.push(why),
  );
  outputs.follow(await agentThat(t, () => {}));
  const clock = new VirtualClock();
  const settled = outputs.settled(clock, 5000);
  t.deepEqual(losses, []);
  clock.advance(5000);
  await settled;
  t.deepEqual(losses, ['no answer within 5s']);
});

test('where lost output lies is said once for each agent and reason', t => {
  const lines: string[] = [];
  const tell = lossTeller(line => lines.push(line));
  const place = { hostname: 'node-1', port: 5051, frameworkId: 'F', taskId: 'a' };
  tell(place, 'getaddrinfo ENOTFOUND node-1');
  tell({ ...place, taskId: 'b' }, 'getaddrinfo ENOTFOUND node-1');
  tell({ ...place, hostname: 'node-2', taskId: 'c' }, 'getaddrinfo ENOTFOUND node-2');
  t.is(lines.length, 2);
  t.regex(lines[0] ?? '', /^the output of a could not be read .*ENOTFOUND node-1; .* node-1:5051 \(proffer logs a/);
  t.regex(lines[1] ?? '', /of c .* node-2:5051 \(proffer logs c/);
});
