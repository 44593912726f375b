// F20: bytes of the registry are flipped, and its end is cut off, at random. A master on it has every acknowledged change or refuses to start and says how to
// restore it; it never starts empty. And the restored one has it all.
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '../../../../src/env/random.js';
import { cli } from '../../../support/cli.js';
import type { Drill } from '../drill.js';
import { RegistryWriter } from '../registry-writer.js';
import type { Scene } from '../scene.js';

const changes = 120;
const flips = 12;
/** How many of them hit the first two pages, which say where everything is. */
const flipsAtHead = 4;
const headBytes = 8192;
const cuts = 4;

export const registryDamaged: Drill = {
  name: 'registry-damaged',
  rows: 'F20',
  about: 'bits of the registry flipped and its end cut off, at random places',
  needs: [],
  limitMs: 120_000,
  run: async scene => {
    const { report } = scene;
    await scene.startMaster();
    const writer = new RegistryWriter(scene);
    for (let n = 0; n < changes; n++) await writer.writeOne();
    report.check(`${changes} changes are acknowledged`, writer.acknowledged === changes);
    const backup = join(scene.dir, 'backup');
    const workDir = join(scene.dir, 'master');
    const saved = await cli(['registry', 'backup', backup, '--work-dir', workDir], { cwd: scene.dir });
    report.check('a backup can be made while the master runs', saved.code === 0, saved.stderr);
    await stop(scene);
    const file = registryFile(workDir);
    const whole = `${file}.whole`;
    copyFileSync(file, whole);
    const random = seededRandom(20).fork('drill/registry-damaged');
    let refused = 0;
    let served = 0;
    for (let n = 0; n < flips + cuts; n++) {
      copyFileSync(whole, file);
      const what =
        n < flips
          ? flip(file, random.int(0, (n < flipsAtHead ? headBytes : statSync(file).size) - 1))
          : cut(file, random.unit());
      report.fault(n < flips ? 'bit flip in the registry' : 'end of the registry cut off');
      const started = await scene.startMaster().then(
        () => true,
        () => false,
      );
      if (started) {
        served += 1;
        await writer.check(what);
        await stop(scene);
        continue;
      }
      refused += 1;
      const code = await scene.master.ended;
      const said = scene.master.stderr;
      report.check(
        `refused, with a hint to restore (${what})`,
        code !== 0 && /restore/i.test(said) && said.includes(workDir),
        said.slice(-300),
      );
    }
    report.check('some damage was found', refused > 0, `${refused} refused, ${served} harmless`);

    cut(file, 0.5);
    const restored = await cli(['registry', 'restore', backup, '--work-dir', workDir], { cwd: scene.dir });
    report.check('the backup can be restored', restored.code === 0, restored.stderr);
    await scene.startMaster();
    await writer.check('after the restore');
    rmSync(whole, { force: true });
  },
};

async function stop(scene: Scene): Promise<void> {
  scene.master.signal('SIGTERM');
  await scene.master.ended;
}

/** The largest file below the registry's directory. */
function registryFile(workDir: string): string {
  const files = readdirSync(workDir, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name));
  return files.toSorted((a, b) => statSync(b).size - statSync(a).size)[0] ?? '';
}

function flip(file: string, at: number): string {
  const bytes = readFileSync(file);
  const bit = at % 8;
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
  writeFileSync(file, bytes);
  return `bit ${bit} of byte ${at}`;
}

function cut(file: string, part: number): string {
  const bytes = Math.floor(statSync(file).size * part);
  truncateSync(file, bytes);
  return `cut after ${bytes} bytes`;
}
