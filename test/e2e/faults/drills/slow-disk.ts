// F18: the disk of the master's registry is slow, breaks, and hangs. Nothing is acknowledged that is not durable, and a master that cannot write ends.
import { execFileSync } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../../support/root.js';
import type { Drill } from '../drill.js';
import { RegistryWriter } from '../registry-writer.js';
import type { Scene } from '../scene.js';

const slowMs = 300;
/** The registry gives a write up after 20 s. */
const hangMaxMs = 25_000;

export const slowDisk: Drill = {
  name: 'slow-disk',
  rows: 'F18',
  about: 'fsync of the registry takes 300 ms, fails with EIO, hangs',
  needs: ['cc'],
  limitMs: 120_000,
  run: async scene => {
    const { report } = scene;
    const disk = new Disk(scene);
    await scene.startMaster({ env: disk.env });
    await scene.startAgents('node-1');
    const tenant = await scene.startTenant();
    const processes = await scene.run(tenant, [scene.order('sleep-1'), scene.order('sleep-2')]);
    const writer = new RegistryWriter(scene);
    report.check('a change is acknowledged', (await writer.writeOne()) === 200);

    report.fault(`fsync takes ${slowMs} ms`);
    disk.is(`sleep ${slowMs}`);
    for (let n = 0; n < 3; n++) {
      const begun = performance.now();
      const status = await writer.writeOne();
      const ms = Math.round(performance.now() - begun);
      report.check(
        'slow: acknowledged, and not before it is on disk',
        status === 200 && ms >= slowMs,
        `${status}, ${ms} ms`,
      );
    }
    const writing = writer.writeUntilGone();
    report.fault('kill -9 of the master on the slow disk');
    await new Promise(resolve => setImmediate(resolve));
    await scene.kill9(scene.master);
    await writing;
    disk.is('ok');
    await scene.startMaster({ env: disk.env });
    await writer.check('after the slow disk');

    report.fault('fsync fails with EIO');
    disk.is('eio');
    const refused = await Promise.all([writer.writeOne(), writer.writeOne(), writer.writeOne()]);
    report.check('EIO: nothing is acknowledged', !refused.includes(200), refused.join());
    const code = await report.within('EIO: the master has ended', 2_000, () => scene.master.ended);
    report.check(
      'EIO: with an error',
      code !== 0 && /STORE_FAILED|registry|store/i.test(scene.master.stderr),
      String(code),
    );
    disk.is('ok');
    await scene.startMaster({ env: disk.env });
    await writer.check('after EIO');

    report.fault('fsync hangs');
    disk.is('hang');
    const stuck = writer.writeOne();
    const stuckCode = await report.within('hanging: the master has ended', hangMaxMs, () => scene.master.ended);
    report.check('hanging: with an error', stuckCode !== 0, String(stuckCode));
    report.check('hanging: nothing is acknowledged', (await stuck) !== 200, String(await stuck));
    disk.is('ok');
    await scene.startMaster();
    await writer.check('after hanging');
    await scene.untilAgent('node-1', 'REGISTERED');
    await tenant.untilConnected();
    scene.untouched(processes, 'at the end');
    await tenant.teardown();
    await scene.allGone(processes);
  },
};

/** A disk that does what it is told, for processes started with its environment. */
class Disk {
  readonly env: NodeJS.ProcessEnv;
  readonly #control: string;

  constructor(scene: Scene) {
    const library = join(scene.dir, 'disk-shim.so');
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, join(projectRoot(), 'test/e2e/faults/disk-shim.c')]);
    this.#control = join(scene.dir, 'disk');
    this.env = { LD_PRELOAD: library, DRILL_DISK: this.#control };
    this.is('ok');
  }

  is(word: string): void {
    // In one step, so that it is never read half written.
    writeFileSync(`${this.#control}.new`, `${word}\n`);
    renameSync(`${this.#control}.new`, this.#control);
  }
}
