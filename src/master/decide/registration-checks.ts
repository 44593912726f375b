// What can be wrong with an agent's registration. In: the merged call and the state. Out: every problem at once.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { FrameworkId, TaskId } from '../../base/ids.js';
import type { AgentTask } from '../../protocol/agent-api.js';
import { agentMoves, isTerminal } from '../../protocol/task-state.js';
import type { Bag } from '../../resources/index.js';
import {
  bareBag,
  describeShortage,
  exclusive,
  nonRevocable,
  shortages,
  toBag,
  without,
} from '../../resources/index.js';
import type { Registration } from '../decision.js';
import type { AgentRecord, ClusterView, TaskRecord } from '../state.js';
import { executorKey, heldKey } from '../state.js';
import { downProblem } from './maintenance.js';
import { wireBytes } from '../../protocol/wire-size.js';

/** Why operators do not want this agent, whatever it says. */
export function banProblem(view: ClusterView, { agentId, agent }: Registration): Problem | undefined {
  if (agentId === undefined || !view.goneAgents.has(agentId)) return downProblem(view.maintenance, agent.hostname);
  return problem('register.agentId', 'AGENT_REFUSED', `agent ${agentId} was declared gone`);
}

/** What is wrong with a registration by itself, all at once. */
export function registrationProblems(view: ClusterView, registration: Registration): Problem[] {
  const { agentId, agent: info, tasks, executors } = registration;
  const problems: Problem[] = [];
  const known = agentId === undefined ? undefined : view.agents.get(agentId);
  if (known !== undefined && known.info.hostname !== info.hostname) {
    // Two agents of one id, as from a copied work directory, would take each other's tasks for lost.
    problems.push(
      problem(
        'register.agent.hostname',
        'AGENT_REFUSED',
        `agent ${known.id} is known on ${shown(known.info.hostname)}, not on ${shown(info.hostname)}`,
        'start it with its former hostname, or with a new work directory to register as a new agent',
      ),
    );
  }
  if (info.domain !== undefined && view.master.domain === undefined) {
    problems.push(
      problem(
        'register.agent.domain',
        'AGENT_REFUSED',
        `the agent is in region ${shown(info.domain.region)}, and where the master is nobody said`,
        'start the master with a region and zone too, or the agent without',
      ),
    );
  }
  if (agentId === undefined && tasks.length + executors.length > 0) {
    problems.push(
      problem(
        'register.tasks',
        'INVALID_AGENT',
        'an agent without an id lists tasks',
        'register with the id from the agent’s checkpoint',
      ),
    );
  }
  const bytes = wireBytes(info);
  if (bytes > view.options.infoBytesMax) {
    problems.push(
      problem(
        'register.agent',
        'INVALID_AGENT',
        `the description takes ${bytes} bytes, at most ${view.options.infoBytesMax} are allowed`,
      ),
    );
  }
  problems.push(...toBag(info.resources, 'register.agent.resources').problems);
  const seen = new Set<string>();
  // Seldom have two frameworks tasks of one name.
  const mayRepeat = new Set(tasks.map(({ task }) => task.taskId)).size < tasks.length;
  for (let i = 0; i < tasks.length; i += 1) {
    const { frameworkId, task, state } = tasks[i] as AgentTask;
    if (!(state in agentMoves || isTerminal(state)) || state === 'TASK_GONE_BY_OPERATOR') {
      problems.push(
        problem(`register.tasks[${i}].state`, 'INVALID_AGENT', `${shown(state)} is not a state that an agent can know`),
      );
    }
    if (mayRepeat) {
      const key = heldKey(frameworkId, task.taskId);
      if (seen.has(key))
        problems.push(
          problem(
            `register.tasks[${i}]`,
            'INVALID_AGENT',
            `task ${shown(task.taskId)} of framework ${frameworkId} is listed twice`,
          ),
        );
      seen.add(key);
    }
    if (toBag(task.resources).problems.length > 0)
      problems.push(...toBag(task.resources, `register.tasks[${i}].task.resources`).problems);
  }
  seen.clear();
  for (const [i, { frameworkId, executor }] of executors.entries()) {
    const key = executorKey(frameworkId, executor.executorId);
    if (seen.has(key))
      problems.push(
        problem(
          `register.executors[${i}]`,
          'INVALID_AGENT',
          `executor ${shown(executor.executorId)} of framework ${frameworkId} is listed twice`,
        ),
      );
    seen.add(key);
    problems.push(...toBag(executor.resources, `register.executors[${i}].executor.resources`).problems);
  }
  return problems;
}

/**
 * What runs on the agent, by its own list and by the master's, must fit into what it says it has. Reservations may have gone and volumes become disk:
 * amounts count. What is revocable was lent and may be less by now; what is shared is there for all.
 */
export function capacityProblems(
  view: ClusterView,
  registration: Registration,
  known: Readonly<AgentRecord> | undefined,
  total: Bag,
): Problem[] {
  let left = amountsIn(total);
  const problems: Problem[] = [];
  const takes = (held: Bag): boolean => {
    const rest = without(left, amountsIn(held));
    if (rest === undefined) return false;
    left = rest;
    return true;
  };
  const refuse = (path: string, what: string, held: Bag): void => {
    const want = amountsIn(held);
    const missing = shortages(left, want).map(describeShortage).join('; ');
    problems.push(
      problem(
        path,
        'AGENT_REFUSED',
        `${what} does not fit into the agent's resources: ${missing}`,
        'start the agent with the resources it had, or with a new work directory',
      ),
    );
  };
  const { tasks } = registration;
  // Where nothing is known to run, nothing has to be looked up.
  const mine = known === undefined || known.tasks.size === 0 ? undefined : known;
  const listed = new Set<string>();
  for (let i = 0; i < tasks.length; i += 1) {
    const { frameworkId, task, state } = tasks[i] as AgentTask;
    if (mine !== undefined) listed.add(heldKey(frameworkId, task.taskId));
    if (isTerminal(state)) continue;
    const booked = mine === undefined ? undefined : bookedTask(view, mine, frameworkId, task.taskId);
    const held = booked?.resources ?? toBag(task.resources).bag;
    if (!takes(held)) refuse(`register.tasks[${i}]`, `task ${task.taskId}`, held);
  }
  for (const task of mine?.tasks ?? []) {
    const counted = task.holds && !isTerminal(task.state) && !listed.has(heldKey(task.frameworkId, task.id));
    if (counted && !takes(task.resources)) refuse('register.tasks', `task ${task.id}`, task.resources);
  }
  for (const [i, { executor }] of registration.executors.entries()) {
    const held = toBag(executor.resources).bag;
    if (!takes(held)) refuse(`register.executors[${i}]`, `executor ${executor.executorId}`, held);
  }
  return problems;
}

function bookedTask(
  view: ClusterView,
  agent: Readonly<AgentRecord>,
  frameworkId: FrameworkId,
  taskId: TaskId,
): Readonly<TaskRecord> | undefined {
  const task = view.frameworks.get(frameworkId)?.tasks.get(taskId);
  return task?.agentId === agent.id && task.holds ? task : agent.held.get(heldKey(frameworkId, taskId));
}

function amountsIn(bag: Bag): Bag {
  return bareBag(nonRevocable(exclusive(bag)));
}
