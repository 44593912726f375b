// Servers of an HAProxy that runs: they come, they get nothing new, they go. In: what to do. Out: it is done in every worker process, also in those that
// only finish what they have begun.
import { ask, forWorker, sessionsIn } from './control.js';
import type { Processes } from './control.js';
import { serverArguments } from './config.js';
import type { ServerChange } from './difference.js';

/** A server that gets nothing new. */
export interface Leaving extends ServerChange {
  readonly key: string;
  readonly sinceMs: number;
}

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
  const answers = await Promise.all([...workers, ...oldWorkers].map(pid => said(control, forWorker(pid, ...commands))));
  return answers.slice(0, workers.length).every(answer => (stays ? taken : fresh).test(answer ?? ''));
}

const fresh = /^New server registered\.$/;
const taken = /^(?:New server registered\.$|Already exists a server with the same name)/;

/** Sends nothing new to a server. By a cookie clients would still come to one that drains. */
export async function drain(control: string, processes: Processes, change: ServerChange): Promise<void> {
  const state = change.backend.dynamic ? 'drain' : 'maint';
  await everywhere(control, processes, `set server ${keyOf(change)} state ${state}`);
}

/** Takes a server away; true when no worker has it any more. */
export async function remove(control: string, processes: Processes, change: ServerChange): Promise<boolean> {
  const key = keyOf(change);
  await everywhere(control, processes, `set server ${key} state maint`);
  const answers = await everywhere(control, processes, `del server ${key}`);
  // Nor is one there whose backend went with a reload.
  return answers.every(answer =>
    /^(?:Server deleted|No such (?:server|backend)|Can't find)/.test(answer ?? 'No such server'),
  );
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
      const answer = await said(control, forWorker(pid, `show stat ${backend} 4 -1`));
      for (const [name, sessions] of sessionsIn(answer ?? '')) {
        const key = `${backend}/${name}`;
        if (names.has(name) && sessions > 0) counts.set(key, (counts.get(key) ?? 0) + sessions);
      }
    }
  }
  return counts;
}

async function everywhere(
  control: string,
  { workers, oldWorkers }: Processes,
  command: string,
): Promise<(string | undefined)[]> {
  return Promise.all([...workers, ...oldWorkers].map(pid => said(control, forWorker(pid, command))));
}

// A worker may end at any time, and what it had ends with it.
async function said(control: string, command: string): Promise<string | undefined> {
  try {
    return await ask(control, command);
  } catch {
    return undefined;
  }
}
