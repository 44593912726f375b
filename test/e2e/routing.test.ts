// Requests to an app of a real Marathon, by way of a real HAProxy: a new version is rolled out, an instance is killed, Marathon itself is killed; none is lost.
import { Resolver } from 'node:dns/promises';
import test from 'ava';
import { Load, freePorts } from '../frameworks/marathon/haproxy/load.js';
import { Cli, cli, eventually, processesNaming, tempDir } from '../support/cli.js';
import { testWithHaproxy } from '../support/haproxy.js';

const haproxyTest = testWithHaproxy(test);

// Answers with its version and its pid, after a moment in which it can be killed.
const program = `
const { createServer } = require('node:http');
createServer((request, response) => {
  setTimeout(() => response.end(process.env.VERSION + ' ' + process.pid), request.url === '/health' ? 0 : 50);
}).listen(process.env.PORT0, '127.0.0.1');`.replaceAll('\n', ' ');

haproxyTest('a new version is rolled out under load, instances and Marathon are killed: no request fails', async t => {
  const home = tempDir();
  const [servicePort = 0, dnsPort = 0] = await freePorts(2);
  const args = ['up', '--agents', '2', '--port', '0', '--frameworks', 'marathon', '--marathon-port', '0'];
  const cluster = new Cli([...args, '--containerizer', 'process', '--work-dir', home.path], {
    cwd: home.path,
    env: { PROFFER_HAPROXY: 'on', PROFFER_DNS_PORT: String(dnsPort) },
  });
  t.teardown(async () => {
    cluster.signal('SIGTERM');
    await cluster.ended;
    home.remove();
  });
  const [, marathon = '', url = ''] = await cluster.until(/^marathon +(\d+) +(http:\S+)/m);
  const deployed = async (): Promise<boolean> =>
    ((await (await fetch(`${url}/v2/deployments`)).json()) as unknown[]).length === 0;
  const web = {
    id: '/shop/web',
    cmd: `exec '${process.execPath}' -e "${program}"`,
    env: { VERSION: 'one' },
    cpus: 0.1,
    mem: 64,
    instances: 3,
    portDefinitions: [{ port: servicePort, name: 'http' }],
    healthChecks: [
      { protocol: 'HTTP', path: '/health', intervalSeconds: 1, timeoutSeconds: 5, gracePeriodSeconds: 60 },
    ],
  };
  const posted = await fetch(`${url}/v2/apps`, { method: 'POST', body: JSON.stringify(web) });
  t.is(posted.status, 201, await posted.clone().text());
  await eventually('three instances', deployed);
  await eventually('a route', async () => {
    const answer = await fetch(`http://127.0.0.1:${servicePort}/`).catch(() => undefined);
    return answer?.status === 200;
  });
  const load = new Load(servicePort, 6);
  t.teardown(() => load.stop());
  // Nobody asks twice for these.
  const posts = new Load(servicePort, 3, 'POST');
  t.teardown(() => posts.stop());
  await load.more(50);
  t.true([...load.take().keys()].every(answer => answer.startsWith('one ')));

  const put = await fetch(`${url}/v2/apps//shop/web`, {
    method: 'PUT',
    body: JSON.stringify({ env: { VERSION: 'two' } }),
  });
  t.is(put.status, 200, await put.clone().text());
  await eventually('the new version', deployed);
  load.take();
  await load.more(50);
  const now = [...load.take().keys()];
  await posts.stop();
  t.deepEqual(posts.failures, []);
  t.deepEqual(load.failures, []);
  t.true(now.length === 3 && now.every(answer => answer.startsWith('two ')), now.join());

  const victim = now[0] ?? '';
  process.kill(Number(victim.split(' ')[1]), 'SIGKILL');
  await eventually('another in its place', () => {
    const answers = load.take();
    return answers.size === 3 && !answers.has(victim);
  });
  t.deepEqual(load.failures, []);

  // In the middle: the next one finds those of both versions, and must not kill any before HAProxy has heard.
  const third = await fetch(`${url}/v2/apps//shop/web`, {
    method: 'PUT',
    body: JSON.stringify({ env: { VERSION: 'three' } }),
  });
  t.is(third.status, 200, await third.clone().text());
  await eventually('new instances beside the old ones', async () => {
    const { tasks } = (await (await fetch(`${url}/v2/apps//shop/web/tasks`)).json()) as { tasks: { state: string }[] };
    return tasks.filter(({ state }) => state === 'TASK_RUNNING').length === 6;
  });
  process.kill(Number(marathon), 'SIGKILL');
  await eventually('Marathon again, with its names', async () => {
    const resolver = new Resolver({ tries: 1, timeout: 1000 });
    resolver.setServers([`127.0.0.1:${dnsPort}`]);
    const services = await resolver.resolveSrv('_http._web-shop._tcp.marathon.mesos').catch(() => []);
    return services.length === 3 && (await deployed());
  });
  load.take();
  await load.more(50);
  t.true([...load.take().keys()].every(answer => answer.startsWith('three ')));
  t.deepEqual(load.failures, []);
  const scaled = await fetch(`${url}/v2/apps//shop/web`, { method: 'PUT', body: JSON.stringify({ instances: 4 }) });
  t.is(scaled.status, 200, await scaled.clone().text());
  load.take();
  await eventually('a fourth that is asked', () => load.take().size === 4);
  await load.stop();
  t.deepEqual(load.failures, []);

  cluster.signal('SIGINT');
  t.is(await cluster.ended, 130);
  t.deepEqual(processesNaming(home.path), []);
});

test('settings of what is not asked for are mistakes, and said to be', async t => {
  const home = tempDir();
  t.teardown(() => home.remove());
  const said = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await cli(['marathon', ...args], { cwd: home.path });
    t.is(code, 2, stderr);
    return stderr;
  };
  t.regex(await said('--dns-domain', 'cluster'), /--dns-port/);
  t.regex(await said('--haproxy-group', 'external'), /need --haproxy/);
  t.regex(await said('--haproxy', '--haproxy-https-port', '443'), /--haproxy-certs/);
});
