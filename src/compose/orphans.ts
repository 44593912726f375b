// What earlier agent processes left below a sandbox root: tasks that nobody looks after any more are ended, and sandboxes of ended ones are found.
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Container, Containerizer } from '../containerizer/containerizer.js';

/**
 * Kills every process task below `sandboxRoot` whose sandbox `isKnown` denies, and waits until they are gone. Resolves with the sandboxes of those it
 * ended. A sandbox that is made meanwhile is to be known before it is made.
 */
export async function endOrphans(
  sandboxRoot: string,
  processes: Containerizer,
  isKnown: (sandbox: string) => boolean,
): Promise<readonly string[]> {
  const ended: string[] = [];
  for (const sandbox of await runsBelow(sandboxRoot)) {
    if (!isKnown(sandbox) && (await endOne(sandbox, processes))) ended.push(sandbox);
  }
  return ended;
}

/** Sandboxes of earlier agent processes, and since when nothing was written to them. */
export async function formerSandboxes(
  sandboxRoot: string,
  wallMs: number,
): Promise<readonly { readonly path: string; readonly ageMs: number }[]> {
  const found: { path: string; ageMs: number }[] = [];
  for (const path of await runsBelow(sandboxRoot)) {
    try {
      found.push({ path, ageMs: Math.max(0, wallMs - (await stat(path)).mtimeMs) });
    } catch {
      // Somebody else removed it.
    }
  }
  return found;
}

/** Whether it was alive. */
function endOne(sandbox: string, processes: Containerizer): Promise<boolean> {
  return new Promise(resolve => {
    let wasAlive = false;
    const id = basename(sandbox);
    const spec = { containerId: id, name: id, sandbox, env: {}, cpusMilli: 0, labels: {} };
    const container: Container | undefined = processes.adopt?.(spec, event => {
      switch (event.type) {
        case 'STARTED':
          wasAlive = event.pid !== undefined;
          container?.kill(0);
          return;
        case 'EXITED':
        case 'FAILED':
          return resolve(wasAlive);
        default:
          return;
      }
    });
    if (container === undefined) resolve(false);
  });
}

/** `<root>/frameworks/<framework>/{tasks,executors}/<id>/<container>` */
async function runsBelow(sandboxRoot: string): Promise<readonly string[]> {
  const found: string[] = [];
  const root = join(sandboxRoot, 'frameworks');
  for (const framework of await names(root)) {
    for (const kind of ['tasks', 'executors']) {
      for (const id of await names(join(root, framework, kind))) {
        const runs = join(root, framework, kind, id);
        for (const run of await names(runs)) found.push(join(runs, run));
      }
    }
  }
  return found;
}

async function names(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch {
    // Not there, or no directory: nothing below it.
    return [];
  }
}
