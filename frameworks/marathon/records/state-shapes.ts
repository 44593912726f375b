// The shapes of everything kept besides definitions: instances, parts of deployments, last failures. No input; out: schemas held against types. Pure.
import type { Attributes, FaultDomain, Resources } from 'proffer';
import * as v from 'valibot';
import { conditions, goals } from '../machine/condition.js';
import type { Instance, InstanceReservation, InstanceTask, Place, Start } from '../machine/instance.js';
import type { GroupChange, GroupTraits } from '../plan/changes.js';
import type { DeploymentAction } from '../plan/plan.js';
import type { Standing } from '../plan/progress.js';
import type { DeploymentHead, PlanItem } from './deployment.js';
import type { TaskFailure } from './failure.js';
import { cases, flag, list, maybe, number, shape, text, texts, whole, word } from './shape.js';
import type { Schema } from './shape.js';
import { unreachableStrategy } from './spec-shapes.js';

const range = v.tuple([number, number]);
const resources = v.record(v.string(), v.union([number, v.array(range), v.array(v.string())])) as Schema<Resources>;
const attributes: Schema<Attributes> = v.record(v.string(), v.union([v.string(), number, v.array(range), texts]));

const place = shape<Place>({
  agentId: text,
  hostname: text,
  attributes,
  domain: maybe(shape<FaultDomain>({ region: text, zone: text })),
});
const task = shape<InstanceTask>({
  id: text,
  container: maybe(text),
  condition: word(conditions),
  stagedAt: number,
  startedAt: maybe(number),
  healthy: maybe(flag),
  hostPorts: list(whole),
  ip: maybe(text),
  message: maybe(text),
});

export const instance = shape<Instance>({
  id: text,
  runSpecId: text,
  role: text,
  goal: word(goals),
  condition: word(conditions),
  since: number,
  incarnation: whole,
  runSpecVersion: whole,
  configVersion: whole,
  hasHealthChecks: flag,
  unreachableStrategy,
  place: maybe(place),
  tasks: list(task),
  healthy: maybe(flag),
  activeSince: maybe(number),
  unreachableSince: maybe(number),
  killedAt: maybe(number),
  reservation: maybe(
    shape<InstanceReservation>({
      agentId: text,
      resources,
      volumes: list(shape<InstanceReservation['volumes'][number]>({ id: text, containerPath: text, mib: number })),
      proven: flag,
    }),
  ),
  lost: maybe(
    shape<Start>({ incarnation: whole, runSpecVersion: whole, configVersion: whole, place, tasks: list(task) }),
  ),
});

export const groupNode = shape<GroupTraits & { readonly version: number }>({
  version: whole,
  dependencies: texts,
  enforceRole: flag,
});

const standing = shape<Standing>({
  planId: text,
  step: whole,
  startedAt: number,
  progressAt: number,
  left: text,
  stalled: flag,
  failures: v.record(v.string(), whole) as Schema<Standing['failures']>,
  takesBack: maybe(shape<NonNullable<Standing['takesBack']>>({ id: text, why: maybe(text) })),
});
export const deploymentHead = shape<DeploymentHead>({ version: whole, parts: whole, standing });

type Action<T extends string> = Extract<DeploymentAction, { readonly type: T }>;
const action = cases<DeploymentAction>('type', {
  Stop: shape<Action<'Stop'>>({ type: v.literal('Stop'), runSpecId: text }),
  Start: shape<Action<'Start'>>({ type: v.literal('Start'), runSpecId: text }),
  Scale: shape<Action<'Scale'>>({
    type: v.literal('Scale'),
    runSpecId: text,
    scaleTo: v.union([v.literal('*'), whole]),
    toKill: texts,
  }),
  Restart: shape<Action<'Restart'>>({ type: v.literal('Restart'), runSpecId: text }),
});
const traits = shape<GroupTraits>({ dependencies: texts, enforceRole: flag });
type Item<T extends string> = Extract<PlanItem, { readonly type: T }>;
export const planItem = cases<PlanItem>('type', {
  ACTION: shape<Item<'ACTION'>>({ type: v.literal('ACTION'), step: whole, action }),
  KILL: shape<Item<'KILL'>>({ type: v.literal('KILL'), step: whole, runSpecId: text, ids: texts }),
  RUN_SPEC: shape<Item<'RUN_SPEC'>>({
    type: v.literal('RUN_SPEC'),
    id: text,
    before: maybe(whole),
    after: maybe(whole),
  }),
  GROUP: shape<Item<'GROUP'>>({
    type: v.literal('GROUP'),
    change: shape<GroupChange>({ id: text, before: maybe(traits), after: maybe(traits) }),
  }),
});

export const taskFailure = shape<TaskFailure>({
  appId: text,
  host: text,
  message: text,
  state: text,
  taskId: text,
  timestamp: number,
  version: whole,
  slaveId: maybe(text),
});
