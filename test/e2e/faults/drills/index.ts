// The drills, in the order they run. In: a name. Out: a drill.
import { must } from '../../../../src/base/assert.js';
import type { Drill } from '../drill.js';
import { agentKilled } from './agent-killed.js';
import { agentRebooted } from './agent-rebooted.js';
import { connectionResets } from './connection-resets.js';
import { diskFull } from './disk-full.js';
import { dockerKilled } from './docker-killed.js';
import { masterKilled } from './master-killed.js';
import { messagesLost } from './messages-lost.js';
import { agentPartition, oneWayPartition, schedulerPartition } from './partitions.js';
import { reconnectStorm } from './reconnect-storm.js';
import { registryDamaged } from './registry-damaged.js';
import { schedulerKilled } from './scheduler-killed.js';
import { slowConsumer } from './slow-consumer.js';
import { slowDisk } from './slow-disk.js';
import { taskKilled } from './task-killed.js';

export const drills: readonly Drill[] = [
  masterKilled,
  agentKilled,
  agentRebooted,
  taskKilled,
  dockerKilled,
  schedulerKilled,
  agentPartition,
  oneWayPartition,
  schedulerPartition,
  connectionResets,
  messagesLost,
  slowConsumer,
  reconnectStorm,
  slowDisk,
  diskFull,
  registryDamaged,
];

/** The drill of this name, which there must be. */
export function drillNamed(name: string): Drill {
  return must(
    drills.find(drill => drill.name === name),
    `the drill ${name}`,
  );
}
