// `proffer agent`
import { join } from 'node:path';
import { agentAttributes, agentResources } from '../../compose/agent-text.js';
import { runAgent } from '../../compose/agent.js';
import type { RunCommand } from '../command.js';
import { daemon } from '../daemon.js';
import type { AgentFlags } from '../flag-sets.js';

export const agent: RunCommand<AgentFlags> = ({ flags }) =>
  daemon('agent', flags, (log, signal) =>
    runAgent(
      {
        master: flags.master,
        workDir: join(flags.workDir, 'agent'),
        host: flags.host,
        port: flags.port,
        containerizer: flags.containerizer,
        attributes: agentAttributes(flags.attribute),
        log,
        processMetrics: true,
        ...(flags.hostname === undefined ? {} : { hostname: flags.hostname }),
        ...(flags.resources === undefined ? {} : { resources: agentResources(flags.resources) }),
      },
      signal,
    ),
  );
