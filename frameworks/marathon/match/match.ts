// Does one waiting instance fit an offer? In: what is left of the offer, the instance, where the others are. Out: its start, or Marathon's reasons for the no. Pure but for draws of ports.
import { add, bagOf, emptyBag, exclusive, fromBag, isEmpty, subtract } from 'proffer';
import type {
  AcceptRequest,
  Bag,
  ConstraintRefusal,
  FaultDomain,
  OpenOffer,
  Random,
  Resources,
  TaskId,
  TaskSpec,
} from 'proffer';
import { assert } from '../machine/assert.js';
import type { InstanceEvent } from '../machine/events.js';
import { taskIdOf } from '../machine/ids.js';
import type { Instance, InstanceReservation, Place } from '../machine/instance.js';
import { instancesOn } from '../model/run-spec.js';
import type { RunSpec } from '../model/run-spec.js';
import { byFunnel } from '../queue/funnel.js';
import type { NoSecrets, SecretValues } from '../secrets/book.js';
import type { RejectReason } from '../queue/funnel.js';
import { choose, chooseKept, keptOn, note } from './choose.js';
import type { Chosen } from './choose.js';
import { constraintNo, groupNo, groupYields } from './constraints.js';
import { hasPorts, needOf, shortOf, usableFor } from './need.js';
import type { Need } from './need.js';
import type { Placements } from './placements.js';
import { pickPorts } from './ports.js';
import type { Spread } from './spread.js';
import { tasksOf } from './tasks.js';

/** What is the same for all matches. */
export interface MatchContext {
  readonly now: number;
  readonly frameworkId: string;
  /** Who makes reservations, where the framework has a principal. */
  readonly principal?: string;
  /** Where this framework is: agents of other regions are used only by run specs that name regions or zones. Default: no region is foreign. */
  readonly home?: Pick<FaultDomain, 'region'>;
  /** Whether agents with gpus are kept for who needs them. Default true. */
  readonly gpusAreScarce?: boolean;
  /** An agent is left alone from so long before its announced absence. Default 0. */
  readonly drainingMs?: number;
  readonly random: Random;
  /** The ISO form of a version. */
  readonly versionText: (version: number) => string;
  /** The values of what a run spec names as `secrets`, or why there are none. Default: there are none. */
  readonly secretsOf?: (spec: RunSpec) => SecretValues | NoSecrets;
  /** Whether the top-level group of a run spec prescribes its role. Default: none does. */
  readonly enforcesRole?: (spec: RunSpec) => boolean;
}

/** A run spec that has instances to launch. */
export interface Contender {
  readonly spec: RunSpec;
  readonly placed: Placements;
  readonly spread: Spread;
  /** Agents known, for run specs with one instance on each. */
  readonly agents: number;
}

/** A start to be stored, then sent. */
export interface Fit {
  readonly type: 'FIT';
  /** For the instance's machine; its store comes before the ACCEPT. */
  readonly event: InstanceEvent & { readonly type: 'PROVISION' };
  readonly tasks: readonly TaskSpec[];
  /** For one ACCEPT of the offer: reservations and volumes where they are missing, then the launch. */
  readonly requests: readonly AcceptRequest[];
  /** What is left of the offer. */
  readonly left: Bag;
}

/** A no: the reasons, and in words the first constraint that said it. */
export interface NoFit {
  readonly type: 'NO';
  readonly reasons: readonly [RejectReason, ...RejectReason[]];
  readonly detail?: string;
  /** It may be another in a moment, although nothing changes on the agent. */
  readonly soon?: boolean;
}

