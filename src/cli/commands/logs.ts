// `proffer logs ID`: what a task printed, read from its agent.
import type { Client } from '../client.js';
import { agentClient, findTask, masterClient, textOf } from '../client.js';
import type { RunCommand } from '../command.js';
import { exitCodes } from '../command.js';
import type { LogsFlags } from '../flag-sets.js';

export const logs: RunCommand<LogsFlags> = async ({ flags, args: [id = ''] }) => {
  const { task } = await findTask(masterClient(flags.master), id, flags.framework);
  const agent = agentClient(task);
  const query = new URLSearchParams({ framework: task.frameworkId });
  const path = `/tasks/${encodeURIComponent(task.id)}/files/${flags.stderr ? 'stderr' : 'stdout'}`;
  if (flags.tail !== undefined)
    query.set('offset', String(await tailOffset(agent, `${path}?${query.toString()}`, flags.tail)));
  if (flags.follow) query.set('follow', 'true');
  const reply = await agent.open('GET', `${path}?${query.toString()}`);
  // Bytes as they are: a character may be cut between two chunks.
  for await (const chunk of reply.body) {
    if (!process.stdout.write(chunk)) await new Promise<void>(resolve => process.stdout.once('drain', () => resolve()));
  }
  return exitCodes.ok;
};

const stepBytes = 64 * 1024;

/** Where the last `lines` lines begin; read backwards in steps, so that a large file costs little. */
async function tailOffset(agent: Client, path: string, lines: number): Promise<number> {
  const head = await agent.open('GET', `${path}&length=0`);
  const size = Number(head.headers['x-file-bytes']);
  await textOf(head);
  if (lines === 0) return size;
  let found = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - stepBytes);
    const reply = await agent.open('GET', `${path}&offset=${start}&length=${end - start}`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of reply.body) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    for (let at = bytes.length - 1; at >= 0; at -= 1) {
      // The line end of the last line belongs to it.
      if (bytes[at] !== 0x0a || start + at === size - 1) continue;
      found += 1;
      if (found === lines) return start + at + 1;
    }
    end = start;
  }
  return 0;
}
