// What definitions may say and no agent of ours can do: told when they are given, so that nothing of them is left out in silence. In: normalised apps and pods. Out:
// reports.
import type { AppDefinition, AppVolume } from '../app.js';
import type { PodContainer, PodDefinition } from '../pod.js';
import type { Report } from '../refusal.js';
import { shown, within } from '../refusal.js';
import { hasOwnNetwork } from '../run-spec.js';
import type { LinuxInfo } from '../spec.js';
import { each } from './parts.js';

/** Reports of an app; without an image its tasks are processes of the agent's machine. */
export function appLaunchProblems(app: AppDefinition, report: Report): void {
  const { container, networks } = app;
  const hasImage = container?.docker !== undefined;
  if (!hasImage) {
    if (app.tty === true) report('/tty', noTerminal);
    if (hasOwnNetwork(app)) report('/networks', noNetwork);
  }
  if (hasImage && networks.length > 1) report('/networks', oneNetwork);
  if (container?.docker?.pullConfig !== undefined) report('/container/docker/pullConfig', noPullConfig);
  linuxProblems(container?.linuxInfo, hasImage, within(report, '/container/linuxInfo'));
  each(container?.volumes ?? [], '/container/volumes', report, (volume, here) => appVolume(volume, hasImage, here));
  each(app.fetch, '/fetch', report, ({ uri }, here) => schemeProblem(uri, here));
  each(app.healthChecks, '/healthChecks', report, (check, here) => {
    if ('path' in check) pathProblem(check.path, here);
  });
  each(app.readinessChecks, '/readinessChecks', report, ({ path }, here) => pathProblem(path, here));
}

/** Reports of a pod; its containers start and end together, each in a container of its own. */
export function podLaunchProblems(pod: PodDefinition, report: Report): void {
  const { networks } = pod;
  if (networks.length > 1) report('/networks', oneNetwork);
  if (pod.linuxInfo?.ipcInfo !== undefined)
    report(
      '/linuxInfo/ipcInfo',
      'is not supported for pods: their containers have nothing in common; give it to a container',
    );
  each(pod.containers, '/containers', report, (container, here) => podContainer(container, pod, here));
  each(pod.volumes, '/volumes', report, ({ kind, name }, here) => {
    const users = pod.containers.filter(({ volumeMounts }) => volumeMounts.some(mount => mount.name === name));
    if (kind === 'ephemeral' && users.length > 1)
      here(
        '/',
        'is mounted by several containers, which is not supported for volumes that end with the pod; use a host volume',
      );
  });
}

function podContainer(container: PodContainer, pod: PodDefinition, report: Report): void {
  const hasImage = container.image !== undefined;
  if (!hasImage) {
    if (container.tty === true) report('/tty', noTerminal);
    if (hasOwnNetwork(pod)) report('/image', noNetwork);
  }
  if (container.image?.pullConfig !== undefined) report('/image/pullConfig', noPullConfig);
  linuxProblems(container.linuxInfo, hasImage, within(report, '/linuxInfo'));
  each(container.volumeMounts, '/volumeMounts', report, ({ name, mountPath }, here) => {
    const volume = pod.volumes.find(each => each.name === name);
    const own = volume?.kind === 'host' ? volume.host : undefined;
    if (!hasImage && volume?.kind !== 'persistent') placeProblem(mountPath, own, '/mountPath', here);
  });
}

function appVolume(volume: AppVolume, hasImage: boolean, report: Report): void {
  const { kind, containerPath } = volume;
  if (kind === 'external') {
    if (volume.external.provider === 'csi') report('/external/provider', 'csi is not supported; use dvdi');
    else if (!hasImage) report('/external', 'needs a container with an image: its driver is one of the Docker engine');
    if (volume.external.shared === true) report('/external/shared', 'is not supported for dvdi');
  } else if (!hasImage && kind !== 'persistent')
    placeProblem(containerPath, kind === 'host' ? volume.hostPath : undefined, '/containerPath', report);
}

// A process sees the file system of its machine: nothing can be put over it.
function placeProblem(path: string, own: string | undefined, at: string, report: Report): void {
  if (path.startsWith('/') && path !== own)
    report(at, 'must be relative to the sandbox without an image: a process sees the file system of its machine');
}

function schemeProblem(uri: string, report: Report): void {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(uri)?.[1]?.toLowerCase();
  if (scheme !== undefined && !['http', 'https', 'file'].includes(scheme))
    report('/uri', `must be one of http, https or file, which agents can fetch; ${shown(uri)} is given`);
}

function pathProblem(path: string | undefined, report: Report): void {
  if (path !== undefined && /[\s\p{Cc}]/u.test(path))
    report(
      '/path',
      `must not contain white space or control characters, write %20 for a blank; ${shown(path)} is given`,
    );
}

function linuxProblems(linuxInfo: LinuxInfo | undefined, hasImage: boolean, report: Report): void {
  const { seccomp, ipcInfo } = linuxInfo ?? {};
  if (seccomp?.profileName !== undefined)
    report('/seccomp/profileName', 'is not supported; containers have the profile of their Docker engine');
  // Processes share what the machine has, containers have their own.
  if (ipcInfo?.mode === 'PRIVATE' && !hasImage) report('/ipcInfo/mode', 'PRIVATE needs a container with an image');
  if (ipcInfo?.mode === 'SHARE_PARENT' && hasImage)
    report('/ipcInfo/mode', 'SHARE_PARENT is not supported with an image');
}

const noTerminal = 'needs a container with an image: processes have no terminal';
const noNetwork = 'a network of its own needs a container with an image; processes are in the host network';
const oneNetwork = 'must be one network only: containers are in one';
const noPullConfig = 'is not supported; the Docker engine of an agent pulls with its own credentials';
