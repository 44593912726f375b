// Loads one module with a bug in it. In: the bug, when these hooks are registered. Out: every other module as it is.
import { readFileSync } from 'node:fs';
import type { InitializeHook, LoadHook } from 'node:module';
import type { Bug } from './bug.js';
import { compiledFile, withBug } from './patch.js';

/** What the hooks are told when they are registered. */
export interface HookData {
  readonly bug: Bug;
  /** Its one element becomes 1 when the module is loaded. A message of a port might come after all imports are done. */
  readonly loaded: Int32Array;
}

let data: HookData | undefined;

export const initialize: InitializeHook<HookData> = given => {
  data = given;
};

export const load: LoadHook = (url, context, nextLoad) => {
  if (data === undefined || url !== compiledFile(data.bug).href) return nextLoad(url, context);
  const source = withBug(data.bug, readFileSync(new URL(url), 'utf8'));
  Atomics.store(data.loaded, 0, 1);
  return { format: 'module', source, shortCircuit: true };
};
