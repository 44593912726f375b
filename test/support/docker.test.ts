// The look for a Docker engine: every way it can be missing is one clear line, and never an exception.
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { findDockerEngine, testImage, testWithDocker } from './docker.js';

const dockerTest = await testWithDocker(test);

test('an engine is found on a unix socket when it answers and has the image', async t => {
  const asked: string[] = [];
  const { host, close } = await fakeEngine(url => {
    asked.push(url);
    return 200;
  });
  t.teardown(close);
  t.deepEqual(await findDockerEngine({ DOCKER_HOST: host }), { available: true, host });
  t.deepEqual(asked, ['/_ping', `/images/${testImage}/json`]);
});

test('an engine without the image, or one that is unwell, says so', async t => {
  const bare = await fakeEngine(url => (url === '/_ping' ? 200 : 404));
  const unwell = await fakeEngine(() => 500);
  t.teardown(async () => Promise.all([bare.close(), unwell.close()]));
  const lacking = await findDockerEngine({ DOCKER_HOST: bare.host });
  t.true(!lacking.available && lacking.reason.includes(`lacks the image ${testImage}`));
  const failing = await findDockerEngine({ DOCKER_HOST: unwell.host });
  t.true(!failing.available && failing.reason.includes('status 500'));
});

test('no socket, a refused port and a DOCKER_HOST we do not understand are told apart', async t => {
  const reason = async (host: string): Promise<string> => {
    const engine = await findDockerEngine({ DOCKER_HOST: host });
    return engine.available ? 'available' : engine.reason;
  };
  t.regex(await reason('unix:///nowhere/docker.sock'), /does not answer .*ENOENT/);
  t.regex(await reason('tcp://127.0.0.1:1'), /does not answer .*ECONNREFUSED/);
  t.regex(await reason('ssh://somebody@elsewhere'), /DOCKER_HOST is 'ssh:\/\/somebody@elsewhere'; unix:\/\/PATH/);
  t.regex(await reason('nonsense'), /DOCKER_HOST is 'nonsense'/);
});

dockerTest('the engine the Docker tests were given still answers', async t => {
  const engine = await findDockerEngine();
  t.true(engine.available);
});

async function fakeEngine(status: (url: string) => number): Promise<{ host: string; close: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'proffer-engine-'));
  const socketPath = join(folder, 's');
  const server: Server = createServer((request, response) => {
    response.statusCode = status(request.url ?? '');
    response.end('{}');
  });
  await new Promise<void>(resolve => server.listen(socketPath, resolve));
  const close = async (): Promise<void> => {
    await new Promise(resolve => server.close(resolve));
    await rm(folder, { recursive: true });
  };
  return { host: `unix://${socketPath}`, close };
}
