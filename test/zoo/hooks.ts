// Loads one module with a bug in it. In: the bug, when these hooks are registered. Out: every other module as it is.
import { readFileSync } from 'node:fs';
import type { InitializeHook, LoadHook } from 'node:module';
import type { MessagePort } from 'node:worker_threads';
import type { Bug } from './bug.js';
import { compiledFile, withBug } from './patch.js';

/** What the hooks are told when they are registered. */
export interface HookData {
  readonly bug: Bug;
  /** Hears once that the module was loaded. */
  readonly port: MessagePort;
}

let data: HookData | undefined;

export const initialize: InitializeHook<HookData> = given => {
  data = given;
};

export const load: LoadHook = (url, context, nextLoad) => {
  if (data === undefined || url !== compiledFile(data.bug).href) return nextLoad(url, context);
  const source = withBug(data.bug, readFileSync(new URL(url), 'utf8'));
  data.port.postMessage('loaded');
  return { format: 'module', source, shortCircuit: true };
};
