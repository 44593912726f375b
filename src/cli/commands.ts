// The table of commands. Specs only: what does the work is imported when its command was chosen.
import type { Command } from './command.js';
import { command } from './command.js';
import * as sets from './flag-sets.js';
import { deployFlags, marathonFlags } from './marathon-flags.js';
import { count, flag, texts } from './flags.js';
import { operatorCommands } from './operator-commands.js';

const up = command({
  name: 'up',
  summary: 'run a whole cluster on this machine',
  description:
    'Runs a master and agents, each in a process of its own, and shows where they are. One that dies is started again. Ctrl-C ends everything, tasks included; so does the end of this process by any other way.',
  examples: [
    ['proffer up', 'a master and three agents until Ctrl-C'],
    ['proffer up --sample', 'the same, and something to do: a batch of tasks, and servers that Marathon keeps up'],
    ['proffer up --frameworks marathon', 'the same, and Marathon on port 8080'],
    ['proffer up --sample --once', 'run the sample, end everything, exit 0 if all went well'],
    ['proffer up --agents 1 --port 6060 --work-dir /tmp/p2', 'a second cluster beside the first'],
  ],
  flags: sets.upFlags,
  load: async () => (await import('./commands/up.js')).up,
});

const master = command({
  name: 'master',
  summary: 'run a master',
  description:
    'Runs a master until it is told to end. Agents and schedulers connect to it; it offers the resources of the agents to the schedulers.',
  examples: [
    ['proffer master', 'on port 5050 of loopback'],
    ['proffer master --weights ads=2,batch=0.5', 'ads gets four times what batch gets, while both want more'],
    ['proffer master --port 0 --log-format json', 'on a free port, with logs for programs'],
  ],
  flags: sets.masterFlags,
  load: async () => (await import('./commands/master.js')).master,
});

const agent = command({
  name: 'agent',
  summary: 'run an agent',
  description:
    'Runs an agent until it is told to end. It registers with the master, offers what this machine has, and runs tasks. Ctrl-C or SIGUSR1: it goes for good, its tasks end, and the master forgets it. SIGTERM, or its death: tasks run on, and the next agent with the same --work-dir takes them over.',
  examples: [
    ['proffer agent', 'register with the master on this machine'],
    ['proffer agent --resources "cpus:2;mem:1024;ports:[31000-31099]"', 'offer only this much'],
    ['proffer agent --attribute rack=a --attribute zone=1', 'with attributes for constraints'],
    ['proffer agent --recover cleanup', 'end what an agent of before has left running, and exit'],
  ],
  flags: sets.agentFlags,
  load: async () => {
    (await import('./small-heap.js')).keepHeapSmall();
    return (await import('./commands/agent.js')).agent;
  },
});

const marathon = command({
  name: 'marathon',
  summary: 'run Marathon, for services that run for good',
  description:
    'Runs Marathon until it is told to end: apps, pods and groups come by its HTTP API, are started where there is room, and are kept running. Tasks run on when it ends, and the next one with the same --store goes on.',
  examples: [
    ['proffer marathon', 'on port 8080 of loopback, with the master on this machine'],
    ['proffer marathon --http-port 0 --mesos-role services', 'on a free port, for a role of its own'],
    ['proffer marathon --enable-features secrets,gpu_resources', 'apps may use secrets and gpus'],
  ],
  flags: marathonFlags,
  load: async () => (await import('./commands/marathon.js')).marathon,
});

const deploy = command({
  name: 'marathon deploy',
  args: '<file...>',
  summary: 'deploy apps, groups and pods from files',
  description:
    'Deploys what files hold: an app, a pod, a group, or a list of apps and pods, as JSON; - is standard input. What a definition does not mention gets its default. With --wait one file after another, each when the one before is deployed; the first that fails is the last. Exit codes: 0 deployed, 1 failed or taken back, 2 refused, 124 not done in time. Ctrl-C leaves a deployment to go on.',
  examples: [
    ['proffer marathon deploy web.json --wait', 'and come back when it is deployed, or has failed'],
    ['proffer marathon deploy db.json shop.json --wait --timeout 5m', 'one after the other, in 5 minutes altogether'],
    ['proffer marathon deploy web.json --dry-run', 'only say what would be done'],
    ['proffer marathon deploy - --force < web.json', 'from standard input, in place of what is under way'],
  ],
  flags: deployFlags,
  load: async () => (await import('./commands/marathon-deploy.js')).deploy,
});

const run = command({
  name: 'run',
  args: '<command...>',
  summary: 'run a command on the cluster; the exit code is the task’s',
  description:
    'Runs a command as one task or several, shows their output, and ends with the task’s exit code (of several, the first that is not 0). The command runs without a shell. Ctrl-C kills the tasks.',
  examples: [
    ['proffer run -- echo hello', 'one task'],
    ["proffer run --instances 20 -- sh -c 'echo $PROFFER_TASK_ID'", 'twenty; a shell where one is wanted'],
    ['proffer run --cpus 2 --mem 512 --image busybox -- sleep 5', 'in a Docker container'],
    ['proffer run --constraint rack:UNIQUE --instances 2 -- hostname', 'on two racks'],
  ],
  passThrough: true,
  flags: sets.runFlags,
  load: async () => (await import('./commands/run.js')).run,
});

