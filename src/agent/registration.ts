// The REGISTER calls of an agent, in parts that fit into frames. Pure. In: who it is and what it runs. Out: the calls, the last one without `more`.
import type { AgentId } from '../base/ids.js';
import type { AgentCall, AgentExecutor, AgentTask } from '../protocol/agent-api.js';
import type { AgentInfo, FrameworkInfo, OperationStatus } from '../protocol/entities.js';

type Register = Extract<AgentCall, { type: 'REGISTER' }>;

/** What is told at registration. */
export interface Inventory {
  readonly agentId: AgentId | undefined;
  readonly agent: AgentInfo;
  readonly frameworks: readonly FrameworkInfo[];
  readonly tasks: readonly AgentTask[];
  readonly executors: readonly AgentExecutor[];
  /** Outcomes that nobody has acknowledged. */
  readonly operations: readonly OperationStatus[];
}

/** The inventory in calls of about `partBytes` at most each (a single larger item is a call of its own). Frameworks come before their tasks. */
export function registerCalls(inventory: Inventory, partBytes: number): readonly Register[] {
  const head = {
    type: 'REGISTER' as const,
    agent: inventory.agent,
    ...(inventory.agentId === undefined ? {} : { agentId: inventory.agentId }),
  };
  const headBytes = bytesOf(head);
  const calls: Register[] = [];
  const say = (more: boolean): void => {
    calls.push({ ...head, ...part, ...(calls.length === 0 ? {} : { part: calls.length }), more });
  };
  let part = newPart();
  let bytes = headBytes;
  const put = <T>(list: (part: Part) => T[], items: readonly T[]): void => {
    for (const item of items) {
      const size = bytesOf(item);
      if (bytes > headBytes && bytes + size > partBytes) {
        say(true);
        part = newPart();
        bytes = headBytes;
      }
      list(part).push(item);
      bytes += size;
    }
  };
  put(to => to.frameworks, inventory.frameworks);
  put(to => to.executors, inventory.executors);
  put(to => to.tasks, inventory.tasks);
  put(to => (to.operations ??= []), inventory.operations);
  say(false);
  return calls;
}

interface Part {
  readonly frameworks: FrameworkInfo[];
  readonly tasks: AgentTask[];
  readonly executors: AgentExecutor[];
  operations?: OperationStatus[];
}

function newPart(): Part {
  return { frameworks: [], tasks: [], executors: [] };
}

// As JSON, which is the longer of the two wire formats; characters outside ASCII take up to three bytes each.
function bytesOf(value: unknown): number {
  const text = JSON.stringify(value);
  let bytes = text.length;
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) > 0x7f) bytes += 2;
  return bytes;
}
