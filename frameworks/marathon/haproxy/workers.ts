// Servers of an HAProxy that runs: they come, they get nothing new, they go. In: what to do. Out: it is done in every worker process, also in those that only
// finish what they have begun. One connection after the other: HAProxy takes few at a time.
import { ask, forWorker, sessionsIn } from './control.js';
import type { Processes } from './control.js';
import { serverArguments } from './config.js';
import type { ServerChange } from './difference.js';

/** A server that gets nothing new. */
export interface Leaving extends ServerChange {
  readonly key: string;
  readonly sinceMs: number;
}

/** Commands in one line, which has room for 16 KiB. */
const commandsMax = 20;

const fresh = /^New server registered\.$/;
const taken = /^(?:New server registered\.$|Already exists a server with the same name)/;
// Nor is one there whose backend went with a reload.
const gone = /^(?:Server deleted|No such (?:server|backend))/;

export function keyOf({ backend, server }: ServerChange): string {
  return `${backend.name}/${server.name}`;
}

/**
 * Adds a server and sends requests to it. False when the newest workers did not take it. `stays`: the very same may be there still, getting nothing new, and gets requests
 * again.
 */
export async function add(
  control: string,
  { workers, oldWorkers }: Processes,
  change: ServerChange,
  stays: boolean,
): Promise<boolean> {
  const key = keyOf(change);
  const commands = [
    `add server ${key} ${serverArguments(change.backend, change.server)}`,
    `enable health ${key}`,
    `set server ${key} state ready`,
  ];
  let all = true;
  for (const pid of workers) {
    const answer = await said(control, pid, commands);
    all &&= (stays ? taken : fresh).test(answer ?? '');
  }
  for (const pid of oldWorkers) await said(control, pid, commands);
  return all;
}

/** Sends nothing new to servers. False when the newest workers may not have heard. By a cookie clients would still come to a server that drains. */
export async function drain(
  control: string,
  { workers, oldWorkers }: Processes,
  changes: readonly ServerChange[],
): Promise<boolean> {
  let heard = true;
  for (const some of chunksOf(changes)) {
    const commands = some.map(
      change => `set server ${keyOf(change)} state ${change.backend.dynamic ? 'drain' : 'maint'}`,
    );
    for (const pid of workers) heard = (await said(control, pid, commands)) !== undefined && heard;
    for (const pid of oldWorkers) await said(control, pid, commands);
  }
  return heard;
}

/** Takes servers away; those that no worker has any more. */
export async function remove(
  control: string,
  { workers, oldWorkers }: Processes,
  changes: readonly ServerChange[],
): Promise<Set<string>> {
  const removed = new Set<string>();
  for (const some of chunksOf(changes)) {
    const keys = some.map(keyOf);
    const left = new Set<string>();
    for (const pid of [...workers, ...oldWorkers]) {
      await said(
        control,
        pid,
        keys.map(key => `set server ${key} state maint`),
      );
      const answer = await said(
        control,
        pid,
        keys.map(key => `del server ${key}`),
      );
      const lines = (answer ?? '').split('\n').filter(line => line.trim() !== '');
      // A worker that has ended has no servers.
      const ended = answer === undefined || lines[0]?.startsWith("Can't find the target") === true;
      for (const [index, key] of keys.entries())
        if (!ended && (lines.length !== keys.length || !gone.test(lines[index] ?? ''))) left.add(key);
    }
    for (const key of keys) if (!left.has(key)) removed.add(key);
  }
  return removed;
}

/** Of these servers, how many requests or connections each has, in all workers; those without any are left out. */
export async function busy(
  control: string,
  { workers, oldWorkers }: Processes,
  changes: Iterable<ServerChange>,
): Promise<Map<string, number>> {
  const wanted = new Map<string, Set<string>>();
  for (const { backend, server } of changes) {
    const names = wanted.get(backend.name) ?? new Set<string>();
    wanted.set(backend.name, names.add(server.name));
  }
  const counts = new Map<string, number>();
  for (const [backend, names] of wanted) {
    for (const pid of [...workers, ...oldWorkers]) {
      const answer = await said(control, pid, [`show stat ${backend} 4 -1`]);
      for (const [name, sessions] of sessionsIn(answer ?? '')) {
        const key = `${backend}/${name}`;
        if (names.has(name) && sessions > 0) counts.set(key, (counts.get(key) ?? 0) + sessions);
      }
    }
  }
  return counts;
}

/** How many requests or connections such servers have in these workers, in all backends. */
export async function busyIn(
  control: string,
  pids: readonly number[],
  isOne: (name: string) => boolean,
): Promise<number> {
  let sum = 0;
  for (const pid of pids)
    for (const [name, sessions] of sessionsIn((await said(control, pid, ['show stat -1 4 -1'])) ?? ''))
      if (isOne(name)) sum += sessions;
  return sum;
}

// A worker may end at any time, and what it had ends with it.
async function said(control: string, pid: number, commands: readonly string[]): Promise<string | undefined> {
  try {
    return await ask(control, forWorker(pid, ...commands));
  } catch {
    return undefined;
  }
}

function chunksOf<T>(all: readonly T[]): T[][] {
  const chunks: T[][] = [];
  for (let from = 0; from < all.length; from += commandsMax) chunks.push(all.slice(from, from + commandsMax));
  return chunks;
}
