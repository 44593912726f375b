// Whether a healed cluster has settled: everybody is connected, wishes are met, and what masters, agents and schedulers believe is what is alive.
// In: a world and its tenants. Out: what is still wrong, in words.
import { isTerminal } from '../protocol/task-state.js';
import { bagOf, describeResources, equals, nonRevocable } from '../resources/index.js';
import type { BatchTenant } from './batch-tenant.js';
import { undoing } from './operator.js';
import type { World } from './world.js';

/** Empty when the cluster has settled (T4, T13, L1). */
export function unsettled(world: World, tenants: ReadonlyMap<string, BatchTenant>): string[] {
  const wrong = [...connections(world), ...wishes(world, tenants), ...truth(world), ...resources(world)];
  // The dearest look comes last, and only once.
  return wrong.length > 0 ? wrong : acknowledged(world, tenants);
}

function connections(world: World): string[] {
  const wrong: string[] = [];
  const cluster = world.master.cluster;
  if (cluster === undefined) return ['no master runs'];
  const registered = new Set([...world.sessions.ofAgent.values()].map(session => session.node));
  for (const name of world.agents.keys())
    if (!registered.has(name) && !world.lost.has(name)) wrong.push(`${name} is not registered`);
  for (const agent of cluster.agents.values()) {
    if (agent.state !== 'REGISTERED' && agent.state !== 'UNREACHABLE') wrong.push(`${agent.id} is ${agent.state}`);
  }
  for (const [name, { process, framework }] of world.schedulers)
    if (process?.alive === true && framework?.connected !== true) wrong.push(`${name} is not connected`);
  return wrong;
}

function wishes(world: World, tenants: ReadonlyMap<string, BatchTenant>): string[] {
  return [...tenants].flatMap(([name, tenant]) => {
    const framework = world.schedulers.get(name)?.framework;
    if (framework === undefined) return [`${name} does not run`];
    return tenant.unmet(framework).map(what => `${name}: ${what}`);
  });
}

/** What is alive is what the master believes, and the other way round: tasks and executors. */
function truth(world: World): string[] {
  const wrong: string[] = [];
  const frameworks = world.master.cluster?.frameworks;
  let alive = 0;
  for (const { host, frameworkId, taskId } of world.liveTasks()) {
    const task = frameworks?.get(frameworkId)?.tasks.get(taskId);
    if (task === undefined || isTerminal(task.state))
      wrong.push(`${taskId} is alive on ${host}, the master thinks ${task?.state ?? 'nothing of it'}`);
    else alive += 1;
  }
  let believed = 0;
  for (const framework of frameworks?.values() ?? []) {
    for (const task of framework.tasks.values()) if (!isTerminal(task.state)) believed += 1;
  }
  if (wrong.length === 0 && believed !== alive)
    wrong.push(`the master believes in ${believed} live tasks, ${alive} are`);
  const executors = world.live().flatMap(({ spec }) => spec.env['PROFFER_EXECUTOR_ID'] ?? []);
  const known = [...(world.master.cluster?.agents.values() ?? [])].flatMap(agent =>
    [...agent.executors.values()].map(({ id }) => id),
  );
  if (known.length !== executors.length)
    wrong.push(`the master believes in executors [${known.join(', ')}], alive are [${executors.join(', ')}]`);
  return wrong;
}

/** What operators asked for is undone, agents and master agree on what there is, and no operation is under way. */
function resources(world: World): string[] {
  const cluster = world.master.cluster;
  if (cluster === undefined) return [];
  const wrong = undoing(cluster).map(call => `still to be done: ${JSON.stringify(call)}`);
  for (const agent of cluster.agents.values()) {
    if (agent.operations.size > 0) wrong.push(`${agent.operations.size} operations of ${agent.id} are under way`);
    const node = world.sessions.ofAgent.get(agent.id)?.node;
    const own = world.agents.get(node ?? '')?.agent?.view();
    if (own === undefined) continue;
    const has = nonRevocable(bagOf(own.resources));
    if (equals(has, nonRevocable(agent.total))) continue;
    wrong.push(
      `${agent.id} has ${describeResources(has)}, the master thinks ${describeResources(nonRevocable(agent.total))}`,
    );
  }
  return wrong;
}

/** What schedulers that use the SDK believe, and what is still to be acknowledged. */
function acknowledged(world: World, tenants: ReadonlyMap<string, BatchTenant>): string[] {
  const wrong: string[] = [];
  const frameworks = world.master.cluster?.frameworks;
  // One that has ended, and whose end was forgotten as one of many, is known again by what an agent brings of it; nobody comes back to acknowledge that.
  const awaited = [...(frameworks?.values() ?? [])].filter(({ state }) => state === 'RECOVERED');
  const waits = new Set(awaited.flatMap(({ tasks }) => [...tasks.values()].map(({ agentId }) => agentId)));
  for (const [name, { agent }] of world.agents) {
    const { unacknowledgedStatuses: count = 0, id } = agent?.view() ?? {};
    if (count > 0 && (id === undefined || !waits.has(id))) wrong.push(`${name} has ${count} unacknowledged statuses`);
  }
  for (const name of tenants.keys()) {
    const framework = world.schedulers.get(name)?.framework;
    const tasks = frameworks?.get(framework?.id ?? '')?.tasks;
    if (framework === undefined || tasks === undefined) {
      wrong.push(`the master does not know the framework of ${name}`);
      continue;
    }
    for (const task of tasks.values())
      if (isTerminal(task.state)) wrong.push(`${name} has not acknowledged ${task.state} of ${task.id}`);
    for (const { taskId, state } of framework.tasks.live()) {
      // Unknown is the master's word for not knowing; what to make of it is the author's affair.
      if (!tasks.has(taskId) && state !== 'TASK_UNKNOWN')
        wrong.push(`${name} believes ${taskId} is ${state}, the master does not know it`);
    }
  }
  return wrong;
}
