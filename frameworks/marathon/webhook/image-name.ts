// Names of Docker images, taken apart and put together. In: `registry.local:5000/team/web:v2`. Out: registry, repository, tag, digest. Pure.

/** A name as its registry knows it; what Docker leaves out is filled in. */
export interface ImageName {
  /** Host with port; `docker.io` where the name has none. */
  readonly registry: string;
  /** Such as `team/web`, or `library/redis` of Docker Hub. */
  readonly repository: string;
  readonly tag?: string;
  /** `sha256:…`. */
  readonly digest?: string;
}

/** The registry of names without one. */
export const dockerHub = 'docker.io';

const otherNamesOfHub = new Set(['index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']);

/** The parts of a name. A first part with a dot, a port, or `localhost` is a registry, as Docker reads it. */
export function imageName(text: string): ImageName {
  const [name = '', digest] = text.split('@', 2);
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const hasRegistry = /[.:]/.test(first) || first === 'localhost';
  const registry = registryName(hasRegistry ? first : dockerHub);
  const path = hasRegistry ? name.slice(slash + 1) : name;
  const colon = path.lastIndexOf(':');
  const tag = colon < 0 ? undefined : path.slice(colon + 1);
  return {
    registry,
    repository: repositoryName(registry, colon < 0 ? path : path.slice(0, colon)),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** One of several names that a registry has. */
export function registryName(host: string): string {
  const lower = host.toLowerCase();
  return otherNamesOfHub.has(lower) ? dockerHub : lower;
}

/** The official images of Docker Hub have no owner. */
export function repositoryName(registry: string, path: string): string {
  return registry === dockerHub && !path.includes('/') ? `library/${path}` : path;
}

/** `image` with another tag, and the digest that was pushed under it; registry and repository stay as they are written. */
export function withTag(image: string, tag: string, digest: string | undefined): string {
  const [name = ''] = image.split('@', 1);
  const colon = name.lastIndexOf(':');
  const bare = colon > name.lastIndexOf('/') ? name.slice(0, colon) : name;
  return `${bare}:${tag}${digest === undefined ? '' : `@${digest}`}`;
}
