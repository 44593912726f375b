// The start of an agent after an earlier process of it: reads the records, takes over what the plan says, ends the rest. In: the agent's parts, its
// store. Out: its id, and its state as if it had never been away.
import { must } from '../base/assert.js';
import type { Env } from '../env/env.js';
import { recallKept, baselineOf } from './checkpoint.js';
import type { Journal } from './journal.js';
import type { AgentParts } from './parts.js';
import { keys, readRecords } from './records.js';
import type { RecoveryPlan } from './recovery.js';
import { hostOf, recovered } from './recovery.js';
import type { TaskRunner } from './runner.js';

/**
 * Recovers. Gives the id of the agent, undefined when it begins anew, and the epoch of the latest master that has welcomed it.
 * @throws ProfferError AGENT_RECONFIGURED, STORE_DAMAGED; see `recovered`. STORE_FAILED when the resources cannot be read.
 */
export function recover(
  env: Env,
  parts: AgentParts,
  runner: TaskRunner,
  journal: Journal,
): Pick<RecoveryPlan, 'agentId' | 'epoch'> {
  const { deps, state, keeper, garbage } = parts;
  const { store } = deps;
  if (store === undefined) return { agentId: undefined, epoch: 0 };
  const plan = planOf(parts);
  state.agentId = plan.agentId;
  for (const change of plan.changes) journal.put(change);
  for (const { key, why } of plan.damaged)
    env.log.error('a record cannot be understood and was put aside', { key, why });
  for (const [id, { info, closing }] of plan.frameworks) state.restore(id, info, closing === true);
  // Executors first: their tasks belong to them.
  for (const executor of plan.executors)
    runner.executors.adopt(must(state.frameworks.get(executor.frameworkId), 'framework'), executor, executor.condemned);
  for (const task of plan.tasks)
    runner.adopt(must(state.frameworks.get(task.frameworkId), 'framework'), task, task.condemned);
  for (const task of plan.over) runner.adopt(must(state.frameworks.get(task.frameworkId), 'framework'), task);
  for (const task of plan.stranded)
    runner.adoptLost(
      must(state.frameworks.get(task.frameworkId), 'framework'),
      task,
      task.condemned?.ending ?? { ...lost, message: 'what the agent had kept of its executor cannot be read' },
    );
  for (const { frameworkId, taskId } of plan.lost)
    runner.dropUnknown(frameworkId, taskId, 'what the agent had kept of the task cannot be read', lost);
  if (plan.agentId !== undefined) {
    journal.put({ key: keys.host, value: hostOf(deps.info) });
    keeper.alive();
    const { rebooted, tasks, over, executors } = plan;
    const condemned = [...tasks, ...executors].filter(one => one.condemned !== undefined).length;
    env.log.info('recovered', {
      agentId: plan.agentId,
      tasks: tasks.length,
      executors: executors.length,
      ended: over.length,
      condemned,
      rebooted,
    });
  }
  const own = new Set(state.sandboxes());
  for (const { path, ageMs } of deps.formerSandboxes ?? []) if (!own.has(path)) garbage.add(path, ageMs);
  return plan;
}

const lost = { state: 'TASK_LOST', reason: 'AGENT_RESTARTED' } as const;

function planOf({ deps, options, keeper }: AgentParts): RecoveryPlan {
  const { store, info, bootId } = deps;
  return recovered(
    readRecords(must(store, 'store').load(keys.all)),
    {
      bootId,
      nowMs: keeper.nowMs,
      host: hostOf(info),
      baseline: baselineOf(info.resources, 'agent.resources'),
      keptBaseline: recallKept(store)?.baseline,
    },
    {
      timeoutMs: options.recoveryTimeoutMs,
      strict: options.strictRecovery,
      policy: options.reconfigurationPolicy,
      cleanup: options.recover === 'cleanup',
      killGraceMs: options.killGraceMs,
    },
  );
}
