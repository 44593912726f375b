// What a service with persistent volumes must not change: its reservations stay as they were made. In: its definition before and after. Out:
// reports.
import { isDeepStrictEqual } from 'node:util';
import type { Report } from '../refusal.js';
import { isResident, persistentMountsOf, portNeedsOf, resourcesOf } from '../run-spec.js';
import type { RunSpec } from '../run-spec.js';

export function residentProblems(previous: RunSpec | undefined, spec: RunSpec, report: Report): void {
  if (previous === undefined || previous.kind !== spec.kind || !(isResident(previous) || isResident(spec))) return;
  const why = 'must not change in a service with persistent volumes; make a new service for it';
  const volumes = (of: RunSpec): unknown =>
    persistentMountsOf(of).toSorted((a, b) => (a.containerPath < b.containerPath ? -1 : 1));
  if (!isDeepStrictEqual(volumes(previous), volumes(spec)))
    report(spec.kind === 'app' ? '/container/volumes' : '/volumes', `persistent volumes ${why}`);
  const before = resourcesOf(previous);
  const after = resourcesOf(spec);
  for (const name of ['cpus', 'mem', 'disk', 'gpus'] as const) {
    if (before[name] !== after[name]) report(spec.kind === 'app' ? `/${name}` : '/containers', `${name} ${why}`);
  }
  if (!isDeepStrictEqual(hostPortsOf(previous), hostPortsOf(spec))) report('/', `host ports ${why}`);
}

function hostPortsOf(spec: RunSpec): number[] {
  return portNeedsOf(spec)
    .map(({ port }) => port)
    .toSorted((a, b) => a - b);
}
