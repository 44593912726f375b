// Rules of an app's volumes. In: the normalised app. Out: reports below /container/volumes.
import type { AppDefinition, AppVolume, ExternalVolume } from '../app.js';
import type { Report } from '../refusal.js';
import { shown, within } from '../refusal.js';
import type { ModelSettings } from '../settings.js';
import { each, featureProblem, persistentProblems, repeated, secretReference } from './parts.js';

export function volumeProblems(app: AppDefinition, settings: ModelSettings, report: Report): void {
  const { container } = app;
  if (container === undefined) return;
  const { volumes } = container;
  const at = '/container/volumes';
  repeated(
    volumes,
    volume => volume.containerPath,
    path => report(at, `containerPath ${shown(path)} is there twice`),
  );
  repeated(
    volumes,
    volume => (volume.kind === 'external' ? volume.external.name : undefined),
    name => report(at, `the external volume ${shown(name)} is there twice`),
  );
  each(volumes, at, report, (volume, here) => volumeProblem(volume, app, settings, here));
  const isDvdi = (volume: AppVolume): boolean => volume.kind === 'external' && volume.external.provider === 'dvdi';
  if (volumes.some(isDvdi) && app.instances !== 0 && app.instances !== 1)
    report('/instances', 'must be at most 1 with external volumes of provider dvdi');
}

function volumeProblem(volume: AppVolume, app: AppDefinition, settings: ModelSettings, report: Report): void {
  const { containerPath } = volume;
  if (containerPath === '/' || containerPath === '.' || containerPath === '..' || /\p{Cc}/u.test(containerPath))
    report('/containerPath', `must be the path of a directory below the root, ${shown(containerPath)} is given`);
  switch (volume.kind) {
    case 'persistent':
      if (containerPath.includes('/'))
        report(
          '/containerPath',
          `must not contain a slash: it is a name in the sandbox, ${shown(containerPath)} is given`,
        );
      if (volume.mode !== 'RW') report('/mode', 'must be RW for a persistent volume');
      persistentProblems(volume.persistent, within(report, '/persistent'));
      break;
    case 'external': {
      const why = featureProblem('external_volumes', settings);
      if (why !== undefined) report('/', why);
      externalProblems(volume.external, app.container?.type ?? 'MESOS', within(report, '/external'));
      break;
    }
    case 'secret': {
      const why = featureProblem('secrets', settings);
      if (why !== undefined) report('/', why);
      secretReference(volume.secret, app.secrets, '/secret', report);
      break;
    }
    case 'host':
      if (/\p{Cc}/u.test(volume.hostPath)) report('/hostPath', 'must not contain control characters');
      break;
  }
}

function externalProblems(external: ExternalVolume, type: 'DOCKER' | 'MESOS', report: Report): void {
  const { provider, name, size, options } = external;
  if (provider !== 'dvdi' && provider !== 'csi')
    report('/provider', `must be dvdi or csi, ${shown(provider)} is given`);
  if (name === undefined || name === '') report('/name', 'is missing');
  if (provider === 'csi') {
    if (typeof options['pluginName'] !== 'string') report('/options/pluginName', 'is missing');
    if (typeof options['capability'] !== 'object') report('/options/capability', 'is missing');
  }
  if (provider !== 'dvdi') return;
  if (options['dvdi/driver'] === undefined) report('/options', 'must name the volume driver as dvdi/driver');
  for (const [key, value] of Object.entries(options)) {
    if (!/^[a-zA-Z0-9_.-]+\/[a-zA-Z0-9_.-]+$/.test(key))
      report('/options', `names must read provider/option, ${shown(key)} does not`);
    if (typeof value !== 'string') report(`/options/${key}`, `must be text, ${shown(value)} is given`);
  }
  if (type === 'DOCKER') {
    if (size !== undefined) report('/size', 'must not be given for containers of type DOCKER');
    if (Object.keys(options).some(key => key !== 'dvdi/driver'))
      report('/options', 'must only contain dvdi/driver for containers of type DOCKER');
  }
}
