// Tasks of an agent process that died without a word: found by the run files in its sandboxes, and ended. A new agent process does not know
// them, so nobody else would.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProcessContainerizer } from '../containerizer/process.js';

/**
 * Kills every process task that an earlier agent left running below `sandboxRoot`, and waits until they are gone. Run it before an agent uses
 * the root, or after the last one has ended. Resolves with the sandboxes of those it ended.
 */
export async function endOrphans(sandboxRoot: string, containerizer: ProcessContainerizer): Promise<readonly string[]> {
  const ended: string[] = [];
  for (const sandbox of await runsBelow(join(sandboxRoot, 'frameworks'))) {
    await new Promise<void>(resolve => {
      let alive = false;
      const container = containerizer.adopt(
        { containerId: '', name: sandbox, sandbox, env: {}, cpusMilli: 0, labels: {} },
        event => {
          if (event.type === 'STARTED') alive = event.pid !== undefined;
          if (event.type !== 'EXITED' && event.type !== 'FAILED') return;
          if (alive) ended.push(sandbox);
          resolve();
        },
      );
      if (container === undefined) resolve();
      else container.kill(0);
    });
  }
  return ended;
}

/** `<root>/<framework>/{tasks,executors}/<id>/runs/<container>` */
async function runsBelow(root: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const framework of await names(root)) {
    for (const kind of ['tasks', 'executors']) {
      for (const id of await names(join(root, framework, kind))) {
        const runs = join(root, framework, kind, id, 'runs');
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
