// The containerizers alone: process tasks against a bare `child_process.spawn` loop, launch latencies, and Docker starts against `docker run`. Out: rows.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import type { Containerizer, ContainerSpec } from '../../src/containerizer/containerizer.js';
import { DockerContainerizer } from '../../src/containerizer/docker.js';
import { ProcessContainerizer } from '../../src/containerizer/process.js';
import { systemEnv } from '../../src/env/system-env.js';
import { findDockerEngine, testImage } from '../support/docker.js';
import type { BenchOptions, BenchRow } from './row.js';
import { Durations, median, row } from './row.js';

const env = { PATH: '/usr/local/bin:/usr/bin:/bin' };
const limits = { cpusMilli: 100, memLimitBytes: 32 * 1024 * 1024 };

export async function bench(options: BenchOptions = {}): Promise<BenchRow[]> {
  // Beside the code, where work directories usually are: some disks make files slowly in /tmp.
  const dir = mkdtempSync(join(dirname(fileURLToPath(import.meta.url)), '.containers-'));
  try {
    return [...(await processes(dir, options)), ...(await containers(dir, options))];
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function processes(dir: string, options: BenchOptions): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const rounds = options.quick === true ? 1 : 5;
  const count = options.quick === true ? 50 : 300;
  const notices: string[] = [];
  const containerizer = new ProcessContainerizer(systemEnv(), {
    instance: `bench-${process.pid}`,
    onNotice: notice => notices.push(notice),
  });
  try {
    const one = launcher(containerizer, dir, { command: { argv: ['/bin/true'] } });
    await repeat(20, 4, one);
    for (const atOnce of [1, 8, 32]) {
      options.progress?.(`processes, ${atOnce} at once`);
      const [bare, ours, ratios] = [[] as number[], [] as number[], [] as number[]];
      const started = new Durations();
      // In turn, so that a disturbance hits both.
      for (let round = 0; round < rounds; round += 1) {
        const theirs = await repeat(count, atOnce, spawnTrue);
        const mine = await repeat(count, atOnce, () => one(ms => started.add(ms)));
        bare.push(theirs);
        ours.push(mine);
        ratios.push(mine / theirs);
      }
      const params = { atOnce, limits: notices.length === 0 ? 'cgroups' : 'none' };
      rows.push(
        row('containers/spawn loop', params, median(bare), '/s'),
        row('containers/process tasks', params, median(ours), '/s'),
        row('containers/process tasks against spawn loop', params, median(ratios) * 100, '%'),
        ...started.rows('containers/launch → started', params, [50, 95]),
      );
    }
  } finally {
    await closed(containerizer);
  }
  return rows;
}

async function containers(dir: string, options: BenchOptions): Promise<BenchRow[]> {
  const engine = await findDockerEngine();
  if (!engine.available) {
    options.progress?.(`Docker is left out: ${engine.reason}`);
    return [];
  }
  const rows: BenchRow[] = [];
  const containerizer = new DockerContainerizer(systemEnv());
  try {
    const one = launcher(containerizer, dir, {
      command: { argv: ['true'] },
      container: { type: 'DOCKER', docker: { image: testImage, network: 'NONE' } },
    });
    const started = new Durations();
    await one();
    await dockerRun();
    const count = options.quick === true ? 3 : 12;
    for (const atOnce of [1, 4]) {
      options.progress?.(`Docker, ${atOnce} at once`);
      const theirs = await repeat(count, atOnce, dockerRun);
      const mine = await repeat(count, atOnce, () => one(ms => atOnce === 1 && started.add(ms)));
      rows.push(
        row('containers/docker run', { atOnce }, theirs, '/s'),
        row('containers/docker tasks', { atOnce }, mine, '/s'),
        row('containers/docker tasks against docker run', { atOnce }, (mine / theirs) * 100, '%'),
      );
    }
    rows.push(...started.rows('containers/docker launch → started', { atOnce: 1 }, [50, 95]));
  } finally {
    await closed(containerizer);
  }
  return rows;
}

/** Launches one container after the other's pattern; resolves with its end and tells how long its start took. */
function launcher(
  containerizer: Containerizer,
  dir: string,
  spec: Partial<ContainerSpec>,
): (onStarted?: (ms: number) => void) => Promise<void> {
  let count = 0;
  return onStarted =>
    new Promise((resolve, reject) => {
      const containerId = `${containerizer.types.join('-').toLowerCase()}-${process.pid}-${count++}`;
      const before = performance.now();
      const whole = {
        containerId,
        name: containerId,
        sandbox: join(dir, containerId),
        env,
        labels: {},
        ...limits,
        ...spec,
      };
      containerizer.launch(whole, event => {
        if (event.type === 'STARTED') onStarted?.(performance.now() - before);
        if (event.type === 'EXITED') resolve();
        if (event.type === 'FAILED') reject(new Error(event.message));
      });
    });
}

/** How many a second, `atOnce` at any time. */
async function repeat(count: number, atOnce: number, one: () => Promise<void>): Promise<number> {
  let begun = 0;
  const before = performance.now();
  const line = async (): Promise<void> => {
    while (begun < count) {
      begun += 1;
      await one();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, line));
  return (count / (performance.now() - before)) * 1000;
}

function spawnTrue(): Promise<void> {
  return ended('/bin/true', [], env);
}

function dockerRun(): Promise<void> {
  return ended('docker', ['run', '--rm', '--network', 'none', '--memory', '32m', testImage, 'true'], process.env);
}

function ended(program: string, args: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    spawn(program, args, { stdio: 'ignore', env: environment })
      .once('error', reject)
      .once('exit', () => resolve());
  });
}

function closed(containerizer: Containerizer): Promise<void> {
  return new Promise(resolve => containerizer.close(resolve));
}
