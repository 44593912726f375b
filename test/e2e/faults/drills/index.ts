// The drills, in the order they run. In: a name. Out: a drill.
import { must } from '../../../../src/base/assert.js';
import type { Drill } from '../drill.js';
import { agentKilled } from './agent-killed.js';
import { connectionResets } from './connection-resets.js';
import { masterKilled } from './master-killed.js';
import { agentPartition, oneWayPartition, schedulerPartition } from './partitions.js';
import { reconnectStorm } from './reconnect-storm.js';
import { schedulerKilled } from './scheduler-killed.js';
import { slowConsumer } from './slow-consumer.js';
import { taskKilled } from './task-killed.js';

export const drills: readonly Drill[] = [
  masterKilled,
  agentKilled,
  taskKilled,
  schedulerKilled,
  agentPartition,
  oneWayPartition,
  schedulerPartition,
  connectionResets,
  slowConsumer,
  reconnectStorm,
];

/** The drill of this name, which there must be. */
export function drillNamed(name: string): Drill {
  return must(
    drills.find(drill => drill.name === name),
    `the drill ${name}`,
  );
}
