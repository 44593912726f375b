// F19: the disk of the master's registry is full, then that of an agent. Whoever cannot write says so; what was acknowledged is there, and tasks run on.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../../support/cli.js';
import { isTerminal } from '../../../../src/protocol/task-state.js';
import type { Drill } from '../drill.js';
import { RegistryWriter } from '../registry-writer.js';
import type { Scene } from '../scene.js';

export const diskFull: Drill = {
  name: 'disk-full',
  rows: 'F19',
  about: 'no space is left for the registry, then for an agent and its sandboxes',
  needs: ['root', 'mount'],
  limitMs: 120_000,
  run: async scene => {
    const { report } = scene;
    const registry = small(scene, 'master');
    const sandboxes = small(scene, 'node-1');
    await scene.startMaster();
    await scene.startAgents('node-1');
    const tenant = await scene.startTenant();
    const processes = await scene.run(tenant, [scene.order('sleep-1'), scene.order('sleep-2')]);

    const writer = new RegistryWriter(scene);
    for (let n = 0; n < 20; n++) await writer.writeOne();
    report.fault('the disk of the registry is full');
    registry.fill();
    const others = await writer.writeUntilGone();
    const code = await report.within('the master has ended', 2_000, () => scene.master.ended);
    report.check('with an error', code !== 0, String(code));
    report.check('that says that no space is left', /no space/i.test(scene.master.stderr), lastLines(scene));
    report.check('no call was answered wrongly', others.length <= 8, others.join());
    registry.empty();
    await scene.startMaster();
    await writer.check('after the full disk');
    await scene.untilAgent('node-1', 'REGISTERED');
    await tenant.untilSubscribed(2);
    scene.untouched(processes, 'after the full disk of the master');

    report.fault('the disk of an agent is full');
    sandboxes.fill();
    const agent = scene.agents.get('node-1');
    let agentEnded = false;
    void agent?.ended.then(() => {
      agentEnded = true;
    });
    tenant.launch(scene.order('unlucky', 'exit 0'));
    await eventually('the launch is refused, or the agent has ended', () => {
      const state = tenant.state('unlucky');
      return agentEnded || (state !== undefined && isTerminal(state));
    });
    const { state, message = '' } = tenant.last('unlucky') ?? {};
    const said = agentEnded ? (agent?.stderr ?? '') : message;
    report.check(
      'whoever cannot go on says that no space is left',
      /no space/i.test(said),
      `${state}: ${said.slice(-300)}`,
    );
    report.check('nothing was started', scene.starts('unlucky').length === 0);
    scene.untouched(processes, 'on the full disk of the agent');
    sandboxes.empty();
    if (agentEnded) scene.startAgent('node-1');
    await scene.untilAgent('node-1', 'REGISTERED');
    const after = await scene.run(tenant, [scene.order('afterwards')]);
    scene.untouched(processes, 'after the full disk of the agent');
    scene.noFalseEnd(tenant, processes);
    await tenant.teardown();
    await scene.allGone(new Map([...processes, ...after]));
  },
};

/** A file system of 6 MiB at this place of the scene. */
function small(scene: Scene, name: string): { fill(): void; empty(): void } {
  const path = join(scene.dir, name);
  const ballast = join(path, 'ballast');
  mkdirSync(path, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'drill', path]);
  scene.afterwards(() => void execFileSync('umount', ['--lazy', path]));
  return {
    fill: () => void execFileSync('sh', ['-c', `cat /dev/zero > ${ballast} 2>/dev/null || true`]),
    empty: () => void execFileSync('rm', ['-f', ballast]),
  };
}

function lastLines({ master }: Scene): string {
  return master.stderr.trimEnd().split('\n').slice(-2).join(' ');
}
