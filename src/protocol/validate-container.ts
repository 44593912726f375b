// What commands, containers and probes must be beyond the types of their fields. In: values of the right shape. Out: violations, through `say`.
import type { CommandInfo, ContainerInfo, DockerInfo, ExecutorInfo, Probe, VolumeMount } from './entities.js';
import type { Say } from './schemas/findings.js';

/** A command says what to run in one way or not at all. */
export function commandRule(command: CommandInfo, path: string, say: Say): void {
  if (command.value !== undefined && command.argv !== undefined) {
    say(
      path,
      'both value (a shell line) and argv (a program and its arguments) are given; only one is allowed',
      'leave out argv to use a shell, or value to run without one',
    );
  }
  if (command.value !== undefined && command.value.trim() === '') say(`${path}.value`, 'the shell line is empty');
  if (command.argv?.[0] === '') say(`${path}.argv[0]`, 'the program’s name is empty');
}

/** Whether the command says by itself what runs. */
export function isRunnable(command: CommandInfo | undefined): boolean {
  return command !== undefined && (command.value !== undefined || command.argv !== undefined);
}

/** Whether the container knows what to run without a command: its image may. */
export function hasImage(container: ContainerInfo | undefined): boolean {
  return container?.type === 'DOCKER' && container.docker !== undefined;
}

/** `docker` goes with the type DOCKER, and mounts do not hide each other. */
export function containerRule(container: ContainerInfo, path: string, say: Say): void {
  if (container.type === 'DOCKER' && container.docker === undefined) {
    say(
      `${path}.docker`,
      'is missing; a container of type DOCKER needs an image',
      'write for example { image: "nginx" }',
    );
  }
  if (container.type === 'PROCESS' && container.docker !== undefined) {
    say(
      `${path}.docker`,
      'goes only with containers of type DOCKER, and this one is of type PROCESS',
      'set type to DOCKER',
    );
  }
  if (container.tty === true && container.type === 'PROCESS') {
    say(`${path}.tty`, 'goes only with containers of type DOCKER: processes have no terminal', 'leave it out');
  }
  const seen = new Set<string>();
  for (const [i, volume] of (container.volumes ?? []).entries()) {
    const { containerPath, hostPath, external } = volume;
    const here = `${path}.volumes[${i}]`;
    if (seen.has(containerPath)) say(`${here}.containerPath`, `${JSON.stringify(containerPath)} is mounted twice`);
    seen.add(containerPath);
    if (external !== undefined && hostPath !== undefined)
      say(`${here}.external`, 'is given beside hostPath; only one is allowed', 'leave out one of them');
    if (container.type === 'PROCESS') processVolumeRule(volume, here, say);
  }
}

function processVolumeRule({ containerPath, hostPath, external }: VolumeMount, path: string, say: Say): void {
  if (external !== undefined)
    say(`${path}.external`, 'goes only with containers of type DOCKER: its driver is one of the Docker engine');
  if (containerPath.startsWith('/') && containerPath !== hostPath)
    say(
      `${path}.containerPath`,
      `${JSON.stringify(containerPath)} is a path of the machine, which a process sees as it is`,
      'give a path relative to the sandbox, or run it in a container of type DOCKER',
    );
}

/** Port mappings need a network of the container's own, and each host port is bound once. */
export function dockerRule(docker: DockerInfo, path: string, say: Say): void {
  const mappings = docker.portMappings;
  if (mappings === undefined || mappings.length === 0) return;
  if (docker.network === 'HOST' || docker.network === 'NONE') {
    say(
      `${path}.portMappings`,
      `ports cannot be mapped on the network ${docker.network}`,
      'use the network BRIDGE, or leave out portMappings',
    );
  }
  const seen = new Set<string>();
  for (const [i, { hostPort, protocol }] of mappings.entries()) {
    const bound = `${hostPort}/${protocol ?? 'tcp'}`;
    if (seen.has(bound)) say(`${path}.portMappings[${i}].hostPort`, `${bound} is mapped twice`);
    seen.add(bound);
  }
}

