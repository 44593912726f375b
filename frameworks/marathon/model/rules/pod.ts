// Rules of a pod as a whole, all at once. In: the parsed and the normalised pod, the tree's word on roles, its definition so far. Out: reports
// with paths of Marathon's JSON.
import type { PodContainer, PodDefinition, PodProbe } from '../pod.js';
import type { Report } from '../refusal.js';
import { shown, within } from '../refusal.js';
import { isResident } from '../run-spec.js';
import type { RawPod } from '../schema/pod.js';
import type { ModelSettings } from '../settings.js';
import type { RuleContext } from './app.js';
import { commandShape, probeShape } from './app-shape.js';
import { runSpecIdProblems } from './ids.js';
import { podLaunchProblems } from './launchable.js';
import { networkNameProblems, networkProblems } from './networks.js';
import * as parts from './parts.js';
import { each, repeated } from './parts.js';
import { residentProblems } from './resident.js';
import { roleProblems } from './roles.js';

/** Alternatives given together or not at all, which only the JSON as written shows. */
export function podShapeProblems(raw: RawPod, report: Report): void {
  each(raw.containers, '/containers', report, ({ exec, healthCheck, check }, here) => {
    if (exec !== undefined) {
      commandShape(exec.command, within(here, '/exec/command'));
      if (exec.command.shell !== undefined && exec.overrideEntrypoint === false)
        here('/exec/overrideEntrypoint', 'must not be false with a shell command, which is the entry point');
    }
    if (healthCheck !== undefined) probeShape(healthCheck, within(here, '/healthCheck'));
    if (check !== undefined) probeShape(check, within(here, '/check'));
  });
  each(raw.volumes, '/volumes', report, ({ host, persistent, secret }, here) => {
    const given = [host, persistent, secret].filter(kind => kind !== undefined).length;
    if (given > 1) here('/', 'must have at most one of host, persistent and secret');
  });
}

export function podProblems(pod: PodDefinition, context: RuleContext<PodDefinition>, report: Report): void {
  const { settings } = context;
  const resident = isResident(pod);
  const longest = pod.containers.reduce((most, { name }) => (name.length > most.length ? name : most), '');
  runSpecIdProblems(pod.id, longest, report);
  parts.countProblem(pod.instances, '/scaling/instances', settings, report);
  parts.secretProblems(pod.secrets, settings, report);
  parts.envProblems(pod.env, pod.secrets, '/environment', settings, report);
  networkProblems(pod.networks, report);
  volumeProblems(pod, settings, report);
  containerProblems(pod, settings, report);
  const scheduling = within(report, '/scheduling');
  if (pod.backoff.factor < 1)
    scheduling('/backoff/backoffFactor', `must be at least 1, ${pod.backoff.factor} is given`);
  parts.placementProblems(pod.constraints, '/placement/constraints', scheduling);
  parts.upgradeProblems(
    pod.upgradeStrategy,
    { resident, single: false, instances: pod.instances },
    within(scheduling, '/upgrade'),
  );
  parts.unreachableProblems(pod.unreachableStrategy, resident, within(scheduling, '/unreachableStrategy'));
  roleProblems(pod, resident, context.roles, report, '/scheduling/placement/acceptedResourceRoles');
  parts.linuxProblems(pod.linuxInfo, 'pod', report);
  residentProblems(context.previous, pod, report);
  if (settings.onlyLaunchable) podLaunchProblems(pod, report);
}

function volumeProblems(pod: PodDefinition, settings: ModelSettings, report: Report): void {
  const twice = (rule: string) => (key: string) => report('/volumes', `${rule}, ${shown(key)} is there twice`);
  repeated(pod.volumes, ({ name }) => name, twice('volume names must be unique'));
  const mounted = new Set(pod.containers.flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name)));
  each(pod.volumes, '/volumes', report, (volume, here) => {
    if (!mounted.has(volume.name)) here('/', `must be mounted by at least one container, ${shown(volume.name)} is not`);
    if (volume.kind === 'persistent') parts.persistentProblems(volume.persistent, within(here, '/persistent'));
    if (volume.kind !== 'secret') return;
    const why = parts.featureProblem('secrets', settings);
    if (why !== undefined) here('/', why);
    parts.secretReference(volume.secret, pod.secrets, '/secret', here);
  });
}

