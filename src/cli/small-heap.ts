// Keeps a process that is idle most of its life small. Imported, and called, before anything heavy is.
import { setFlagsFromString } from 'node:v8';

/** The young generation grows to 16 MiB while modules load and never shrinks; an agent does not need it. */
export function keepHeapSmall(): void {
  setFlagsFromString('--max-semi-space-size=1');
  setFlagsFromString('--semi-space-growth-factor=1');
}