/** A command to probe with must say what to run. */
export function probeRule(probe: Probe, path: string, say: Say): void {
  if (probe.type === 'COMMAND' && !isRunnable(probe.command)) {
    say(`${path}.command`, 'says nothing to run', 'give value (a shell line) or argv');
  }
}

/** An executor says what runs, by a command or an image. */
export function executorRule(executor: ExecutorInfo, path: string, say: Say): void {
  if (!isRunnable(executor.command) && !hasImage(executor.container)) {
    say(`${path}.command`, 'says nothing to run', 'give value (a shell line), argv, or a container with an image');
  }
}

// Source: the grammar of distribution/reference. Host, path of lower-case components, tag, digest; each piece matched from its start.
const imageHost =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?$/;
const imagePart = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const imageTag = /^\w[\w.-]{0,127}$/;
const imageDigest = /^[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;

/** Why `image` is not a reference to a Docker image: `[host[:port]/]path[:tag][@digest]`. */
export function imageProblem(image: string): string | undefined {
  if (image === '') return 'is empty';
  if (image.length > 512) return 'is not an image: at most 512 characters are allowed';
  const at = image.indexOf('@');
  const tagged = at < 0 ? image : image.slice(0, at);
  if (at >= 0 && !imageDigest.test(image.slice(at + 1)))
    return 'is not an image: its digest is not of the form sha256:…';
  const colon = tagged.lastIndexOf(':');
  const hasTag = colon > tagged.lastIndexOf('/');
  const name = hasTag ? tagged.slice(0, colon) : tagged;
  if (hasTag && !imageTag.test(tagged.slice(colon + 1))) {
    return 'is not an image: a tag is up to 128 letters, digits and any of _.-';
  }
  const [first = '', ...rest] = name.split('/');
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  if (hasHost && !imageHost.test(first)) return 'is not an image: its registry is not a host name';
  if (!(hasHost ? rest : [first, ...rest]).every(part => imagePart.test(part))) {
    return 'is not an image: its path has lower-case letters and digits, separated by any of ._-/';
  }
  return undefined;
}

/** Why `network` is none a container may be on: `BRIDGE`, `HOST`, `NONE` or a user network. To engines, `container:<id>` is the network of another container. */
export function networkProblem(network: string): string | undefined {
  if (network === '') return 'is empty';
  return network.length <= 255 && /^[A-Za-z0-9][\w.-]*$/.test(network)
    ? undefined
    : 'is not a network: its name starts with a letter or digit and has letters, digits and any of _.-';
}

/** Why `uri` cannot be fetched; without the URI itself, which may hold a password. */
export function uriProblem(uri: string): string | undefined {
  if (!/^(?:https?:\/\/[^/\s]|file:\/\/)/i.test(uri)) {
    const scheme = /^[a-z][a-z0-9+.-]*:(?=\/\/)/i.exec(uri)?.[0];
    return `${scheme === undefined ? '' : `with ${scheme} `}is not a URI with http:, https: or file:`;
  }
  return URL.canParse(uri) ? undefined : 'is not a URI';
}

/** Why `text` is not the name of a volume of a driver, or of the driver. */
export function externalNameProblem(text: string): string | undefined {
  return text.length <= 255 && /^[A-Za-z0-9][\w./:@-]*$/.test(text)
    ? undefined
    : 'is not a name: it starts with a letter or digit and has letters, digits and any of _./:@-, at most 255';
}

/** Why `text` is not base64; without the text, which may be a secret. */
export function base64Problem(text: string): string | undefined {
  const isBase64 = text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
  return isBase64 ? undefined : 'is not base64: letters, digits, + and /, in groups of four, = at the end';
}

/** Why `path` cannot be asked for over HTTP. */
export function httpPathProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return 'must start with a slash';
  return /[\s\p{Cc}\p{Cs}]/u.test(path) ? 'must not contain white space or control characters' : undefined;
}
