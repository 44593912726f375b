// The commands for a master's registry. Specs only: what does the work is imported when its command was chosen.
import { command } from './command.js';
import { registryFlags } from './operator-flags.js';

const dump = command({
  name: 'registry dump',
  args: '[file]',
  summary: 'show every record',
  description:
    'Shows the records of the registry below --work-dir, or of a copy, after all of them were verified. It asks no master, but reads the file; a master may run.',
  examples: [
    ['proffer registry dump', 'of the master on this machine'],
    ['proffer registry dump monday.mdb --json', 'of a copy, for programs'],
  ],
  flags: registryFlags,
  load: async () => (await import('./commands/registry.js')).dump,
});

const check = command({
  name: 'registry check',
  args: '[file]',
  summary: 'verify every record; exit code 78 if it is damaged',
  description:
    'Verifies the registry below --work-dir, or a copy: every page of the file, every record’s checksum and version, and that none is missing. A master does the same when it starts. It may run meanwhile.',
  examples: [
    ['proffer registry check', 'of the master on this machine'],
    ['proffer registry check monday.mdb', 'whether a copy can be restored'],
  ],
  flags: registryFlags,
  load: async () => (await import('./commands/registry.js')).check,
});

const backup = command({
  name: 'registry backup',
  args: '<file>',
  summary: 'copy it, also while the master runs',
  description:
    'Copies the registry below --work-dir to one file and verifies the copy. The master may run, and is not disturbed. A file that exists is not written over.',
  examples: [['proffer registry backup monday.mdb', 'as of now']],
  flags: registryFlags,
  load: async () => (await import('./commands/registry.js')).backup,
});

const restore = command({
  name: 'registry restore',
  args: '<file>',
  summary: 'put a copy in its place; the former one is kept',
  description:
    'Verifies a copy and puts it in the place of the registry below --work-dir, which stays beside it as registry.before-restore. The master must not run. Agents and tasks that came after the copy was made are learned again from the agents, and until these have had their time to come back no task is called unknown; quota, weights, maintenance and what was declared gone since then are not.',
  examples: [['proffer registry restore monday.mdb', 'then start the master']],
  flags: registryFlags,
  load: async () => (await import('./commands/registry.js')).restore,
});

/** In the order of the help. */
export const registryCommands = [dump, check, backup, restore] as const;