/** Whether `instance`, which waits, can start on what is left of an offer. */
export function matchInstance(
  open: OpenOffer,
  instance: Instance,
  contender: Contender,
  context: MatchContext,
): Fit | NoFit {
  const { spec, placed, spread, agents } = contender;
  const { offer, left } = open;
  const need = needOf(spec);
  // One of which nobody knows whether it was made binds to nothing.
  const reservation = instance.reservation?.proven === true ? instance.reservation : undefined;
  if (offer.role !== (reservation === undefined ? spec.role : instance.role)) return no('UnfulfilledRole');
  if (reservation !== undefined && reservation.agentId !== offer.agentId) return no('NoCorrespondingReservationFound');
  // What has data here stays here; the constraints chose the place when it came.
  if (reservation === undefined) {
    const broken = placeNo(open, need, contender, context);
    if (broken !== undefined) return broken;
  }
  const group =
    reservation === undefined
      ? groupNo(spec.constraints, placed, offer, instancesOn(spec.instances, agents))
      : undefined;

  const { frameworkId, principal } = context;
  const keeper = { frameworkId, role: offer.role, ...(principal === undefined ? {} : { principal }) };
  const kept = need.resident ? chooseKept(keeper, instance, need, left) : undefined;
  const reasons: RejectReason[] = kept === undefined ? [] : [...kept.short];
  if (kept === undefined) for (const name of shortOf(need, left)) note(reasons, name);
  if (isLeaving(open, context)) reasons.push('AgentMaintenance');
  if (!hasPorts(need, left)) reasons.push('InsufficientPorts');
  if (isScarce(open, need, reservation, context)) reasons.push('DeclinedScarceResources');
  const [first, ...rest] = reasons.sort(byFunnel);
  if (first !== undefined) {
    if (group !== undefined) return { ...no('UnfulfilledConstraint', ...reasons), detail: group.detail };
    return no(first, ...rest);
  }
  const secrets = secretsFor(spec, context);
  if ('why' in secrets) return { ...no('UnfulfilledConstraint'), detail: secrets.why, soon: secrets.soon };
  const chosen = kept ?? choose(need, left);
  const ports = pickPorts(need.ports, usableFor(need, left), context.random);
  assert(chosen.short.length === 0 && ports !== undefined, 'what was counted is there');
  if (reservation === undefined && !groupYields(spec.constraints, placed, offer, group, spread, context.now)) {
    return constraintSaid(group);
  }
  return fit(open, instance, contender, chosen, ports, secrets, context);
}

/** The place that an offer stands for. */
export function placeOf({ offer }: Pick<OpenOffer, 'offer'>): Place {
  const { agentId, hostname, attributes, domain } = offer;
  return { agentId, hostname, attributes, ...(domain === undefined ? {} : { domain }) };
}

function secretsFor(spec: RunSpec, { secretsOf }: MatchContext): SecretValues | NoSecrets {
  const [name] = Object.keys(spec.secrets);
  if (name === undefined) return noSecrets;
  if (secretsOf === undefined) return { why: `nobody knows the secret ${name}`, soon: false };
  return secretsOf(spec);
}

const noSecrets: SecretValues = new Map();

// Without constraints that count groups: those are an aim.
function placeNo(open: OpenOffer, need: Need, contender: Contender, context: MatchContext): NoFit | undefined {
  const { offer } = open;
  const { spec, placed } = contender;
  if (spec.instances === '*' && placed.on(offer.agentId) > 0) {
    return { ...no('UnfulfilledConstraint'), detail: `one is on ${offer.hostname} already` };
  }
  if (need.containerizer !== undefined && !offer.containerizers.includes(need.containerizer)) {
    return { ...no('UnfulfilledConstraint'), detail: `${offer.hostname} runs no ${need.containerizer} containers` };
  }
  const { home } = context;
  const region = offer.domain?.region;
  const foreign = home !== undefined && region !== undefined && region !== home.region;
  if (foreign && !spec.constraints.some(({ field }) => field === '@region' || field === '@zone')) {
    return { ...no('UnfulfilledConstraint'), detail: `${offer.hostname} is in region ${region}` };
  }
  const broken = constraintNo(spec.constraints, placed, offer);
  return broken === undefined ? undefined : constraintSaid(broken);
}

function constraintSaid(broken: ConstraintRefusal | undefined): NoFit {
  return { ...no('UnfulfilledConstraint'), ...(broken === undefined ? {} : { detail: broken.detail }) };
}

