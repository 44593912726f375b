// Which containerizers an agent gets. In: the choice, what answers on this machine. Out: one containerizer for all types, and the prober.
import type { Containerizer, NetworkProber } from '../containerizer/containerizer.js';
import { ProcessContainerizer } from '../containerizer/process.js';
import type { Env } from '../env/env.js';
import { endOrphans } from './orphans.js';

export type ContainerizerChoice = 'auto' | 'process' | 'docker';

/** Makes them, once tasks that an agent of this work directory left behind have ended. */
export async function makeContainerizers(
  env: Env,
  options: { readonly choice: ContainerizerChoice; readonly instance: string; readonly sandboxRoot: string },
): Promise<{ readonly containerizer: Containerizer; readonly prober: NetworkProber }> {
  const process = new ProcessContainerizer(env, { instance: options.instance });
  const ended = await endOrphans(options.sandboxRoot, process);
  if (ended.length > 0) env.log.warn('ended tasks that an earlier agent had left running', { sandboxes: ended });
  return {
    containerizer: process,
    prober: {
      http: (_url, _timeoutMs, done) => done({ error: 'not yet' }),
      tcp: (_host, _port, _timeoutMs, done) => done({ connected: false, error: 'not yet' }),
    },
  };
}
