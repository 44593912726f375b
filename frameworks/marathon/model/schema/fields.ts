// Schemas of what apps, pods and groups share: numbers, names, environment, networks, ports, volumes, checks. Nested defaults are filled in;
// those that depend on other fields are left to the reader.
import * as v from 'valibot';
import { networkModes, killSelections, persistentTypes, portProtocols } from '../spec.js';
import { object, record } from './objects.js';

const int32Max = 2_147_483_647;
/** Above this an amount of anything is a mistake, and its thousandths would not be exact. */
const amountMax = 1_000_000_000;

export const text = v.string();
export const someText = v.pipe(v.string(), v.minLength(1));
export const shortText = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));
export const flag = v.boolean();
export const texts = v.array(v.string());

/** A whole number from `least` to what 32 bits hold. */
export const whole = (least = 0, most = int32Max) =>
  v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));

/** An amount of a resource. */
export const amount = (least = 0) => v.pipe(v.number(), v.minValue(least), v.maxValue(amountMax));

/** A share, 0 to 1. */
export const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));

/** Seconds, as long as a year in milliseconds is still exact. */
export const seconds = whole();
export const longSeconds = whole(0, 1_000_000_000_000);

export const anyPort = whole(0, 65_535);
export const port = whole(1, 65_535);

/** A name in the newer parts of the API: 63 letters, digits and dashes at most. */
export const name = v.pipe(
  v.string(),
  v.regex(
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
    'must be lower-case letters, digits and dashes, with no dash at either end',
  ),
  v.maxLength(63),
);
/** The same without a bound, for older parts. */
export const legacyName = v.pipe(
  v.string(),
  v.regex(
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
    'must be lower-case letters, digits and dashes, with no dash at either end',
  ),
);
const networkName = v.pipe(
  v.string(),
  v.regex(
    /^[a-z0-9]([-a-z0-9_]*[a-z0-9])?$/,
    'must be lower-case letters, digits, dashes and underscores, with neither at either end',
  ),
  v.maxLength(63),
);

export const labels = record(v.string());

/** Either of two shapes, told apart by whether the value is text; one clear message instead of one for each. */
export function textOr<Text extends string, Other>(
  asText: v.GenericSchema<unknown, Text>,
  otherwise: v.GenericSchema<unknown, Other>,
): v.GenericSchema<unknown, Text | Other> {
  return v.lazy((input): v.GenericSchema<unknown, Text | Other> => (typeof input === 'string' ? asText : otherwise));
}

const envValue = textOr(
  v.string(),
  object({ secret: someText }, 'must be text, or an object that names a secret: {"secret": "…"}'),
);
export const env = record(envValue);
export const secrets = record(object({ source: someText }));

/** A count, or `*` for one on every agent. */
export const instances = textOr(v.literal('*', 'must be a whole number, or "*" for one on every agent'), whole());

export const killSelection = v.picklist(killSelections);

const disabledOrObject = 'must be an object, or "disabled"';
export const unreachableStrategy = textOr(
  v.picklist(['disabled'], disabledOrObject),
  object(
    { inactiveAfterSeconds: v.optional(longSeconds, 0), expungeAfterSeconds: v.optional(longSeconds, 0) },
    disabledOrObject,
  ),
);

const rollbackOrDisabled = 'must be an object with failures and deadlineSeconds, or "disabled"';
/** How instances give way to others; what is tried first, and taken back, is ours. */
export const upgrade = v.pipe(
  object({
    maximumOverCapacity: v.exactOptional(share),
    minimumHealthCapacity: v.exactOptional(share),
    canary: v.exactOptional(object({ instances: v.optional(whole(1), 1), observeSeconds: v.optional(seconds, 60) })),
    blueGreen: v.exactOptional(object({ observeSeconds: v.optional(seconds, 0) })),
    rollback: v.exactOptional(
      textOr(
        v.picklist(['disabled'], rollbackOrDisabled),
        object({ failures: v.optional(whole(1), 1), deadlineSeconds: v.optional(whole(1), 600) }, rollbackOrDisabled),
      ),
    ),
  }),
  v.check(
    ({ canary, blueGreen }) => canary === undefined || blueGreen === undefined,
    'must have only one of canary and blueGreen',
  ),
);

const resourceLimit = textOr(
  v.picklist(['unlimited'], 'must be a number, or "unlimited"'),
  v.pipe(v.number(), v.minValue(0), v.maxValue(amountMax)),
);
export const resourceLimits = object({ cpus: v.exactOptional(resourceLimit), mem: v.exactOptional(resourceLimit) });

export const executorResources = object({
  cpus: v.optional(amount(0.1), 0.1),
  mem: v.optional(amount(32), 32),
  disk: v.optional(amount(10), 10),
});

export const network = object({
  name: v.exactOptional(networkName),
  mode: v.optional(v.picklist(networkModes), 'container'),
  labels: v.optional(labels, {}),
});

export const protocol = v.optional(v.picklist(portProtocols), 'tcp');

export const artifact = object({
  uri: shortText,
  extract: v.optional(flag, true),
  executable: v.optional(flag, false),
  cache: v.optional(flag, false),
  destPath: v.exactOptional(shortText),
});

export const persistent = object({
  type: v.exactOptional(v.picklist(persistentTypes)),
  size: whole(0, amountMax),
  maxSize: v.exactOptional(whole(0, amountMax)),
  profileName: v.exactOptional(text),
  constraints: v.optional(v.array(texts), []),
});

const command = object({ shell: v.exactOptional(someText), argv: v.exactOptional(v.pipe(texts, v.minLength(1))) });
export const execCheck = object({ command });
export const podCommand = command;
export const httpScheme = v.picklist(['HTTP', 'HTTPS']);

export const pullConfig = object({ secret: someText });

export const linuxInfo = object({
  seccomp: v.exactOptional(object({ profileName: v.exactOptional(text), unconfined: v.optional(flag, false) })),
  ipcInfo: v.exactOptional(
    object({ mode: v.picklist(['PRIVATE', 'SHARE_PARENT']), shmSize: v.exactOptional(whole()) }),
  ),
});

/** A moment; which text is one is judged where it is read. */
export const moment = v.pipe(
  v.string(),
  v.check(given => Number.isFinite(Date.parse(given)), 'must be a time such as 2024-01-31T12:00:00.000Z'),
);
