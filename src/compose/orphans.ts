// Tasks of an agent process that died without a word: found by their sandboxes, and ended. A new agent process does not know them, so nobody
// else would.
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Container, Containerizer } from '../containerizer/containerizer.js';

/**
 * Kills every task that an earlier agent left running below `sandboxRoot`, and waits until they are gone. Run it before an agent uses
 * the root, or after the last one has ended. Resolves with the sandboxes of those it ended.
 */
export async function endOrphans(
  sandboxRoot: string,
  containerizers: readonly Containerizer[],
): Promise<readonly string[]> {
  const ended: string[] = [];
  for (const sandbox of await runsBelow(join(sandboxRoot, 'frameworks'))) {
    for (const containerizer of containerizers) {
      const { known, wasAlive } = await endOne(sandbox, containerizer);
      if (wasAlive) ended.push(sandbox);
      if (known) break;
    }
  }
  return ended;
}

function endOne(sandbox: string, containerizer: Containerizer): Promise<{ known: boolean; wasAlive: boolean }> {
  return new Promise(resolve => {
    let wasAlive = false;
    const id = basename(sandbox);
    const spec = { containerId: id, name: id, sandbox, env: {}, cpusMilli: 0, labels: {} };
    const container: Container | undefined = containerizer.adopt?.(spec, event => {
      switch (event.type) {
        case 'STARTED':
          wasAlive = event.pid !== undefined;
          container?.kill(0);
          return;
        case 'EXITED':
          return resolve({ known: true, wasAlive });
        case 'FAILED':
          return resolve({ known: false, wasAlive });
        default:
          return;
      }
    });
    if (container === undefined) resolve({ known: false, wasAlive });
  });
}

/** `<root>/<framework>/{tasks,executors}/<id>/<container>` */
async function runsBelow(root: string): Promise<readonly string[]> {
  const found: string[] = [];
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
