// A Docker engine for one drill, to be stopped, killed and started again. In: a scene. Out: where it listens, and the processes of containers.
import { execFileSync, spawn } from 'node:child_process';
import { openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/cli.js';
import { projectRoot } from '../../support/root.js';
import type { Scene, TaskProcess } from './scene.js';
import { startTimeOf } from './scene.js';

const script = join(projectRoot(), '.ci/docker-engine');

export class DockerEngine {
  readonly env: NodeJS.ProcessEnv;
  readonly #state: string;
  readonly #argv: readonly string[];

  /** Starts one, which is stopped when the drill is over. */
  constructor(scene: Scene) {
    this.#state = join(scene.dir, 'docker');
    scene.afterwards(() => void execFileSync(script, ['stop', this.#state]));
    execFileSync(script, ['start', this.#state], { stdio: ['ignore', 'ignore', 'inherit'] });
    this.env = { DOCKER_HOST: `unix://${this.#state}/docker.sock` };
    this.#argv = readFileSync(`/proc/${this.pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  }

  get pid(): number {
    return Number(readFileSync(join(this.#state, 'docker.pid'), 'utf8'));
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    process.kill(this.pid, name);
  }

  /** SIGKILL; containers run on under their shims. */
  async kill(): Promise<void> {
    const { pid } = this;
    process.kill(pid, 'SIGKILL');
    await eventually('the engine is gone', () => startTimeOf(pid) === undefined);
  }

  /** Starts it again as it was, with the containers it had. */
  async restart(): Promise<void> {
    // Its number may be in /proc still, where nobody has taken note of its end.
    rmSync(join(this.#state, 'docker.pid'), { force: true });
    const log = openSync(join(this.#state, 'dockerd.log'), 'a');
    const [command = '', ...args] = this.#argv;
    spawn(command, [...args, '--live-restore'], { detached: true, stdio: ['ignore', log, log] }).unref();
    await eventually('the engine answers', () => {
      try {
        this.#client('version');
        return true;
      } catch {
        return false;
      }
    });
  }

  /** The first process of the container of each task. */
  processes(taskIds: readonly string[]): ReadonlyMap<string, TaskProcess> {
    const ids = this.#client('ps', '--quiet', '--no-trunc').trim().split('\n').filter(Boolean);
    const found = new Map<string, TaskProcess>();
    for (const id of ids) {
      const [pid = '', ...env] = this.#client(
        'inspect',
        '--format',
        '{{.State.Pid}}{{range .Config.Env}}\n{{.}}{{end}}',
        id,
      )
        .trim()
        .split('\n');
      const taskId = env.find(one => one.startsWith('PROFFER_TASK_ID='))?.slice('PROFFER_TASK_ID='.length) ?? '';
      if (taskIds.includes(taskId)) found.set(taskId, { pid: Number(pid), startTime: startTimeOf(Number(pid)) ?? '' });
    }
    return found;
  }

  #client(...args: readonly string[]): string {
    return execFileSync('/usr/bin/docker', args, {
      encoding: 'utf8',
      env: this.env,
      timeout: 30_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  }
}
