// Counts by asking: agents what containers have used, instances how many requests they have had. In: apps with their instances. Out: counts. Ring 2.
import type { AgentId, Env, TaskId } from 'proffer';
import type { Counter } from './autoscaler.js';
import { counterIn } from './counter.js';
import type { Count } from './loads.js';

export interface HttpCounterOptions {
  readonly env: Env;
  /** Where an agent's HTTP is, `http://host:port`; undefined when nobody knows. */
  readonly agentUrl: (agentId: AgentId) => Promise<string | undefined>;
  /** Milliseconds an answer may take. Default 5 s. */
  readonly timeoutMs?: number;
  /** Most that are asked at a time. Default 32. */
  readonly concurrency?: number;
}

/** An answer longer than this is no list of metrics, in bytes. */
const bodyMax = 8 * 1024 * 1024;

/** Asks over HTTP. Who does not answer in time has no count; why is in the log. */
export function httpCounter({ env, agentUrl, timeoutMs = 5000, concurrency = 32 }: HttpCounterOptions): Counter {
  const text = async (url: string): Promise<string> => {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' });
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    return bodyOf(response);
  };

  const ofAgent = async (agentId: AgentId, wanted: ReadonlySet<TaskId>, counts: Map<TaskId, Count>): Promise<void> => {
    const base = await agentUrl(agentId);
    if (base === undefined) return;
    const containers = JSON.parse(await text(`${base}/containers`)) as readonly ContainerView[];
    for (const { taskId, statistics } of containers) {
      if (taskId === undefined || statistics === undefined || !wanted.has(taskId)) continue;
      const { timestampMs: at, cpuTimeMs: total, memBytes } = statistics;
      counts.set(taskId, { at, total, memBytes });
    }
  };

  const ofTask = async (url: string, name: string, taskId: TaskId, counts: Map<TaskId, Count>): Promise<void> => {
    const total = counterIn(await text(url), name);
    if (total === undefined) throw new Error(`it tells no ${name}`);
    counts.set(taskId, { at: env.clock.wallMs(), total });
  };

  return {
    async count(scaled) {
      const counts = new Map<TaskId, Count>();
      const agents = new Map<AgentId, Set<TaskId>>();
      const asks: { readonly what: string; readonly ask: () => Promise<void> }[] = [];
      for (const { app, instances } of scaled) {
        const { target } = app.autoscaling;
        for (const { place, tasks } of instances) {
          if (place === undefined) continue;
          for (const { id, hostPorts } of tasks) {
            if (target.metric !== 'requests') {
              const known = agents.get(place.agentId) ?? new Set();
              agents.set(place.agentId, known.add(id));
              continue;
            }
            const url = `http://${place.hostname}:${hostPorts[target.portIndex] ?? 0}${target.path}`;
            asks.push({ what: url, ask: () => ofTask(url, target.counter, id, counts) });
          }
        }
      }
      for (const [agentId, wanted] of agents)
        asks.push({ what: `agent ${agentId}`, ask: () => ofAgent(agentId, wanted, counts) });
      let next = 0;
      const work = async (): Promise<void> => {
        for (let one = asks[next++]; one !== undefined; one = asks[next++]) {
          const { what, ask } = one;
          await ask().catch((error: unknown) => {
            env.log.warn('what an instance has to do is not known', { asked: what, why: String(error) });
          });
        }
      };
      await Promise.all(Array.from({ length: Math.min(concurrency, asks.length) }, work));
      return counts;
    },
  };
}

/** What is read of `GET /containers` of an agent. */
interface ContainerView {
  readonly taskId?: TaskId;
  readonly statistics?: { readonly timestampMs: number; readonly cpuTimeMs: number; readonly memBytes: number };
}

async function bodyOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let body = '';
  for await (const chunk of response.body ?? []) {
    body += decoder.decode(chunk as Uint8Array, { stream: true });
    if (body.length > bodyMax) throw new Error(`the answer is longer than ${bodyMax} bytes`);
  }
  return body;
}
