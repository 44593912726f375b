// Following what tasks print: no faster than it is taken, and to the end.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { TaskOutputs } from '../../src/compose/task-output.js';
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
  const outputs = new TaskOutputs((_place, _name, bytes) => {
    taken += bytes.length;
    onFirst();
    if (calls.length > 0) return;
    return new Promise<void>(resolve => {
      calls.push(resolve);
    });
  });
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

test('an output that brings nothing more does not hold up the end', async t => {
  const agent = createServer((_request, response) => response.flushHeaders());
  agent.listen(0, '127.0.0.1');
  await once(agent, 'listening');
  t.teardown(() => {
    agent.closeAllConnections();
    agent.close();
  });
  const outputs = new TaskOutputs(() => t.fail('nothing was printed'));
  outputs.follow({
    hostname: '127.0.0.1',
    port: (agent.address() as AddressInfo).port,
    frameworkId: 'F',
    taskId: 'T',
  });
  const clock = new VirtualClock();
  const settled = outputs.settled(clock, 5000);
  clock.advance(5000);
  await settled;
  t.pass();
});
