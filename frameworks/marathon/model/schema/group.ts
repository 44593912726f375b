// The JSON of a group update: a whole subtree, or one of the short forms (back to a version, scale everything below).
import * as v from 'valibot';
import type { RawApp } from './app.js';
import { appSchema } from './app.js';
import * as f from './fields.js';
import { object } from './objects.js';

/** What an update says of one group; absent members keep what is there. `pods` is not among them: Marathon ignores it here. */
export interface RawGroup {
  readonly id?: string;
  readonly apps?: readonly RawApp[];
  readonly groups?: readonly RawGroup[];
  readonly dependencies?: readonly string[];
  readonly scaleBy?: number;
  readonly version?: string;
  readonly enforceRole?: boolean;
}

export const groupSchema: v.GenericSchema<unknown, RawGroup> = object({
  id: v.exactOptional(f.text),
  apps: v.exactOptional(v.array(appSchema)),
  groups: v.exactOptional(v.array(v.lazy((): v.GenericSchema<unknown, RawGroup> => groupSchema))),
  dependencies: v.exactOptional(f.texts),
  scaleBy: v.exactOptional(v.pipe(v.number(), v.minValue(0), v.maxValue(1_000_000))),
  version: v.exactOptional(f.moment),
  enforceRole: v.exactOptional(f.flag),
});

/** What PATCH may say of a group. */
export const groupPatchSchema = object({ enforceRole: v.exactOptional(f.flag) });
