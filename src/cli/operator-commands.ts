// The table of operators' commands. Specs only: what does the work is imported when its command was chosen.
import { command } from './command.js';
import * as sets from './operator-flags.js';
import { registryCommands } from './registry-commands.js';

/** Words that begin several commands, and what those are about. */
export const commandGroups: { readonly [name: string]: string } = {
  maintenance: 'plan the absence of machines, take them down and up',
  registry: 'what a master keeps on disk: look at it, verify, copy and restore it',
  quota: 'what roles may hold at most, and are kept at least',
  volumes: 'persistent volumes on agents',
};

const drain = command({
  name: 'drain',
  args: '<agent>',
  summary: 'empty an agent: no offers, all its tasks killed',
  description:
    'Takes back what is offered of an agent, kills its tasks, and keeps it empty until it is reactivated. It is DRAINED when frameworks have acknowledged the ends of all tasks. A drain cannot be cancelled. An agent is named by its id, the start of it, its host, or HOST:PORT.',
  examples: [
    ['proffer drain node-7 --wait', 'and come back when it is empty'],
    ['proffer drain node-7 --grace 30s', 'tasks get at most 30 s to end by themselves'],
    ['proffer drain node-7 --gone', 'it is not to come back'],
  ],
  flags: sets.drainFlags,
  load: async () => (await import('./commands/activity.js')).drain,
});

const deactivate = command({
  name: 'deactivate',
  args: '<agent>',
  summary: 'offer nothing of an agent; its tasks run on',
  description:
    'Takes back what is offered of an agent, and offers nothing of it until it is reactivated. Its tasks run on.',
  examples: [['proffer deactivate node-7', 'the agent on this host']],
  flags: sets.operatorFlags,
  load: async () => (await import('./commands/activity.js')).deactivate,
});

const reactivate = command({
  name: 'reactivate',
  args: '<agent>',
  summary: 'offer an agent again',
  description:
    'Offers an agent again that was deactivated or is drained. One that is still draining cannot be reactivated.',
  examples: [['proffer reactivate node-7', 'the agent on this host']],
  flags: sets.operatorFlags,
  load: async () => (await import('./commands/activity.js')).reactivate,
});

const gone = command({
  name: 'gone',
  args: '<agent>',
  summary: 'declare an agent gone for ever',
  description:
    'Declares an agent gone: its tasks are TASK_GONE_BY_OPERATOR, it is shut down if it is there, and its id is never admitted again. This cannot be undone.',
  examples: [['proffer gone 5f2c-S3', 'a machine that burnt']],
  flags: sets.operatorFlags,
  load: async () => (await import('./commands/activity.js')).gone,
});

const maintenanceStatus = command({
  name: 'maintenance status',
  summary: 'what is planned, what is down, and what frameworks say',
  description: 'Shows the machines of the maintenance schedule, and whether the frameworks that use them will leave.',
  examples: [['proffer maintenance status', 'all machines of the schedule']],
  flags: sets.operatorFlags,
  load: async () => (await import('./commands/maintenance.js')).status,
});

const maintenanceSchedule = command({
  name: 'maintenance schedule',
  args: '<hosts...>',
  summary: 'plan the absence of machines',
  description:
    'Plans when machines are away. Offers of their agents say so from then on, and frameworks that use them are asked to leave. Other machines of the schedule keep their windows. Nothing happens by itself when the time comes: maintenance start takes them down.',
  examples: [
    ['proffer maintenance schedule node-7 node-8 --start +2h --for 1h', 'in two hours, for an hour'],
    ['proffer maintenance schedule node-7 --start 2026-05-01T22:00Z', 'until nobody knows when'],
  ],
  flags: sets.scheduleFlags,
  load: async () => (await import('./commands/maintenance.js')).schedule,
});

const maintenanceCancel = command({
  name: 'maintenance cancel',
  args: '<hosts...>',
  summary: 'call a planned absence off',
  description: 'Takes machines out of the schedule before their maintenance was started.',
  examples: [['proffer maintenance cancel node-8', 'this machine stays']],
  flags: sets.operatorFlags,
  load: async () => (await import('./commands/maintenance.js')).cancel,
});

const maintenanceStart = command({
  name: 'maintenance start',
  args: '<hosts...>',
  summary: 'take machines of the schedule down',
  description:
    'Shuts the agents of these machines down, with their tasks, and admits none from there until the maintenance is stopped.',
  examples: [['proffer maintenance start node-7', 'now']],
  flags: sets.operatorFlags,
  load: async () => (await import('./commands/maintenance.js')).start,
});

const maintenanceStop = command({
  name: 'maintenance stop',
  args: '<hosts...>',
  summary: 'machines are up again, and out of the schedule',
  description: 'Admits agents of these machines again, and takes the machines out of the schedule.',
  examples: [['proffer maintenance stop node-7', 'it is back']],
  flags: sets.operatorFlags,
  load: async () => (await import('./commands/maintenance.js')).stop,
});

const quotaList = command({
  name: 'quota list',
  summary: 'the quotas, and what counts against them',
  description: 'Shows limits and guarantees of roles, and what counts against the limits.',
  examples: [['proffer quota list', 'all roles that have one']],
  flags: sets.operatorFlags,
  load: async () => (await import('./commands/quota.js')).listQuota,
});

