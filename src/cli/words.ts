// Numbers and states as people read them in tables.
import { formatDurationMs } from '../base/units.js';
import type { TaskStatus, TaskView } from '../protocol/index.js';

type Amounts = { readonly [key: string]: unknown };

/** `1.5/4`: of a scalar, reservations counted in. */
export function share(name: string, used: Amounts, total: Amounts): string {
  return `${scalar(used, name)}/${scalar(total, name)}`;
}

/** The amount of a scalar over all reservations and disks, as text. */
export function scalar(amounts: Amounts, name: string): string {
  let milli = 0;
  for (const [key, value] of Object.entries(amounts)) {
    if ((key === name || key.startsWith(`${name}(`) || key.startsWith(`${name}<`)) && typeof value === 'number')
      milli += Math.round(value * 1000);
  }
  return String(milli / 1000);
}

/** `0.2500`; JSON has no number for a share beyond all bounds. */
export function dominantShare(share: number | null): string {
  return share === null ? '∞' : share.toFixed(4);
}

/** `cpus 2, mem 1024`; other kinds by name alone. */
export function amounts(all: Amounts): string {
  return Object.entries(all)
    .map(([name, value]) => (typeof value === 'number' ? `${name} ${value}` : name))
    .join(', ');
}

/** `31000-31009,31020`: the ports, a few ranges of them. */
export function ports(amounts: Amounts): string {
  const ranges: string[] = [];
  for (const [key, value] of Object.entries(amounts)) {
    if ((key === 'ports' || key.startsWith('ports(')) && Array.isArray(value)) {
      for (const [begin, end] of value as [number, number][])
        ranges.push(begin === end ? `${begin}` : `${begin}-${end}`);
    }
  }
  return ranges.length > 3 ? `${ranges.slice(0, 3).join(',')},… (${ranges.length})` : ranges.join(',');
}

/** `RUNNING` */
export function stateWord(state: string): string {
  return state.replace(/^TASK_/, '');
}

/** `2m 3s` since then. */
export function ago(wallMs: number, nowMs: number): string {
  return formatDurationMs(Math.max(0, nowMs - wallMs));
}

/** `exit 7`, `SIGKILL, CONTAINER_LIMITATION_MEMORY: …`: how a task ended, or what it last said; empty when there is nothing to say. */
export function outcome(status: TaskStatus | undefined): string {
  if (status === undefined) return '';
  const how =
    status.signal ?? (status.exitCode === undefined || status.exitCode === 0 ? '' : `exit ${status.exitCode}`);
  const why = [status.reason, status.message].filter(part => part !== undefined && part !== '').join(': ');
  return [how, why].filter(part => part !== '').join(', ');
}

export function lastStatus(task: TaskView): TaskStatus | undefined {
  return task.statuses.at(-1);
}

/** Where the task's agent listens; undefined when the master does not know the agent any more. */
export function agentPlace({ hostname, agentPort }: TaskView): string | undefined {
  return hostname === '' ? undefined : `${hostname}:${agentPort}`;
}

/** `3 agents`, `1 agent`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