const views = [
  view_(
    'state',
    'everything the master knows, in short',
    [
      ['proffer state', 'the cluster in a few lines'],
      ['proffer state --json', 'all of it'],
    ],
    {},
  ),
  view_('agents', 'the agents', [['proffer agents', 'what each has, uses and has free']], {}),
  view_(
    'frameworks',
    'the frameworks',
    [
      ['proffer frameworks', 'connected ones'],
      ['proffer frameworks --all', 'ended ones too'],
      ['proffer frameworks --why run', 'why the framework run gets no offers, or cannot use them'],
    ],
    { all: flag('ended ones too'), ...sets.frameworkWhyFlags },
    '[id|name]',
  ),
  view_(
    'roles',
    'the roles and their shares',
    [
      ['proffer roles', 'what each role uses'],
      [
        'proffer roles --why ads --resources "cpus:8"',
        'whether a task of 8 cpus fits somewhere in role ads, and if not, why',
      ],
    ],
    sets.roleWhyFlags,
    '[role]',
  ),
  view_('offers', 'the offers that wait for an answer', [['proffer offers', 'who holds what']], {}),
  view_(
    'tasks',
    'the tasks',
    [
      ['proffer tasks', 'live ones'],
      ['proffer tasks --all --framework run', 'of frameworks named run, ended ones too'],
      ['proffer tasks --state TASK_FAILED', 'those that failed'],
    ],
    {
      all: flag('ended ones too'),
      framework: texts('ID|NAME', 'only of this framework; may be repeated'),
      state: texts('STATE', 'only in this state; may be repeated'),
      limit: count('N', 'at most so many', { min: 1, max: 1_000_000 }),
    },
  ),
] as const;

function view_(
  name: 'state' | 'agents' | 'frameworks' | 'roles' | 'offers' | 'tasks',
  summary: string,
  examples: Command['examples'],
  more: Command['flags'],
  args?: string,
): Command {
  return {
    name,
    ...(args === undefined ? {} : { args }),
    summary,
    description: `Shows ${summary}.`,
    examples,
    flags: { ...sets.viewFlags, ...more },
    load: async () => (await import('./commands/views.js')).views[name],
  };
}

const task = command({
  name: 'task',
  args: '<task-id>',
  summary: 'one task and its history',
  description:
    'Shows one task: where it runs, what it has, and what happened to it. A part of the id from its start is enough.',
  examples: [
    ['proffer task hi.k3j9', 'the task whose id starts so'],
    ['proffer task hi.k3j9 --why', 'where it runs since when, or why it waits'],
  ],
  flags: sets.taskFlags,
  load: async () => (await import('./commands/task.js')).task,
});

const logs = command({
  name: 'logs',
  args: '<task-id>',
  summary: 'what a task printed',
  description:
    'Shows what a task wrote to its standard output, also after it has ended. A part of the id from its start is enough.',
  examples: [
    ['proffer logs hi.k3j9x2ab', 'all of it'],
    ['proffer logs hi.k3 -f', 'and what follows, until the task ends'],
    ['proffer logs hi.k3 --stderr --tail 20', 'the last 20 lines of its errors'],
  ],
  flags: sets.logsFlags,
  load: async () => (await import('./commands/logs.js')).logs,
});

const kill = command({
  name: 'kill',
  args: '<task-id>',
  summary: 'end a task',
  description:
    'Ends a task: SIGTERM, then SIGKILL after the grace period. Its framework hears of it, and may start another.',
  examples: [['proffer kill hi.k3j9', 'the task whose id starts so']],
  flags: sets.killFlags,
  load: async () => (await import('./commands/operate.js')).kill,
});

const teardown = command({
  name: 'teardown',
  args: '<framework>',
  summary: 'end a framework and all its tasks',
  description: 'Ends a framework: all its tasks are killed, and its id cannot be used again.',
  examples: [['proffer teardown 5f2c-0001', 'the framework with this id, or the part of one, or a name']],
  flags: sets.teardownFlags,
  load: async () => (await import('./commands/operate.js')).teardown,
});

const sample = command({
  name: 'sample',
  hidden: true,
  summary: 'what up --sample runs',
  description: 'Runs a dozen small tasks, and servers by Marathon, and says what became of them.',
  examples: [],
  flags: sets.sampleFlags,
  load: async () => (await import('./commands/sample.js')).sample,
});

/** All commands, in the order of the help. */
export const commands: readonly Command[] = [
  up,
  master,
  agent,
  marathon,
  deploy,
  run,
  ...views,
  task,
  logs,
  kill,
  teardown,
  ...operatorCommands,
  sample,
] as unknown as readonly Command[];
