// `embed=apps.taskStats`: how many tasks of which definitions, and for how long they have run. In: an app, its instances, now. Out: Marathon's JSON. Pure.
import { taskCounts } from '../../health/counts.js';
import type { Instance } from '../../machine/instance.js';
import type { AppDefinition } from '../../model/app.js';
import { present } from '../../model/present.js';

/** A group of tasks without any is left out. */
export function taskStatsJson(app: AppDefinition, instances: readonly Instance[], now: number): object {
  const { lastScalingAt, lastConfigChangeAt } = app.versionInfo;
  const started = instances.filter(({ tasks }) => tasks.length > 0);
  const of = (test: (version: number) => boolean): object | undefined =>
    statsJson(
      started.filter(({ runSpecVersion }) => test(runSpecVersion)),
      now,
    );
  return present({
    startedAfterLastScaling: of(version => version >= lastScalingAt),
    withLatestConfig: of(version => version >= lastConfigChangeAt),
    withOutdatedConfig: of(version => version < lastConfigChangeAt),
    totalSummary: statsJson(started, now),
  });
}

function statsJson(instances: readonly Instance[], now: number): object | undefined {
  if (instances.length === 0) return undefined;
  const { tasksStaged, tasksRunning, tasksHealthy, tasksUnhealthy } = taskCounts(instances);
  const counts = { staged: tasksStaged, running: tasksRunning, healthy: tasksHealthy, unhealthy: tasksUnhealthy };
  const seconds = instances.flatMap(({ tasks }) => {
    const startedAt = tasks[0]?.startedAt;
    return startedAt === undefined ? [] : [(now - startedAt) / 1000];
  });
  return { stats: present({ counts, lifeTime: lifeTimeJson(seconds) }) };
}

function lifeTimeJson(seconds: readonly number[]): object | undefined {
  if (seconds.length === 0) return undefined;
  const sorted = seconds.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  const medianSeconds = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
  return { averageSeconds: sorted.reduce((sum, each) => sum + each, 0) / sorted.length, medianSeconds };
}
