// What commands, containers and probes must be beyond the types of their fields. In: values of the right shape. Out: violations, through `say`.
import type { CommandInfo, ContainerInfo, DockerInfo, ExecutorInfo, Probe } from './entities.js';
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
  const seen = new Set<string>();
  for (const [i, { containerPath }] of (container.volumes ?? []).entries()) {
    if (seen.has(containerPath)) {
      say(`${path}.volumes[${i}].containerPath`, `${JSON.stringify(containerPath)} is mounted twice`);
    }
    seen.add(containerPath);
  }
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

/** Why `path` cannot be asked for over HTTP. */
export function httpPathProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return 'must start with a slash';
  return /[\s\p{Cc}\p{Cs}]/u.test(path) ? 'must not contain white space or control characters' : undefined;
}
