// What may be an id. In: a string. Out: why it is not one, to follow the value in a message, or undefined.

/** Longest id in bytes of UTF-8. */
export const idBytesMax = 255;

// Most ids; spares them the rest. Every character is one byte.
const plainId = /^[A-Za-z0-9_][\w.:@+-]{0,254}$/;
const plainText = /^[ -~]*$/;
// What terminals, logs and file systems would trip over: control characters including DEL, and halves of surrogate pairs.
const unprintable = /[\p{Cc}\p{Cs}]/u;

/**
 * Why `id` is not an id. Ids of frameworks, agents, tasks, executors, offers, operations and volumes name directories and parts of URLs: 1 to 255
 * bytes, not `.` or `..`, no control characters, no slashes. Source: Mesos, `src/common/validation.cpp` (255 characters there).
 */
export function idProblem(id: string): string | undefined {
  if (plainId.test(id)) return undefined;
  const why = reportedIdProblem(id);
  if (why !== undefined) return why;
  if (id === '.' || id === '..') return 'is not allowed as an id';
  if (/[/\\]/.test(id)) return 'is not an id: it must not contain slashes or backslashes';
  return undefined;
}

/** Why nothing can be said about a task by this id. Wider than `idProblem`: a status may speak of a task that was refused for its id. */
export function reportedIdProblem(id: string): string | undefined {
  if (id === '') return 'is not an id: it is empty';
  const bytes = id.length * 3 <= idBytesMax ? 0 : Buffer.byteLength(id);
  if (bytes > idBytesMax) return `is not an id: it has ${bytes} bytes, at most ${idBytesMax} are allowed`;
  if (unprintable.test(id)) return 'is not an id: it must not contain control characters';
  return undefined;
}

/** Why `value` cannot be shown on one line. */
export function printableProblem(value: string): string | undefined {
  if (plainText.test(value)) return undefined;
  return unprintable.test(value) ? 'must not contain control characters' : undefined;
}
