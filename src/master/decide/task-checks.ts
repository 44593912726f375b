// What can be wrong with a task, or an executor, beside its shape and the room it needs. In: the state around an ACCEPT. Out: every problem at once.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';
import type { ExecutorId, TaskId } from '../../base/ids.js';
import type { ExecutorInfo, TaskInfo } from '../../protocol/entities.js';
import type { Bag } from '../../resources/index.js';
import { bareBag, equals, isEmpty, toBag } from '../../resources/index.js';
import { sameData } from '../same-data.js';
import type { AgentRecord, ClusterView, ExecutorRecord, FrameworkRecord, Moment, OfferRecord } from '../state.js';
import { executorKey, heldKey } from '../state.js';
import { wireBytes } from '../../protocol/wire-size.js';
import { agentsExpected } from './heartbeat.js';

/** Where the tasks of one ACCEPT are to run. */
export interface Place {
  readonly view: ClusterView;
  readonly framework: Readonly<FrameworkRecord>;
  readonly agent: Readonly<AgentRecord>;
  readonly offer: OfferRecord;
  readonly at: Moment;
  /** Ids and executors of tasks placed before, by the same ACCEPT. */
  readonly taken: Set<TaskId>;
  readonly executors: Map<ExecutorId, ExecutorInfo>;
}

/** What a task needs. */
export interface Needs {
  readonly want: Bag;
  /** Whether it, and its executor, take exactly what they name. */
  readonly exact: boolean;
  readonly executor: { readonly isNew: boolean; readonly record: ExecutorRecord } | undefined;
}

/** Checks a task; undefined when `problems` grew. */
export function taskNeeds(place: Place, task: TaskInfo, path: string, problems: Problem[]): Needs | undefined {
  const before = problems.length;
  const wrong = (field: string, message: string, hint?: string): void => {
    problems.push(problem(field === '' ? path : `${path}.${field}`, 'INVALID_TASK', message, hint));
  };
  const { framework, agent, offer, view } = place;
  const id = task.taskId;
  if (framework.tasks.has(id) || framework.unreachable.has(id) || place.taken.has(id))
    wrong('taskId', `${shown(id)} is the id of a task that has not ended`, 'give each task an id of its own');
  if (agent.held.has(heldKey(framework.id, id)))
    wrong(
      'taskId',
      `an earlier task of the id ${shown(id)} is still being ended on the agent`,
      'give each task an id of its own',
    );
  if (task.unlessRunning === true) problems.push(...mayRunProblems(place, id, `${path}.taskId`));
  if (task.agentId !== undefined && task.agentId !== agent.id)
    wrong('agentId', `${shown(task.agentId)} is not the agent of the offer, ${agent.id}`, 'leave agentId out');
  if (task.role !== undefined && task.role !== offer.role)
    wrong('role', `${shown(task.role)} is not the role of the offer, ${shown(offer.role)}`, 'leave role out');
  const bytes = wireBytes(task);
  if (bytes > view.options.itemBytesMax)
    wrong('', `the task takes ${bytes} bytes, at most ${view.options.itemBytesMax} are allowed`);
  const { bag: want, problems: found } = toBag(task.resources, `${path}.resources`);
  problems.push(...found);
  if (isEmpty(want) && found.length === 0)
    wrong('resources', 'the task asks for no resources', 'ask for example { cpus: 0.1, mem: 32 }');
  const executor = task.executor === undefined ? undefined : executorOf(place, task.executor, path, problems);
  const mixed = mixedNames(executor?.isNew === true ? [...want, ...executor.record.resources] : want);
  for (const name of mixed)
    wrong(
      'resources',
      `${name} is asked for revocable and not revocable`,
      'a task is the one or the other for each name',
    );
  return problems.length > before ? undefined : { want, exact: task.exactResources === true, executor };
}

// Agents list their tasks when they come back: until then nobody can tell an id of before from a new one.
function mayRunProblems({ view, framework, at }: Place, id: TaskId, path: string): Problem[] {
  const agents = agentsExpected(view, framework.id);
  if (agents === 0) return [];
  const who = view.strangersExpected
    ? 'agents that came after the copy of the registry was made may have'
    : agents === 1
      ? '1 agent has'
      : `${agents} agents have`;
  const leftMs = view.strangersUntilMs - at.nowMs;
  const until = leftMs > 0 ? `; they are waited for ${Math.ceil(leftMs / 1000)} s more` : '';
  const message = `${shown(id)} may be running: ${who} not come back to this master yet${until}`;
  return [problem(path, 'AGENTS_RECOVERING', message, 'try again when heartbeats say that no agent is expected')];
}

/** The task's executor: running there, started by an earlier task of this ACCEPT, or new. One id means one description. */
function executorOf(place: Place, info: ExecutorInfo, path: string, problems: Problem[]): Needs['executor'] {
  const { framework, agent, offer } = place;
  const running = agent.executors.get(executorKey(framework.id, info.executorId));
  const known = running?.info ?? place.executors.get(info.executorId);
  if (known !== undefined && !sameExecutor(known, info)) {
    problems.push(
      problem(
        `${path}.executor`,
        'INVALID_TASK',
        `executor ${shown(info.executorId)} runs on the agent with another description`,
        'use another executorId',
      ),
    );
    return undefined;
  }
  const { bag, problems: wrong } = toBag(info.resources, `${path}.executor.resources`);
  problems.push(...wrong);
  const record: ExecutorRecord = {
    id: info.executorId,
    frameworkId: framework.id,
    agentId: agent.id,
    role: offer.role,
    info,
    resources: bag,
  };
  return { isNew: known === undefined, record };
}

// An agent that registers lists what the executor was given: the same amounts, perhaps of reserved ones.
function sameExecutor(known: ExecutorInfo, info: ExecutorInfo): boolean {
  if (sameData(known, info)) return true;
  const { resources: given, ...rest } = known;
  const { resources: asked, ...others } = info;
  return sameData(rest, others) && equals(bareBag(toBag(given).bag), bareBag(toBag(asked).bag));
}

function mixedNames(wants: Bag): string[] {
  const revocable = wants.filter(r => r.label.revocable);
  if (revocable.length === 0) return [];
  const names = revocable.map(r => r.name);
  return [...new Set(names.filter(name => wants.some(r => r.name === name && !r.label.revocable)))];
}
