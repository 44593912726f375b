// Rules of autoscaling: bounds in order, a target that can be measured, and a number that may follow it. In: the app. Out: reports. Pure.
import type { AppDefinition, Autoscaling } from '../app.js';
import type { Report } from '../refusal.js';
import { shown } from '../refusal.js';
import { isSingleInstance, portNeedsOf } from '../run-spec.js';
import type { ModelSettings } from '../settings.js';

export function scalingProblems(app: AppDefinition, settings: ModelSettings, report: Report): void {
  const { autoscaling, instances } = app;
  if (autoscaling === undefined) return;
  const { minInstances, maxInstances } = autoscaling;
  if (minInstances > maxInstances)
    report('/autoscaling/minInstances', `must be at most maxInstances, ${maxInstances}; ${minInstances} is given`);
  if (maxInstances > settings.instancesMax)
    report('/autoscaling/maxInstances', `must be at most ${settings.instancesMax}, ${maxInstances} is given`);
  if (instances === '*') report('/autoscaling', 'is not possible with one instance on every agent');
  if (isSingleInstance(app)) report('/autoscaling', 'is not possible for a single instance');
  targetProblems(app, autoscaling, report);
}

function targetProblems(app: AppDefinition, { target }: Autoscaling, report: Report): void {
  if (target.metric !== 'requests') {
    if (target.value > 100)
      report(
        '/autoscaling/target/value',
        `is a share of what an instance is promised, at most 100; ${target.value} is given`,
      );
    if (app.resources[target.metric] === 0)
      report('/autoscaling/target/metric', `${target.metric} is not possible: an instance is promised none`);
    return;
  }
  const { portIndex, path, counter } = target;
  const ports = portNeedsOf(app).length;
  if (portIndex >= ports)
    report(
      '/autoscaling/target/portIndex',
      ports === 0
        ? 'names a port, and the app has none on the host'
        : `must be at most ${ports - 1}, the app has ${ports} ports on the host; ${portIndex} is given`,
    );
  if (!/^\/[\x21-\x7e]*$/.test(path))
    report('/autoscaling/target/path', `must begin with / and have no spaces, ${shown(path)} is given`);
  if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(counter))
    report(
      '/autoscaling/target/counter',
      `must be a metric's name as Prometheus has them: letters, digits, _ and :, no digit first; ${shown(counter)} is given`,
    );
}
