// Rules of an app as a whole, all at once. In: the normalised app, what the JSON said, the tree's word on roles, its definition so far. Out:
// reports with paths of Marathon's JSON.
import type { AppDefinition } from '../app.js';
import type { Report } from '../refusal.js';
import { shown, within } from '../refusal.js';
import { hasOwnNetwork, isResident, isSingleInstance } from '../run-spec.js';
import type { ModelSettings } from '../settings.js';
import type { PortProtocol } from '../spec.js';
import { checkProblems } from './checks.js';
import { idProblems, runSpecIdProblems } from './ids.js';
import { appLaunchProblems } from './launchable.js';
import { networkNameProblems, networkProblems } from './networks.js';
import * as parts from './parts.js';
import { each, repeated } from './parts.js';
import { residentProblems } from './resident.js';
import { roleProblems } from './roles.js';
import type { RoleRule } from './roles.js';
import { volumeProblems } from './volumes.js';
import { scalingProblems } from './scaling.js';

export interface RuleContext<Spec> {
  readonly settings: ModelSettings;
  readonly roles: RoleRule;
  /** The definition it is to replace. */
  readonly previous?: Spec;
}

export function appProblems(app: AppDefinition, context: RuleContext<AppDefinition>, report: Report): void {
  const { settings } = context;
  const resident = isResident(app);
  const single = isSingleInstance(app);
  runSpecIdProblems(app.id, '_app', report);
  for (const id of app.dependencies) idProblems(id, report, '/dependencies');
  commandProblems(app, report);
  executorProblems(app, report);
  parts.countProblem(app.instances, '/instances', settings, report);
  if (single && app.instances !== 0 && app.instances !== 1)
    report('/instances', 'must be at most 1 with the label MARATHON_SINGLE_INSTANCE_APP');
  if (app.resources.gpus > 0) {
    const why = parts.featureProblem('gpu_resources', settings);
    if (why !== undefined) report('/gpus', why);
    if (app.container?.type === 'DOCKER') report('/gpus', 'is not for containers of type DOCKER');
  }
  scalingProblems(app, settings, report);
  parts.limitProblems(app.resourceLimits, app.resources, report);
  networkProblems(app.networks, report);
  portProblems(app, report);
  containerProblems(app, settings, report);
  volumeProblems(app, settings, report);
  checkProblems(app, report);
  each(app.fetch, '/fetch', report, ({ uri }, here) => {
    const why = parts.uriProblem(uri);
    if (why !== undefined) here('/uri', why);
  });
  parts.secretProblems(app.secrets, settings, report);
  parts.envProblems(app.env, app.secrets, '/env', settings, report);
  parts.placementProblems(app.constraints, '/constraints', report);
  parts.upgradeProblems(
    app.upgradeStrategy,
    { resident, single, instances: app.instances },
    within(report, '/upgradeStrategy'),
  );
  parts.unreachableProblems(app.unreachableStrategy, resident, within(report, '/unreachableStrategy'));
  roleProblems(app, resident, context.roles, report, '/acceptedResourceRoles');
  residentProblems(context.previous, app, report);
  if (settings.onlyLaunchable) appLaunchProblems(app, report);
}

function commandProblems({ cmd, args, container }: AppDefinition, report: Report): void {
  if (cmd !== undefined && args !== undefined) report('/', "must contain only one of 'cmd' and 'args'");
  if (cmd === undefined && args === undefined && container?.docker === undefined)
    report('/', "must contain 'cmd' or 'args', or a 'container' with an image");
}

function executorProblems({ executor, user }: AppDefinition, report: Report): void {
  if (!/^(\/\/cmd|\/?[^/\p{Cc}]+(\/[^/\p{Cc}]+)*)?$/u.test(executor))
    report('/executor', `must be empty, //cmd or the path of an executor, ${shown(executor)} is given`);
  if (user !== undefined && (user === '' || /[\s\p{Cc}]/u.test(user)))
    report('/user', `must be the name of a user, ${shown(user)} is given`);
}

function portProblems(app: AppDefinition, report: Report): void {
  const { portDefinitions } = app;
  repeated(portDefinitions, ({ name }) => name, told(report, '/portDefinitions', 'Port names must be unique'));
  repeated(
    portDefinitions,
    ({ port }) => (port === 0 ? undefined : String(port)),
    told(report, '/portDefinitions', 'Ports must be unique'),
  );
  const at = '/container/portMappings';
  const mappings = app.container?.portMappings ?? [];
  repeated(mappings, ({ name }) => name, told(report, at, 'Port names must be unique'));
  repeated(
    mappings.flatMap(({ hostPort = 0, protocol }) =>
      hostPort === 0 ? [] : protocolsOf(protocol).map(each => `${hostPort}/${each}`),
    ),
    key => key,
    told(report, at, 'Host ports must be unique'),
  );
  each(mappings, at, report, (mapping, here) => networkNameProblems(mapping, app.networks, here));
}

const protocolsOf = (protocol: PortProtocol): string[] => protocol.split(',');

function told(report: Report, at: string, rule: string): (key: string) => void {
  return key => report(at, `${rule}, ${shown(key)} is there twice`);
}

function containerProblems(app: AppDefinition, settings: ModelSettings, report: Report): void {
  const { container } = app;
  if (container === undefined) return;
  const { type, docker } = container;
  if (type === 'DOCKER') {
    if (docker === undefined) report('/container/docker', 'is missing in a container of type DOCKER');
    if (docker?.pullConfig !== undefined)
      report('/container/docker/pullConfig', 'is for containers of type MESOS only');
    if (hasOwnNetwork(app) && app.networks.length > 1)
      report('/networks', 'must be one network only for containers of type DOCKER');
  } else if (docker?.pullConfig !== undefined) {
    const why = parts.featureProblem('secrets', settings);
    if (why !== undefined) report('/container/docker/pullConfig', why);
    parts.secretReference(docker.pullConfig.secret, app.secrets, '/container/docker/pullConfig/secret', report);
  }
  const why = docker === undefined ? undefined : parts.imageProblem(docker.image);
  if (why !== undefined) report('/container/docker/image', why);
  parts.linuxProblems(container.linuxInfo, 'container', within(report, '/container'));
}
