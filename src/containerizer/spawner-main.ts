// The spawner process: starts the wrappers of an agent's tasks, since a fork copies the page tables of the whole parent and those of this one are
// small. In: orders on stdin; descriptors by /proc/<agent>/fd. Out: words on stdout. Ends with its stdin. Imports nothing but Node's own.
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readlinkSync } from 'node:fs';
import type { SpawnerOrder, SpawnerWord } from './spawner-messages.js';

const agentPid = Number(process.argv[2]);
const waiting: SpawnerOrder[] = [];
let pending = '';

// What is meant for the agent. It may need this process while it ends, and ends it.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {});
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text: string) => {
  const lines = text.split('\n');
  lines[0] = pending + (lines[0] ?? '');
  pending = lines.pop() ?? '';
  for (const line of lines) {
    waiting.push(JSON.parse(line) as SpawnerOrder);
    if (waiting.length === 1) setImmediate(next);
  }
});
process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.stdout.on('error', () => process.exit(0));
try {
  if (readlinkSync('/proc/self') !== String(process.pid)) throw new Error('/proc is not of this pid namespace');
  readdirSync(`/proc/${agentPid}/fd`);
  say({ type: 'READY' });
} catch (error) {
  say({ type: 'UNFIT', message: text(error) });
  process.exitCode = 1;
  process.stdin.destroy();
}

/** One per turn, so that ends are told during a burst. */
function next(): void {
  const order = waiting[0];
  if (order !== undefined) carryOut(order);
  waiting.shift();
  if (waiting.length > 0) setImmediate(next);
}

function carryOut({ id, argv, cwd, env, user, fds }: SpawnerOrder): void {
  const opened: number[] = [];
  try {
    // With a dead agent the number may be another's.
    if (process.ppid !== agentPid) process.exit(0);
    const stdio = fds.map(fd => {
      if (fd === null) return 'ignore';
      const own = openSync(`/proc/${agentPid}/fd/${fd}`, constants.O_WRONLY | constants.O_APPEND);
      opened.push(own);
      return own;
    });
    start(id, argv, { cwd, env, detached: true, stdio: ['ignore' as const, ...stdio], ...user });
  } catch (error) {
    say({ type: 'REFUSED', id, message: text(error) });
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function start(id: number, [file, ...rest]: SpawnerOrder['argv'], options: Parameters<typeof spawn>[2]): void {
  try {
    const child = spawn(file, rest, options);
    const { pid } = child;
    if (pid === undefined) {
      child.once('error', error => say({ type: 'FAILED', id, message: text(error) }));
      return;
    }
    child.once('exit', (code, signal) => say({ type: 'EXITED', id, code, signal }));
    say({ type: 'STARTED', id, pid });
  } catch (error) {
    say({ type: 'FAILED', id, message: text(error) });
  }
}

function say(word: SpawnerWord): void {
  process.stdout.write(`${JSON.stringify(word)}\n`);
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
