// F5: the host of an agent is rebooted: nothing of before runs, and the kernel says another boot id. The agent is the same, its tasks have failed, and a process
// that has the pid of one of them now is left alone.
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parentOf } from '../../../support/processes.js';
import type { Drill } from '../drill.js';

const bootIdFile = '/proc/sys/kernel/random/boot_id';

export const agentRebooted: Drill = {
  name: 'agent-rebooted',
  rows: 'F5',
  about: 'the host of an agent is rebooted, and a pid of before belongs to somebody else',
  needs: ['root', 'mount'],
  limitMs: 60_000,
  run: async scene => {
    const { report } = scene;
    await scene.startMaster();
    const agent = scene.startAgent('node-1');
    await scene.untilAgent('node-1', 'REGISTERED');
    const tenant = await scene.startTenant();
    const processes = await scene.run(tenant, [scene.order('task-1'), scene.order('task-2'), scene.order('stranger')]);
    const agentId = (await scene.agent('node-1'))?.id;

    report.fault('reboot of the host of an agent');
    await scene.kill9(agent);
    // This one stays, as whoever got its pid after the boot would be there.
    const stranger = new Map([...processes].filter(([id]) => id === 'stranger'));
    const dead = new Map([...processes].filter(([id]) => id !== 'stranger'));
    for (const { pid } of dead.values()) {
      process.kill(parentOf(pid), 'SIGKILL');
      process.kill(pid, 'SIGKILL');
    }
    const bootId = join(scene.dir, 'boot-id');
    writeFileSync(bootId, `${randomUUID()}\n`);
    execFileSync('mount', ['--bind', bootId, bootIdFile]);
    scene.afterwards(() => void execFileSync('umount', [bootIdFile]));
    scene.startAgent('node-1');
    await report.within('the agent is back', 10_000, () => scene.untilAgent('node-1', 'REGISTERED'));
    report.check('it kept its id', (await scene.agent('node-1'))?.id === agentId);
    await report.within('its tasks are told to have failed', 15_000, () =>
      tenant.until('TASK_FAILED', [...processes.keys()]),
    );
    const messages = [...processes.keys()].map(id => tenant.last(id)?.message ?? '');
    report.check(
      'because of the reboot',
      messages.every(message => message.includes('reboot')),
      messages.join('; '),
    );
    scene.alive(stranger, 'with a pid of before');
    const after = await scene.run(tenant, [scene.order('afterwards')]);
    for (const { pid } of stranger.values()) {
      process.kill(parentOf(pid), 'SIGKILL');
      process.kill(pid, 'SIGKILL');
    }
    await tenant.teardown();
    await scene.allGone(new Map([...after, ...processes]));
  },
};