const quotaSet = command({
  name: 'quota set',
  args: '<role>',
  summary: 'set the quota of a role',
  description:
    'Sets what a role, with the roles below it, may hold at most and is kept at least, in place of what was set before. What is not named has no limit.',
  examples: [
    ['proffer quota set ads --limit cpus=40,mem=81920', 'never more than this'],
    ['proffer quota set web --guarantee cpus=8', 'so much is kept for it'],
    ['proffer quota set ads --limit cpus=4 --force', 'even if it holds more now'],
  ],
  flags: sets.quotaSetFlags,
  load: async () => (await import('./commands/quota.js')).setQuota,
});

const quotaRemove = command({
  name: 'quota remove',
  args: '<role>',
  summary: 'take the quota of a role away',
  description: 'Takes limits and guarantees of a role away.',
  examples: [['proffer quota remove ads', 'it may hold whatever is free']],
  flags: sets.operatorFlags,
  load: async () => (await import('./commands/quota.js')).removeQuota,
});

const weights = command({
  name: 'weights',
  args: '[weights...]',
  summary: 'how much roles count beside each other',
  description:
    'Sets weights of roles while the master runs; without arguments, shows them. Twice the weight, twice the share.',
  examples: [
    ['proffer weights', 'those that are not 1'],
    ['proffer weights ads=2 batch=0.5', 'ads gets four times what batch gets'],
  ],
  flags: sets.operatorFlags,
  load: async () => (await import('./commands/quota.js')).weights,
});

const reserve = command({
  name: 'reserve',
  args: '<agent> <resources>',
  summary: 'keep resources of an agent for a role',
  description: 'Reserves free resources of an agent to a role. If too little is free, offers are taken back.',
  examples: [
    ['proffer reserve node-7 "cpus:2;mem:1024" --role ads', 'for ads and the roles below it'],
    ['proffer reserve node-7 "cpus(ads,dynamic):1" --role ads/video', 'refine what is reserved to ads'],
  ],
  flags: sets.reserveFlags,
  load: async () => (await import('./commands/reserve.js')).reserve,
});

const unreserve = command({
  name: 'unreserve',
  args: '<agent> <resources>',
  summary: 'give reserved resources back',
  description: 'Undoes a reservation that was made at run time. What tasks use, and volumes, stay reserved.',
  examples: [
    ['proffer unreserve node-7 "cpus:2" --role ads', 'what is reserved to ads'],
    ['proffer unreserve node-7 "cpus(ads,dynamic,team=blue):2"', 'this reservation, where there are several'],
  ],
  flags: sets.unreserveFlags,
  load: async () => (await import('./commands/reserve.js')).unreserve,
});

const operations = command({
  name: 'operations',
  args: '[agent]',
  summary: 'what became of reservations and volumes',
  description:
    'Shows what operators had done to resources of all agents, or of one: what is under way, why it waits, and how the last ones ended.',
  examples: [['proffer operations', 'all of them']],
  flags: sets.operatorFlags,
  load: async () => (await import('./commands/operations.js')).operations,
});

const volumesList = command({
  name: 'volumes list',
  args: '[agent]',
  summary: 'the persistent volumes',
  description: 'Shows the persistent volumes of all agents, or of one.',
  examples: [['proffer volumes list', 'all of them']],
  flags: sets.operatorFlags,
  load: async () => (await import('./commands/reserve.js')).listVolumes,
});

const volumesCreate = command({
  name: 'volumes create',
  args: '<agent> <id>',
  summary: 'make a volume of reserved disk',
  description:
    'Makes a persistent volume of disk that is reserved to a role: a directory that outlives the tasks which use it.',
  examples: [['proffer volumes create node-7 db-0 --role ads --disk 1024 --path data', 'tasks find it as ./data']],
  flags: sets.createVolumeFlags,
  load: async () => (await import('./commands/reserve.js')).createVolume,
});

const volumesDestroy = command({
  name: 'volumes destroy',
  args: '<agent> <id>',
  summary: 'remove a volume and what is in it',
  description: 'Removes a persistent volume that no task uses, with all data in it. Its disk stays reserved.',
  examples: [['proffer volumes destroy node-7 db-0', 'the data is lost']],
  flags: sets.volumeFlags,
  load: async () => (await import('./commands/reserve.js')).destroyVolume,
});

const volumesGrow = command({
  name: 'volumes grow',
  args: '<agent> <id>',
  summary: 'add disk to a volume',
  description: 'Adds reserved disk of the same role to a volume that no task uses.',
  examples: [['proffer volumes grow node-7 db-0 --disk 512', '512 MiB more']],
  flags: sets.resizeVolumeFlags,
  load: async () => (await import('./commands/reserve.js')).growVolume,
});

const volumesShrink = command({
  name: 'volumes shrink',
  args: '<agent> <id>',
  summary: 'take disk from a volume',
  description: 'Takes disk from a volume that no task uses; the disk stays reserved.',
  examples: [['proffer volumes shrink node-7 db-0 --disk 512', '512 MiB less']],
  flags: sets.resizeVolumeFlags,
  load: async () => (await import('./commands/reserve.js')).shrinkVolume,
});

/** In the order of the help. */
export const operatorCommands = [
  drain,
  deactivate,
  reactivate,
  gone,
  maintenanceStatus,
  maintenanceSchedule,
  maintenanceCancel,
  maintenanceStart,
  maintenanceStop,
  quotaList,
  quotaSet,
  quotaRemove,
  weights,
  reserve,
  unreserve,
  operations,
  volumesList,
  volumesCreate,
  volumesDestroy,
  volumesGrow,
  volumesShrink,
  ...registryCommands,
] as const;
