// Bugs by which what runs well is ended, or given up. In: nothing. Out: bugs.
import type { Bug } from '../bug.js';

export const healthyWork: readonly Bug[] = [
  {
    name: 'a new master gives frameworks no time to come back',
    class: 'healthy work killed',
    breaks: 'D11',
    evidence: 'marathon#1553',
    file: 'src/master/registry.ts',
    find: 'failoverAtMs: at.nowMs + graceMs',
    replace: 'failoverAtMs: at.nowMs',
  },
  {
    name: 'the failover timeout is taken for seconds',
    class: 'healthy work killed',
    breaks: 'D11',
    file: 'src/master/decide/framework-end.ts',
    find: 'failoverAtMs: at.nowMs + timeoutMs',
    replace: 'failoverAtMs: at.nowMs + timeoutMs / 1000',
  },
  {
    name: 'tasks are given up as soon as their agent disconnects',
    class: 'healthy work killed',
    breaks: 'A5',
    evidence: 'marathon#3924',
    file: 'src/master/decide/agent-ends.ts',
    find: 'if (withoutCheckpointsOnly && framework.info.checkpoint !== false) continue;',
    replace: '',
  },
  {
    name: 'an agent that comes back kills what was unreachable',
    class: 'healthy work killed',
    breaks: 'T11',
    evidence: 'marathon#3924',
    file: 'src/master/decide/meeting.ts',
    find: 'if (away.agentId !== agentId) {',
    replace: 'if (away.agentId === agentId) {',
    rare: true,
  },
  {
    name: 'one member of a group that finishes ends the others',
    class: 'healthy work killed',
    breaks: 'T3',
    file: 'src/agent/groups.ts',
    find: "if (!isTerminal(state) || state === 'TASK_FINISHED') return undefined;",
    replace: 'if (!isTerminal(state)) return undefined;',
  },
  {
    name: 'the end of a framework ends the tasks of all',
    class: 'healthy work killed',
    breaks: 'A5',
    file: 'src/agent/runner.ts',
    find: "this.#endTasks(framework, { state: 'TASK_KILLED', reason: 'FRAMEWORK_REMOVED', message: 'its framework was removed', });",
    replace:
      "for (const each of state.frameworks.values()) this.#endTasks(each, { state: 'TASK_KILLED', reason: 'FRAMEWORK_REMOVED', message: 'its framework was removed' });",
  },
  {
    name: 'one missed ping is enough',
    class: 'healthy work killed',
    breaks: 'T11',
    file: 'src/master/liveness.ts',
    find: 'if (entry.misses >= missesMax) watching.silent(entry.id);',
    replace: 'if (entry.misses >= 1) watching.silent(entry.id);',
  },
  {
    name: 'pings that were missed long ago still count',
    class: 'healthy work killed',
    breaks: 'T11',
    file: 'src/master/liveness.ts',
    find: 'const wasSilent = entry.misses >= this.#watching.missesMax; entry.misses = 0; this.#quiet -= 1;',
    replace:
      'const wasSilent = entry.misses >= this.#watching.missesMax; if (!wasSilent) return; entry.misses = 0; this.#quiet -= 1;',
  },
  {
    name: 'agents that were given up are not counted',
    class: 'healthy work killed',
    breaks: 'D8',
    file: 'src/master/removals.ts',
    find: 'this.#removed.push({ atMs: nowMs, stayedAway });',
    replace: '',
    rare: true,
  },
];
