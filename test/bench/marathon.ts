// Marathon end to end, each part in a process of its own, containers that do nothing: how fast instances come, how fast the API answers, what it takes in memory.
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { get, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { residentBytes, startCluster } from './cluster.js';
import type { BenchOptions, BenchRow } from './row.js';
import { Durations, row } from './row.js';

const mib = 1024 * 1024;
const small = { cmd: 'true', cpus: 0.01, mem: 1, portDefinitions: [] };

export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  const many = options.quick === true ? 100 : 1000;
  const most = 10 * many;
  const cluster = await startCluster({
    agents: 2,
    agentsPerProcess: 10,
    containerizer: 'noop',
    resources: () => 'cpus:64;mem:65536',
  });
  const marathon = await startMarathon(cluster.masterUrl);
  try {
    const rows: BenchRow[] = [];
    options.progress?.(`one app of ${many} instances`);
    const one = await deployed(marathon.url, 'PUT', '/v2/apps/one', { ...small, instances: many });
    rows.push(row('marathon/one app', { instances: many }, one / 1000, 's'));
    await deployed(marathon.url, 'DELETE', '/v2/apps/one');

    options.progress?.(`${many} apps of one instance`);
    const apps = Array.from({ length: many }, (_, index) => ({ ...small, id: `app-${index}` }));
    const all = await deployed(marathon.url, 'PUT', '/v2/groups/many', { apps });
    rows.push(row('marathon/apps of one instance', { apps: many }, all / 1000, 's'));

    options.progress?.(`${most} instances, and questions about them`);
    await deployed(marathon.url, 'PUT', '/v2/groups/many', { scaleBy: most / many });
    const params = { apps: many, instances: most };
    for (const path of ['/v2/apps', '/v2/tasks', '/v2/apps/many/app-1']) {
      const times = new Durations();
      for (let round = 0; round < 50; round += 1) times.add(await asked(marathon.url, path));
      rows.push(...times.rows(`marathon/GET ${path}`, params, [50, 95]));
    }
    rows.push(row('marathon/resident', params, residentBytes(marathon.pid) / mib, 'MiB'));
    rows.push(row('marathon/master resident', params, residentBytes(cluster.masterPid) / mib, 'MiB'));
    return rows;
  } finally {
    await marathon.stop();
    await cluster.stop();
  }
}

interface RunningMarathon {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const cli = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

async function startMarathon(masterUrl: string): Promise<RunningMarathon> {
  const workDir = mkdtempSync(join(dirname(fileURLToPath(import.meta.url)), '.marathon-'));
  const args = ['--master', masterUrl, '--http-port', '0', '--work-dir', workDir, '--log-level', 'error'];
  const child = fork(cli, ['marathon', ...args], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [word] = (await once(child, 'message')) as [{ readonly type: string; readonly url?: string }];
  if (word.type !== 'READY' || word.url === undefined)
    throw new Error(`Marathon did not start: ${JSON.stringify(word)}`);
  return {
    url: word.url,
    pid: child.pid ?? 0,
    stop: async () => {
      await ended(child);
      rmSync(workDir, { recursive: true, force: true });
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** Milliseconds from the request until its deployment has succeeded, as told to who listens. */
async function deployed(url: string, method: string, path: string, body?: object): Promise<number> {
  const [events] = (await once(get(`${url}/v2/events?event_type=deployment_success`), 'response')) as [IncomingMessage];
  const from = performance.now();
  const sent = request(`${url}${path}`, { method });
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const answer = await text(response);
  const { deploymentId } = JSON.parse(answer) as { readonly deploymentId?: string };
  if (deploymentId === undefined) throw new Error(`${method} ${path}: ${answer}`);
  let told = '';
  for await (const chunk of events) {
    told += String(chunk);
    if (told.includes(`"id":"${deploymentId}"`)) break;
  }
  return performance.now() - from;
}

async function asked(url: string, path: string): Promise<number> {
  const from = performance.now();
  const [response] = (await once(get(`${url}${path}`), 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return performance.now() - from;
}
