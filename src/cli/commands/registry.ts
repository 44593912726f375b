// `proffer registry dump|check|backup|restore`: what a master keeps on disk, in the hands of an operator.
import type { RegistryContent } from '../../compose/registry-files.js';
import { backupRegistry, readRegistry, restoreRegistry } from '../../compose/registry-files.js';
import type { RunCommand } from '../command.js';
import { exitCodes } from '../command.js';
import type { RegistryFlags } from '../operator-flags.js';
import { table } from '../table.js';
import { counted } from '../words.js';

export const dump: RunCommand<RegistryFlags> = async ({ flags, args: [file], terminal }) => {
  const content = await readRegistry(flags.workDir, file);
  if (flags.json) {
    terminal.out(`${JSON.stringify(content, undefined, 2)}\n`);
    return exitCodes.ok;
  }
  const columns = [
    { title: 'RECORD', least: 20 },
    { title: 'EPOCH', right: true },
    { title: 'VALUE', least: 20 },
  ];
  const rows = content.records.map(({ key, epoch, value }) => [key, String(epoch), JSON.stringify(value)]);
  terminal.out(table(terminal, columns, rows, 'the registry is empty'));
  return exitCodes.ok;
};

/** Damage is an error, as everywhere: the exit code is 78. */
export const check: RunCommand<RegistryFlags> = async ({ flags, args: [file], terminal }) => {
  const content = await readRegistry(flags.workDir, file);
  const { masterPid, epoch, generation, bytes, unsound, records } = content;
  if (flags.json) {
    const kinds = Object.fromEntries(kindsOf(content));
    const { length } = records;
    const summary = {
      file: content.file,
      whole: true,
      records: length,
      kinds,
      epoch,
      generation,
      bytes,
      unsound,
      masterPid,
    };
    terminal.out(`${JSON.stringify(summary, undefined, 2)}\n`);
    return exitCodes.ok;
  }
  const kinds = [...kindsOf(content)].map(([kind, count]) => `${kind} ${count}`).join(', ');
  terminal.out(`${content.file}: whole, ${described(content)}${kinds === '' ? '' : `: ${kinds}`}\n`);
  if (masterPid !== undefined) terminal.out(`process ${masterPid} uses it\n`);
  if (unsound !== undefined) terminal.out(`the next master rewrites the file, as ${unsound}; no record is affected\n`);
  return exitCodes.ok;
};

export const backup: RunCommand<RegistryFlags> = async ({ flags, args: [file = ''], terminal }) => {
  const content = await backupRegistry(flags.workDir, file);
  terminal.out(flags.json ? summaryOf(content) : `saved to ${file}, and verified: ${described(content)}\n`);
  return exitCodes.ok;
};

export const restore: RunCommand<RegistryFlags> = async ({ flags, args: [file = ''], terminal }) => {
  const { content, former } = await restoreRegistry(flags.workDir, file);
  if (flags.json) terminal.out(summaryOf(content, { former }));
  else {
    terminal.out(`restored from ${file}: ${described(content)}\n`);
    if (former !== undefined) terminal.out(`the former registry is kept as ${former}\n`);
  }
  return exitCodes.ok;
};

function described({ records, epoch, generation }: RegistryContent): string {
  return `${counted(records.length, 'record')} of ${counted(generation, 'commit')}, epoch ${epoch}`;
}

function summaryOf({ file, records, epoch, generation, bytes }: RegistryContent, more: object = {}): string {
  return `${JSON.stringify({ file, records: records.length, epoch, generation, bytes, ...more }, undefined, 2)}\n`;
}

// The word before the slash.
function kindsOf({ records }: RegistryContent): Map<string, number> {
  const kinds = new Map<string, number>();
  for (const { key } of records) {
    const [kind = key] = key.split('/');
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return kinds;
}
