// A program: one drill in a process of its own. Arguments: its name, its directory. Out: words for the parent: progress, and the outcome.
import { messageOf } from '../../../src/base/errors.js';
import { drillNamed } from './drills/index.js';
import { Report } from './report.js';
import { Scene } from './scene.js';

/** What a drill's process tells its parent. */
export type DrillWord =
  | { readonly type: 'SAID'; readonly line: string }
  | {
      readonly type: 'OUTCOME';
      readonly passed: boolean;
      readonly report: Pick<Report, 'injected' | 'checks' | 'times' | 'lost'>;
      readonly reason?: string;
    };

const [name = '', dir = ''] = process.argv.slice(2);
const tell = (word: DrillWord): void => void process.send?.(word);
const report = new Report(line => tell({ type: 'SAID', line }));
const scene = new Scene(dir, report);
let reason: string | undefined;
// The parent gave up, or is gone.
process.once('SIGTERM', () => void scene.close().finally(() => process.exit(1)));
process.once('disconnect', () => void scene.close().finally(() => process.exit(1)));
try {
  await drillNamed(name).run(scene);
} catch (error) {
  reason = messageOf(error);
}
if (reason !== undefined || !report.passed) for (const line of scene.lastWords()) tell({ type: 'SAID', line });
await scene.close();
const { injected, checks, times, lost, passed } = report;
const word: DrillWord = {
  type: 'OUTCOME',
  passed: passed && reason === undefined,
  report: { injected, checks, times, lost },
  ...(reason === undefined ? {} : { reason }),
};
// Whatever a drill that failed has left open must not keep it.
process.send?.(word, () => process.exit(0));
