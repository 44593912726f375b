// A launch that waits: what its author says of it, and what the matcher has to know of that. Pure.
import { ProfferError, shown } from '../base/errors.js';
import type { AgentId, ExecutorId, Role } from '../base/ids.js';
import type { ContainerType, Offer, TaskInfo } from '../protocol/entities.js';
import type { Bag } from '../resources/index.js';
import { add, bagOf, emptyBag, formatResources } from '../resources/index.js';
import type { AgentTraits, PlacementConstraint } from './constraints.js';
import type { TaskSpec } from './launch.js';
import type { MatchRequest } from './match-request.js';

/** A launch to place. */
export interface QueuedLaunch {
  /** Unique among what waits. */
  readonly key: string;
  /** One task, or several that start together on one agent as a group. */
  readonly tasks: readonly [TaskSpec, ...TaskSpec[]];
  readonly constraints?: readonly PlacementConstraint[];
  /** What the launch is an instance of: those of one group are held against each other's places. Default: all with the same constraints are one. */
  readonly group?: string;
  /** Where instances of the group run already, for the constraints; asked at each match. Default: nowhere. */
  readonly placed?: () => readonly AgentTraits[];
  /** Agents not to use, with the reason. */
  readonly avoid?: ReadonlyMap<AgentId, string>;
  /** Roles whose offers may be used. Default: all of the framework. */
  readonly roles?: readonly Role[];
  /** How long it is expected to run: offers of agents with a planned absence before that are not used. Default 0: only a present absence counts. */
  readonly runsForMs?: number;
  /** Not before so long from now, e.g. after a failure. Default 0. */
  readonly delayMs?: number;
}

/** A launch that was sent. */
export interface Launched {
  readonly key: string;
  readonly tasks: readonly TaskInfo[];
  readonly offer: Offer;
}

/** Why a launch still waits. */
export interface Waiting {
  readonly key: string;
  readonly sinceMs: number;
  /** Milliseconds until it may be tried; 0 when it is being tried. */
  readonly delayedMs: number;
  /** In one line: what is short on how many agents. */
  readonly why: string;
}

/**
 * What the matcher looks for.
 * @throws ProfferError INVALID_RESOURCES, or INVALID_TASK for a volume asked for twice.
 */
export function requestOf(queued: QueuedLaunch): MatchRequest {
  let resources: Bag = emptyBag;
  let ports = 0;
  let containerizer: ContainerType | undefined;
  const executors = new Map<ExecutorId, Bag>();
  checkVolumes(queued);
  const exactResources = isExact(queued);
  for (const task of queued.tasks) {
    resources = add(resources, bagOf(task.resources));
    ports += task.ports ?? 0;
    const type = task.image === undefined ? (task.container ?? task.executor?.container)?.type : 'DOCKER';
    // Of a group's types Docker is the one that an agent may lack.
    if (containerizer !== 'DOCKER') containerizer = type ?? containerizer;
    if (task.executor !== undefined) executors.set(task.executor.executorId, bagOf(task.executor.resources));
  }
  return {
    resources,
    ports,
    ...(exactResources ? { exactResources } : {}),
    ...(executors.size === 0 ? {} : { executors }),
    ...(queued.runsForMs === undefined ? {} : { runsForMs: queued.runsForMs }),
    ...(queued.roles === undefined ? {} : { roles: queued.roles }),
    ...(queued.constraints === undefined ? {} : { constraints: queued.constraints }),
    ...(queued.avoid === undefined ? {} : { avoid: queued.avoid }),
    ...(containerizer === undefined ? {} : { containerizer }),
  };
}

// Tasks of a group are matched as one: what one of them takes of reservations another must not count on.
function isExact({ tasks: [first, ...others] }: QueuedLaunch): boolean {
  const exact = first.exactResources === true;
  const odd = others.find(({ exactResources = false }) => exactResources !== exact);
  if (odd === undefined) return exact;
  throw new ProfferError(
    'INVALID_TASK',
    `exactResources is ${String(!exact)}, and ${String(exact)} of ${shown(first.name)} in the same group`,
    {
      path: `tasks[${shown(odd.name)}].exactResources`,
      hint: 'say it of all tasks of a group, or of none',
    },
  );
}

// Of what is taken whole, only a shared volume can be had twice.
function checkVolumes({ tasks }: QueuedLaunch): void {
  const seen = new Set<string>();
  for (const { name, resources, executor } of tasks) {
    for (const { key, label } of [...bagOf(resources), ...bagOf(executor?.resources ?? {})]) {
      if (!label.indivisible || label.shared) continue;
      if (seen.has(key)) {
        throw new ProfferError('INVALID_TASK', `${key} is asked for twice; only a shared volume can be`, {
          path: `tasks[${shown(name)}].resources`,
        });
      }
      seen.add(key);
    }
  }
}

/** Whose places count for each other; undefined without constraints. */
export function groupOf({ constraints = [], group }: QueuedLaunch): string | undefined {
  return constraints.length === 0 ? undefined : (group ?? JSON.stringify(constraints));
}

/** Equal for launches that fit alike within a pass; undefined for those to be looked at one by one. */
export function shapeOf(request: MatchRequest): string | undefined {
  const { resources, ports, exactResources, roles, constraints, avoid, containerizer, executors, runsForMs } = request;
  if ((constraints?.length ?? 0) > 0 || (avoid?.size ?? 0) > 0 || executors !== undefined) return undefined;
  return JSON.stringify([formatResources(resources), ports, exactResources, roles, containerizer, runsForMs]);
}
