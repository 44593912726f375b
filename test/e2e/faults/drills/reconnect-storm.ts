// F25: the master of a thousand agents is killed; all of them come back at once, and it stays responsive.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../../support/cli.js';
import type { Drill } from '../drill.js';
import { crowding } from '../report.js';
import { pause } from '../scene.js';
import type { Scene } from '../scene.js';

const program = fileURLToPath(new URL('../../../bench/noop-agents.js', import.meta.url));
const processes = 2;
const agentsEach = 500;
const delayMaxMs = 200;
const count = processes * agentsEach;
/** As long as a session must last for its end not to count as another failure. */
const steadyMs = 10_000;

export const reconnectStorm: Drill = {
  name: 'reconnect-storm',
  rows: 'F25',
  about: `${count} agents lose their master and come back to the next`,
  needs: [],
  limitMs: 120_000,
  run: async scene => {
    const { report } = scene;
    await scene.startMaster({ args: [] });
    const children: ChildProcess[] = [];
    scene.afterwards(() => Promise.all(children.map(end)).then(() => {}));
    await Promise.all(
      Array.from({ length: processes }, async () => {
        const args = [scene.url, String(agentsEach), 'cpus:4;mem:4096'];
        const child = fork(program, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
        children.push(child);
        await once(child, 'message');
      }),
    );
    report.check(`${count} agents are registered`, (await registered(scene)) === count);
    const before = await idsOf(scene);
    await pause(steadyMs);
    report.fault('kill -9 of the master');
    await scene.kill9(scene.master);
    await scene.startMaster({ args: [] });
    const watch = new Delays(scene);
    await report.within(`all ${count} agents are back`, 20_000, () =>
      eventually('all agents are registered', async () => (await registered(scene)) === count),
    );
    const { p99, max } = await watch.stop();
    const calm = p99 <= delayMaxMs * crowding();
    report.check(`meanwhile it answers: p99 at most ${delayMaxMs} ms`, calm, `p99 ${p99} ms, at most ${max} ms`);
    report.nothingLost('agents by their ids', before, await idsOf(scene));
    const attempts = scene.master.stderr.split('\n').filter(line => line.includes('refused')).length;
    report.check('nobody was refused', attempts === 0, `${attempts} refusals`);
  },
};

/** How long GET /health takes, asked ten times a second. */
class Delays {
  readonly #ms: number[] = [];
  readonly #done: Promise<void>;
  #over = false;

  constructor(scene: Scene) {
    this.#done = this.#ask(scene);
  }

  async stop(): Promise<{ readonly p99: number; readonly max: number }> {
    this.#over = true;
    await this.#done;
    const sorted = this.#ms.toSorted((a, b) => a - b);
    return { p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0, max: sorted.at(-1) ?? 0 };
  }

  async #ask(scene: Scene): Promise<void> {
    while (!this.#over) {
      const begun = performance.now();
      await scene.get('/health');
      this.#ms.push(Math.round(performance.now() - begun));
      await pause(100);
    }
  }
}

async function registered(scene: Scene): Promise<number> {
  const text = await (await fetch(`${scene.url}/metrics`)).text();
  return Number(/^proffer_master_agents\{[^}]*REGISTERED[^}]*\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

async function idsOf(scene: Scene): Promise<readonly string[]> {
  return (await scene.get<readonly { readonly id: string }[]>('/agents')).map(({ id }) => id);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
