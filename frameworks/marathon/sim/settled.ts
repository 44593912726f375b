// Whether Marathon has come to rest once all around it is well. In: a world, its Marathon. Out: what is not yet as it shall be, in words.
import type { World } from 'proffer/sim';
import { isActive } from '../machine/condition.js';
import { isCurrent } from '../machine/instance.js';
import type { Instance } from '../machine/instance.js';
import { runSpecsOf } from '../model/group.js';
import { hasHealthChecks } from '../model/run-spec.js';
import type { RunSpec } from '../model/run-spec.js';
import { describeWaiting } from '../rollout/waiting.js';
import type { MarathonService } from '../service/service.js';
import type { MarathonNode } from './marathon-node.js';

/** G1: each app has its number, healthy, or says what it waits for. With `strict` only the first will do, and no deployment is left. */
export function unsettled(world: World, node: MarathonNode, strict: boolean): string[] {
  const { service } = node;
  if (service?.connected !== true) return ['Marathon is not connected'];
  const wrong: string[] = [];
  for (const spec of runSpecsOf(service.root)) {
    const off = offOf(world, service, spec);
    if (off === undefined) continue;
    if (strict || !isExplained(service, spec)) wrong.push(off);
  }
  if (strict)
    for (const { plan } of service.deployments())
      wrong.push(`deployment ${plan.id} goes on: ${waitsOf(service, plan.id)}`);
  for (const { plan } of service.deployments())
    if (waitsOf(service, plan.id) === '') wrong.push(`deployment ${plan.id} goes on, and says nothing of why`);
  return [...wrong, ...strangers(world, service, strict)];
}

/** Nothing is left of all there was. */
export function remains(world: World, node: MarathonNode): string[] {
  const { service } = node;
  if (service === undefined) return ['Marathon does not run'];
  const agents = world.master.cluster?.agents;
  // What is kept on a machine that is gone can be given back by nobody, and is remembered, in case it comes back.
  const left = [...service.instances()].filter(
    ({ goal, reservation }) =>
      goal !== 'Decommissioned' ||
      reservation === undefined ||
      agents?.get(reservation.agentId)?.state === 'REGISTERED',
  );
  const wrong = left.map(({ id, goal, condition }) => `${id} is left: ${goal} ${condition}`);
  for (const { plan } of service.deployments())
    wrong.push(`deployment ${plan.id} goes on: ${waitsOf(service, plan.id)}`);
  for (const { taskId, host } of world.liveTasks()) wrong.push(`${taskId} is alive on ${host}`);
  return wrong;
}

function offOf(world: World, service: MarathonService, spec: RunSpec): string | undefined {
  const { id } = spec;
  const wanted = spec.instances === '*' ? agentsIn(world) : spec.instances;
  const counted = service.instancesOf(id).filter(({ goal }) => goal === 'Running');
  // One that is out of reach for good is forgotten in its own time; data is waited for.
  const here = counted.filter(
    ({ condition, unreachableStrategy }) => condition !== 'UnreachableInactive' || unreachableStrategy === 'disabled',
  );
  if (here.length !== wanted) return `${id} has ${here.length} of ${wanted} instances`;
  const off = here.find(each => !isWell(each, spec));
  return off === undefined
    ? undefined
    : `${off.id} is ${off.condition}, healthy ${off.healthy}, ${isCurrent(off, spec) ? 'current' : 'of another configuration'}`;
}

function isWell(instance: Instance, spec: RunSpec): boolean {
  const healthy = !hasHealthChecks(spec) || instance.healthy === true;
  return instance.condition === 'Running' && healthy && isCurrent(instance, spec);
}

/** Its deployment says what it waits for, or the queue does. */
function isExplained(service: MarathonService, { id }: RunSpec): boolean {
  const [deployment] = service.deploymentsOf(id);
  if (deployment !== undefined) return waitsOf(service, deployment.plan.id) !== '';
  const waits = service.queue().some(({ runSpecId, why }) => runSpecId === id && why !== '');
  // A deployment that was given up has left several configurations; and one that is not healthy says so itself.
  return waits || service.instancesOf(id).every(({ goal, condition }) => goal !== 'Running' || condition === 'Running');
}

function waitsOf(service: MarathonService, deploymentId: string): string {
  return Array.from(service.waitingFor(deploymentId), ([id, waits]) => `${id}: ${describeWaiting(waits)}`).join('; ');
}

/** What is alive is what Marathon knows, and the other way round. */
function strangers(world: World, service: MarathonService, strict: boolean): string[] {
  const known = new Map<string, Instance>();
  for (const instance of service.instances()) for (const { id } of instance.tasks) known.set(id, instance);
  const wrong: string[] = [];
  const alive = new Set<string>();
  for (const { taskId, host } of world.liveTasks()) {
    alive.add(taskId);
    if (!known.has(taskId)) wrong.push(`${taskId} is alive on ${host}, and nobody knows it`);
  }
  if (!strict) return wrong;
  for (const [taskId, { id, condition, goal }] of known) {
    if (goal !== 'Running' && isActive(condition)) wrong.push(`${id} is to end, and does not`);
    else if (condition === 'Running' && !alive.has(taskId)) wrong.push(`${taskId} is said to run, and does not`);
  }
  return wrong;
}

function agentsIn(world: World): number {
  return [...(world.master.cluster?.agents.values() ?? [])].filter(({ state }) => state === 'REGISTERED').length;
}
