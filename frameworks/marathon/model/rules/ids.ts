// Rules of ids. In: an id as resolved, and how long names made from it get. Out: reports.
import { nameOf, rootPath, segmentsOf } from '../path.js';
import type { PathId } from '../path.js';
import type { Report } from '../refusal.js';
import { shown } from '../refusal.js';

const segmentPattern = /^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

/** Last segments that would be mistaken for a part of the API. */
const reservedNames = new Set(['restart', 'tasks', 'versions']);

/** A task's id is a file name on the agent. */
const taskIdMax = 255;
/** `.instance-`, a UUID, two dots and a count of restarts. */
const addedByTasks = 10 + 36 + 2 + 10;

/** Reports what is wrong with the id of a group, or with the letters of a dependency. */
export function idProblems(id: PathId, report: Report, at = '/id'): void {
  const wrong = segmentsOf(id).filter(segment => !segmentPattern.test(segment));
  if (wrong.length > 0) {
    const parts = wrong.map(shown).join(', ');
    report(
      at,
      `must consist of lower-case letters, digits, dashes and dots, each part starting and ending with a letter or digit; ${parts} does not`,
    );
  }
  if (reservedNames.has(nameOf(id))) report(at, `must not end with any of: ${[...reservedNames].join(', ')}`);
}

/** Reports what is wrong with the id of an app or pod; `longestTask` is the name its tasks add. */
export function runSpecIdProblems(id: PathId, longestTask: string, report: Report): void {
  if (id === rootPath) {
    report('/id', 'must not be the root; give the service a name');
    return;
  }
  idProblems(id, report);
  const most = taskIdMax - addedByTasks - longestTask.length;
  if (id.length - 1 > most)
    report(
      '/id',
      `must have at most ${most} characters so that task ids fit into ${taskIdMax}, this one has ${id.length - 1}`,
    );
}