function containerProblems(pod: PodDefinition, settings: ModelSettings, report: Report): void {
  const at = '/containers';
  const twice = (rule: string) => (key: string) => report(at, `${rule}, ${shown(key)} is there twice`);
  const endpoints = pod.containers.flatMap(container => container.endpoints);
  const portKey = (port: number | undefined): string | undefined =>
    port === undefined || port === 0 ? undefined : String(port);
  repeated(pod.containers, ({ name }) => name, twice('container names must be unique'));
  repeated(endpoints, ({ name }) => name, twice('endpoint names must be unique across all containers'));
  repeated(endpoints, e => portKey(e.containerPort), twice('container ports must be unique across all containers'));
  repeated(endpoints, e => portKey(e.hostPort), twice('host ports must be unique across all containers'));
  each(pod.containers, at, report, (container, here) => containerProblem(container, pod, settings, here));
}

function containerProblem(container: PodContainer, pod: PodDefinition, settings: ModelSettings, report: Report): void {
  const { image, resourceLimits, resources, healthCheck, check } = container;
  if (resources.gpus > 0) {
    const why = parts.featureProblem('gpu_resources', settings);
    if (why !== undefined) report('/resources/gpus', why);
  }
  parts.limitProblems(resourceLimits, resources, report);
  if (pod.legacySharedCgroups === true && resourceLimits !== undefined)
    report('/resourceLimits', 'must not be given with legacySharedCgroups');
  if (image !== undefined) {
    const why = parts.imageProblem(image.id);
    if (why !== undefined) report('/image/id', why);
    if (image.pullConfig !== undefined) {
      const disabled = parts.featureProblem('secrets', settings);
      if (disabled !== undefined) report('/image/pullConfig', disabled);
      parts.secretReference(image.pullConfig.secret, pod.secrets, '/image/pullConfig/secret', report);
    }
  }
  parts.envProblems(container.env, pod.secrets, '/environment', settings, report);
  endpointProblems(container, pod, report);
  if (healthCheck !== undefined) {
    const { intervalMs, timeoutMs } = healthCheck;
    if (timeoutMs >= intervalMs) {
      const given = `${timeoutMs / 1000} is given`;
      report('/healthCheck/timeoutSeconds', `must be less than intervalSeconds, ${intervalMs / 1000}; ${given}`);
    }
    probeProblems(healthCheck.probe, container, within(report, '/healthCheck'));
  }
  if (check !== undefined) probeProblems(check.probe, container, within(report, '/check'));
  each(container.volumeMounts, '/volumeMounts', report, ({ name }, here) => {
    if (!pod.volumes.some(volume => volume.name === name)) here('/name', `${shown(name)} is none of the pod's volumes`);
  });
  each(container.artifacts, '/artifacts', report, ({ uri }, here) => {
    const why = parts.uriProblem(uri);
    if (why !== undefined) here('/uri', why);
  });
  parts.linuxProblems(container.linuxInfo, 'container', report);
}

function endpointProblems(container: PodContainer, pod: PodDefinition, report: Report): void {
  const modes = new Set(pod.networks.map(({ mode }) => mode));
  each(container.endpoints, '/endpoints', report, (endpoint, here) => {
    networkNameProblems(endpoint, pod.networks, here);
    if (modes.has('host') && endpoint.containerPort !== undefined)
      here('/containerPort', 'must not be given in the host network');
    if (modes.has('container') && endpoint.containerPort === undefined)
      here('/containerPort', 'is missing; a container network needs it');
    if (new Set(endpoint.protocol).size < endpoint.protocol.length) here('/protocol', 'must not name a protocol twice');
  });
}

function probeProblems(probe: PodProbe, { endpoints }: PodContainer, report: Report): void {
  if (probe.type === 'exec' || endpoints.some(({ name }) => name === probe.endpoint)) return;
  const known =
    endpoints.length === 0 ? 'it has none' : `it has ${endpoints.map(({ name }) => shown(name)).join(', ')}`;
  report(`/${probe.type}/endpoint`, `${shown(probe.endpoint)} is none of the container's endpoints; ${known}`);
}