function fit(
  open: OpenOffer,
  instance: Instance,
  { spec }: Contender,
  chosen: Chosen,
  ports: { readonly ports: readonly number[]; readonly bag: Bag },
  secrets: SecretValues,
  context: MatchContext,
): Fit {
  const { offer, left } = open;
  const { parts, executor, kept } = chosen;
  const need = needOf(spec);
  const incarnation = instance.incarnation + 1;
  const taskIds = need.parts.map(({ container }): TaskId => taskIdOf(instance.id, container, incarnation));
  const tasks = tasksOf(spec, {
    tasks: need.parts.map(({ container }, at) => ({
      taskId: taskIds[at] as TaskId,
      ...(container === undefined ? {} : { container }),
      resources: withPorts(parts[at] ?? emptyBag, at, need, ports),
    })),
    ...(executor === undefined ? {} : { executorResources: fromBag(executor) }),
    ports: ports.ports,
    needs: need.ports,
    circumstances: {
      host: offer.hostname,
      version: context.versionText(spec.versionInfo.version),
      enforceRole: context.enforcesRole?.(spec) ?? false,
      secrets,
    },
    freePort: () => freePort(ports.ports, context.random),
  });
  const launch: AcceptRequest =
    spec.kind === 'pod'
      ? { type: 'LAUNCH_GROUP', groupId: `${instance.id}.${incarnation}`, tasks }
      : { type: 'LAUNCH', tasks };
  return {
    type: 'FIT',
    event: {
      type: 'PROVISION',
      spec,
      place: placeOf(open),
      tasks: need.parts.map(({ container }, at) => ({
        id: taskIds[at] as TaskId,
        ...(container === undefined ? {} : { container }),
        hostPorts: portsOfPart(need, ports.ports, container),
      })),
      ...(kept === undefined ? {} : { reservation: keptOn(offer.agentId, kept, instance) }),
    },
    tasks,
    requests: [...(kept?.operations ?? []), launch],
    left: subtract(left, exclusive(add(chosen.consumed, ports.bag))),
  };
}

/** The resources of a task: its amounts, and its ports by the keys they were offered under. */
function withPorts(
  part: Bag,
  at: number,
  need: Need,
  { ports, bag }: { readonly ports: readonly number[]; readonly bag: Bag },
): Resources {
  if (isEmpty(bag)) return fromBag(part);
  if (need.parts.length === 1) return fromBag(add(part, bag));
  const own = new Set(portsOfPart(need, ports, need.parts[at]?.container));
  if (own.size === 0) return fromBag(part);
  let total = part;
  for (const entry of bag) {
    if (entry.kind !== 'ranges') continue;
    const mine = [...own].filter(port => entry.ranges.some(([from, to]) => from <= port && port <= to));
    if (mine.length > 0) total = add(total, bagOf({ [entry.key]: mine.map(port => [port, port] as const) }));
  }
  return fromBag(total);
}

function portsOfPart(need: Need, ports: readonly number[], container: string | undefined): number[] {
  return ports.filter((_, index) => need.ports[index]?.container === container);
}

function freePort(taken: readonly number[], random: Random): number {
  for (;;) {
    const port = random.int(1025, 65_535);
    if (!taken.includes(port)) return port;
  }
}

function isLeaving({ offer }: OpenOffer, { now, drainingMs = 0 }: MatchContext): boolean {
  const { unavailability: absence } = offer;
  if (absence === undefined) return false;
  const over = absence.durationMs !== undefined && absence.startMs + absence.durationMs <= now;
  return !over && absence.startMs - drainingMs <= now;
}

// Who needs no gpu leaves them to who does, unless its data is there.
function isScarce(
  { left }: OpenOffer,
  need: Need,
  reservation: InstanceReservation | undefined,
  { gpusAreScarce = true }: MatchContext,
): boolean {
  if (!gpusAreScarce || need.gpus || reservation !== undefined) return false;
  return left.some(({ name }) => name === 'gpus');
}

function no(first: RejectReason, ...rest: readonly RejectReason[]): NoFit {
  return { type: 'NO', reasons: [first, ...rest] };
}
