// Volumes on disks of their own: what is made, put aside, taken back and deleted there, and that nobody else's data ever is.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import type { ProfferError } from '../../src/base/errors.js';
import { claimVolume } from '../../src/containerizer/volume-links.js';
import { FileVolumes } from '../../src/containerizer/volumes.js';
import { loggerTo, silentLogger } from '../../src/env/log.js';
import type { DiskSource, DiskSourceType } from '../../src/resources/index.js';
import { asRoot } from '../support/as-root.js';

const mark = '.proffer-agent';

/** An agent's work directory beside a disk, with agents that come and go. */
class Host {
  readonly root: string;
  readonly source: DiskSource;
  readonly warnings: string[] = [];
  readonly #workDir: string;

  constructor(t: ExecutionContext, type: DiskSourceType) {
    const dir = mkdtempSync(join(tmpdir(), 'proffer-disks-'));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    this.root = join(dir, 'disk');
    this.#workDir = join(dir, 'work');
    this.source = { type, root: this.root };
    mkdirSync(this.root);
  }

  /** The next agent process, which knows these volumes. */
  agent(...ids: readonly string[]): FileVolumes {
    const volumes = new FileVolumes(
      this.#workDir,
      loggerTo((_level, message) => this.warnings.push(message)),
    );
    volumes.open(ids.map(this.name), [this.source]);
    return volumes;
  }

  /** What is there, but for the mark. */
  content(): string[] {
    return readdirSync(this.root)
      .filter(name => name !== mark)
      .sort();
  }

  /** Another agent of the machine, with this disk or another. */
  otherAgent(source = this.source): FileVolumes {
    const volumes = new FileVolumes(`${this.#workDir}-2`, silentLogger);
    volumes.open([], [source]);
    return volumes;
  }

