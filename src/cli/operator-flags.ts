// The flags of operators' commands, apart from the commands: their types are what the commands' work is written against.
import { formatAmounts, gatherAmounts, parseAmount } from '../compose/operator-text.js';
import { viewFlags } from './flag-sets.js';
import { amount, choice, duration, flag, list, text, texts, toggle } from './flags.js';

const day = 24 * 60 * 60 * 1000;

export const operatorFlags = viewFlags;
export type OperatorFlags = typeof operatorFlags;

/** No master is asked: where its files are. */
export const registryFlags = {
  workDir: text('DIR', 'the --work-dir of the master', { default: '.proffer' }),
  config: text('FILE', 'JSON file with values for flags'),
  json: flag('for programs'),
};
export type RegistryFlags = typeof registryFlags;

export const drainFlags = {
  ...operatorFlags,
  grace: duration('TIME', 'most time from SIGTERM to SIGKILL; default: what each task asks for', { maxMs: 365 * day }),
  gone: flag('when it is drained, declare it gone for ever'),
  wait: flag('wait until it is drained, and show what is left'),
  timeout: duration('TIME', 'how long to wait; default: without end', { maxMs: 365 * day }),
};
export type DrainFlags = typeof drainFlags;

export const scheduleFlags = {
  ...operatorFlags,
  start: text('TIME', 'when they go: 2026-05-01T22:00Z, +2h or now', { default: 'now' }),
  for: duration('TIME', 'how long they are away; default: nobody knows', { minMs: 1, maxMs: 36_500 * day }),
};
export type ScheduleFlags = typeof scheduleFlags;

const amounts = { read: parseAmount, gather: gatherAmounts, write: formatAmounts };
export const quotaSetFlags = {
  ...operatorFlags,
  limit: list('NAME=AMOUNT,…', 'the most that the role, with those below it, may hold, as cpus=4,mem=1024', amounts),
  guarantee: list('NAME=AMOUNT,…', 'what is kept for it when it holds less', amounts),
  force: flag('also when it holds more already, or guarantees exceed what the cluster has'),
};
export type QuotaSetFlags = typeof quotaSetFlags;

/** Of operations that end with an agent's word. */
export const outcomeFlags = {
  ...operatorFlags,
  wait: toggle('wait until the agent has told how it ended; on unless --no-wait'),
  timeout: duration('TIME', 'how long to wait; default: 30s', { minMs: 1, maxMs: 365 * day }),
};
export type OutcomeFlags = typeof outcomeFlags;

const role = text('ROLE', 'for whom');
export const reserveFlags = {
  ...outcomeFlags,
  role,
  principal: text('NAME', 'in whose name'),
  label: texts('NAME=VALUE', 'a label of the reservation; may be repeated', {
    pattern: /^[^=]+=/,
    example: '--label team=blue',
  }),
};
export type ReserveFlags = typeof reserveFlags;

export const unreserveFlags = { ...outcomeFlags, role: text('ROLE', 'whose, where RESOURCES do not say') };
export type UnreserveFlags = typeof unreserveFlags;

export const volumeFlags = { ...outcomeFlags, role: text('ROLE', 'whose it is, where several have one of this id') };
export type VolumeFlags = typeof volumeFlags;

export const createVolumeFlags = {
  ...outcomeFlags,
  role,
  disk: amount('MIB', 'its size in MiB'),
  path: text('PATH', 'where tasks find it: relative to the sandbox, or absolute in a container'),
  mode: choice(['rw', 'ro'], 'whether tasks may write', { default: 'rw' }),
  shared: flag('several tasks may use it at once'),
  from: text('KEY', 'the disk to make it of, as disk(ads,dynamic); default: whichever of the role has enough'),
};
export type CreateVolumeFlags = typeof createVolumeFlags;

export const resizeVolumeFlags = { ...volumeFlags, disk: amount('MIB', 'how much to add or take away, in MiB') };
export type ResizeVolumeFlags = typeof resizeVolumeFlags;
