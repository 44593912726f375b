// What a task finds in its container besides what it fetches: directories of the machine and of drivers, secrets as files. In: volumes of definitions, values of
// secrets. Out: mounts and files as the SDK has them. Pure. Persistent volumes are among a task's resources.
import type { TaskFile, VolumeMount } from 'proffer';
import type { AppDefinition, ExternalVolume } from '../model/app.js';
import type { PodContainer, PodDefinition } from '../model/pod.js';
import type { SecretValues } from '../secrets/book.js';

/** What is put in, and what is mounted. */
export interface Brought {
  readonly files: readonly TaskFile[];
  readonly volumes: readonly VolumeMount[];
}

/** Of an app's task. */
export function broughtToApp({ container }: AppDefinition, secrets: SecretValues): Brought {
  const found: Found = { files: [], volumes: [] };
  for (const volume of container?.volumes ?? []) {
    const { containerPath } = volume;
    switch (volume.kind) {
      case 'host':
        found.volumes.push({ containerPath, hostPath: volume.hostPath, mode: volume.mode });
        break;
      case 'external':
        found.volumes.push({ containerPath, external: externalOf(volume.external), mode: volume.mode });
        break;
      case 'secret':
        addSecret(found, containerPath, secrets.get(volume.secret));
        break;
      case 'persistent':
        break;
    }
  }
  return found;
}

/** Of one container of a pod. */
export function broughtToContainer(pod: PodDefinition, container: PodContainer, secrets: SecretValues): Brought {
  const found: Found = { files: [], volumes: [] };
  for (const { name, mountPath, readOnly } of container.volumeMounts) {
    const volume = pod.volumes.find(each => each.name === name);
    const mode = readOnly ? 'RO' : 'RW';
    if (volume?.kind === 'host') found.volumes.push({ containerPath: mountPath, hostPath: volume.host, mode });
    else if (volume?.kind === 'ephemeral') found.volumes.push({ containerPath: mountPath, mode });
    else if (volume?.kind === 'secret') addSecret(found, mountPath, secrets.get(volume.secret));
  }
  return found;
}

interface Found {
  readonly files: TaskFile[];
  readonly volumes: VolumeMount[];
}

// Files come into the sandbox; from there one is mounted where a container wants it elsewhere.
function addSecret({ files, volumes }: Found, path: string, value: Uint8Array | undefined): void {
  if (value === undefined) return;
  const base64 = Buffer.from(value).toString('base64');
  if (!path.startsWith('/')) {
    files.push({ path, base64 });
    return;
  }
  const own = `.marathon-secrets/${files.length}`;
  files.push({ path: own, base64 });
  volumes.push({ containerPath: path, hostPath: own, mode: 'RO' });
}

const driverOption = 'dvdi/driver';

// `provider/option`, as their drivers know them: without the provider. Sizes are in GiB.
function externalOf({ name = '', size, options }: ExternalVolume): NonNullable<VolumeMount['external']> {
  const given = Object.entries(options).flatMap(([key, value]) =>
    key === driverOption || typeof value !== 'string' ? [] : [[key.slice(key.indexOf('/') + 1), value] as const],
  );
  const all = { ...Object.fromEntries(given), ...(size === undefined ? {} : { size: String(size) }) };
  return {
    driver: String(options[driverOption]),
    name,
    ...(Object.keys(all).length === 0 ? {} : { options: all }),
  };
}