  /** Another process, of which the disk is no part. */
  withoutDisk(): void {
    new FileVolumes(this.#workDir, silentLogger).open([], []);
  }

  name = (id: string): { role: string; id: string; source: DiskSource } => ({ role: 'ads', id, source: this.source });
}

test('a mount disk is its volume, and empty before and after it', async t => {
  const host = new Host(t, 'MOUNT');
  const volumes = host.agent();
  t.deepEqual(host.warnings, ['nothing is mounted at the root of a MOUNT disk; it shares its space with others']);
  const v = host.name('v');
  // Every new file system has it.
  mkdirSync(join(host.root, 'lost+found'));
  volumes.make(v);
  t.is(volumes.path(v), host.root);
  writeFileSync(join(host.root, 'file'), 'data');
  mkdirSync(join(host.root, 'more/of/it'), { recursive: true });

  volumes.retire(v);
  volumes.restore(v);
  t.is(readFileSync(join(host.root, 'file'), 'utf8'), 'data');
  volumes.retire(v);
  volumes.purge(v);
  t.throws(() => volumes.make(host.name('w')), { message: /is still being deleted; try again later/ });
  await volumes.idle();
  t.deepEqual(host.content(), ['lost+found']);
  volumes.make(host.name('w'));
});

test('data on a mount disk that is of no volume is nobody’s to delete', async t => {
  const host = new Host(t, 'MOUNT');
  writeFileSync(join(host.root, 'theirs'), '');
  const volumes = host.agent();
  t.throws(() => volumes.make(host.name('v')), {
    message: /is not empty: "theirs" is no data of a volume; move it away/,
  });
  await volumes.idle();
  t.deepEqual(host.content(), ['theirs']);
});

test('an agent that dies while it gives up a mount disk goes on with what was written down', async t => {
  const host = new Host(t, 'MOUNT');
  const first = host.agent();
  first.make(host.name('v'));
  writeFileSync(join(host.root, 'file'), 'data');
  // It dies before that was written down: the volume is there still.
  first.retire(host.name('v'));
  const second = host.agent('v');
  await second.idle();
  t.is(readFileSync(join(host.root, 'file'), 'utf8'), 'data');
  // The mark is gone: it is not deleted by one that has no volume, either.
  await host.agent().idle();
  t.deepEqual(host.content(), ['file']);
  // It dies after that.
  host.agent('v').retire(host.name('v'));
  await host.agent().idle();
  t.deepEqual(host.content(), []);
});

test('a mount disk that was no part of the agent for a while is not emptied any more', async t => {
  const host = new Host(t, 'MOUNT');
  const first = host.agent();
  first.make(host.name('v'));
  first.retire(host.name('v'));
  host.withoutDisk();
  writeFileSync(join(host.root, 'theirs'), '');
  await host.agent().idle();
  t.deepEqual(host.content(), ['theirs']);
});

test('volumes are directories on a path disk, beside whatever else is there', async t => {
  const host = new Host(t, 'PATH');
  writeFileSync(join(host.root, 'theirs'), '');
  const volumes = host.agent();
  t.deepEqual(host.warnings, []);
  t.deepEqual(host.content(), ['theirs'], 'without volumes nothing is made');
  const at = (id: string): string => join(host.root, 'volumes/roles/ads', id);
  volumes.make(host.name('v'));
  t.is(volumes.path(host.name('v')), at('v'));
  writeFileSync(join(at('v'), 'file'), 'data');
  volumes.retire(host.name('v'));
  t.is(readFileSync(join(host.agent('v').path(host.name('v')), 'file'), 'utf8'), 'data', 'taken back by the next one');
  const last = host.agent('v');
  last.retire(host.name('v'));
  last.purge(host.name('v'));
  t.false(existsSync(at('v')));
  await last.idle();
  t.deepEqual(readdirSync(join(host.root, 'volumes/removed')), []);
  t.deepEqual(host.content(), ['theirs', 'volumes']);
});

test('a directory on a path disk that the agent does not know is left, and taken when it is empty', async t => {
  const host = new Host(t, 'PATH');
  host.agent().make(host.name('v'));
  const next = host.agent();
  await next.idle();
  t.notThrows(() => next.make(host.name('v')), 'made by an agent that died before it was written down');
  writeFileSync(join(next.path(host.name('v')), 'file'), '');
  t.throws(() => host.agent().make(host.name('v')), { message: /has data that is of no volume of this agent/ });
});

test('a disk that is not there, or is no directory, keeps the agent from starting', t => {
  for (const type of ['MOUNT', 'PATH'] as const) {
    const host = new Host(t, type);
    rmSync(host.root, { recursive: true });
    const error = t.throws(() => host.agent(), { code: 'SANDBOX' });
    t.regex(error.message, /the disk .* cannot be used: ENOENT/);
    t.like(error, { path: 'resources' });
    writeFileSync(host.root, '');
    t.throws(() => host.agent(), { message: /it is not a directory/ });
  }
});

asRoot('a mount disk is given to the user of its volume, and taken back with it', async t => {
  const host = new Host(t, 'MOUNT');
  const volumes = host.agent();
  mkdirSync(join(host.root, 'lost+found'));
  volumes.make(host.name('v'));
  claimVolume(host.root, { uid: 65_534, gid: 65_534 });
  t.is(statSync(host.root).uid, 65_534);
  volumes.retire(host.name('v'));
  volumes.purge(host.name('v'));
  await volumes.idle();
  t.is(statSync(host.root).uid, 0);
});

test('a disk is one agent’s, also while that one does not run', async t => {
  for (const type of ['MOUNT', 'PATH'] as const) {
    const host = new Host(t, type);
    host.agent().make(host.name('v'));
    const error = t.throws<ProfferError>(() => host.otherAgent(), { code: 'DISK_IN_USE' });
    t.like(error, { path: 'resources' });
    t.regex(error.message, /the disk .*\/disk is another agent’s, which keeps ".*\/work"/);
    t.regex(error.hint ?? '', /delete .*\/disk\/\.proffer-agent/);
    t.notThrows(() => host.agent('v'), 'it comes back');
    const within = join(host.root, 'within');
    mkdirSync(within);
    t.throws(() => host.otherAgent({ type, root: within }), {
      message: /, in which .*\/within lies, is another agent’s/,
    });
    // A mark that cannot be read is somebody's.
    writeFileSync(join(host.root, mark), '');
    t.throws(() => host.agent('v'), { code: 'DISK_IN_USE' });
    rmSync(join(host.root, mark));
    t.notThrows(() => host.agent('v'), 'a task may have deleted it');
    await host.agent('v').idle();
  }
});

test('a disk that is no part of its agent any more may be another’s', t => {
  const host = new Host(t, 'PATH');
  host.agent();
  host.withoutDisk();
  t.notThrows(() => host.otherAgent());
  t.throws(() => host.agent(), { code: 'DISK_IN_USE' });
  host.withoutDisk();
  t.true(existsSync(join(host.root, mark)), 'nobody gives up what is not his');
});
