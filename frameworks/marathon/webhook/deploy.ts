// Who is deployed anew after a push. In: the tree, pushes. Out: apps and pods that ask for it by label, with their new images. Pure.
import type { AppDefinition } from '../model/app.js';
import { mapRunSpecs } from '../model/group.js';
import type { Group } from '../model/group.js';
import type { PathId } from '../model/path.js';
import type { PodDefinition } from '../model/pod.js';
import type { RunSpec } from '../model/run-spec.js';
import { imageName, withTag } from './image-name.js';
import type { Push } from './push.js';

/** The label by which an app or pod asks for pushed images: tags, with `*` for any part of one, separated by commas, e.g. `v*,stable`. */
export const askingLabel = 'PROFFER_DEPLOY_ON_PUSH';

/** Where it is noted which push an app or pod runs, so that one that is told twice, or late, changes nothing. ISO 8601. */
export const pushedLabel = 'PROFFER_PUSHED_AT';

/** An app or pod that takes a pushed image. */
export interface ImageChange {
  readonly id: PathId;
  /** As written in its definition. */
  readonly from: string;
  readonly to: string;
}

/** The tree with every pushed image where it is asked for, and what changed. */
export function withPushes(
  root: Group,
  pushes: readonly Push[],
): { readonly root: Group; readonly changes: readonly ImageChange[] } {
  const changes: ImageChange[] = [];
  if (pushes.length === 0) return { root, changes };
  const changed = mapRunSpecs(root, spec => {
    const patterns = spec.labels[askingLabel];
    if (patterns === undefined) return spec;
    const since = Date.parse(spec.labels[pushedLabel] ?? '');
    const news = pushes.filter(push => !(push.at <= since) && matches(patterns, push.tag));
    return news.length === 0 ? spec : withImages(spec, news, changes);
  });
  return { root: changes.length === 0 ? root : changed, changes };
}

function withImages(spec: RunSpec, pushes: readonly Push[], changes: ImageChange[]): RunSpec {
  let at = Number.NEGATIVE_INFINITY;
  const found = (image: string): { readonly image: string; readonly pull: boolean } | undefined => {
    const { registry, repository } = imageName(image);
    const push = pushes.findLast(each => each.repository === repository && each.registries.includes(registry));
    if (push === undefined) return undefined;
    const to = withTag(image, push.tag, push.digest);
    at = Math.max(at, push.at);
    changes.push({ id: spec.id, from: image, to });
    // Without a digest the name may say what it said before, and agents would run what they have.
    return { image: to, pull: push.digest === undefined && to === image };
  };
  const after = spec.kind === 'app' ? appWith(spec, found) : podWith(spec, found);
  return after === spec ? spec : { ...after, labels: { ...spec.labels, [pushedLabel]: new Date(at).toISOString() } };
}

type Found = (image: string) => { readonly image: string; readonly pull: boolean } | undefined;

function appWith(app: AppDefinition, found: Found): AppDefinition {
  const { container } = app;
  const docker = container?.docker;
  const news = docker === undefined ? undefined : found(docker.image);
  if (container === undefined || docker === undefined || news === undefined) return app;
  const { image, pull } = news;
  return {
    ...app,
    container: { ...container, docker: { ...docker, image, forcePullImage: docker.forcePullImage || pull } },
  };
}

function podWith(pod: PodDefinition, found: Found): PodDefinition {
  let changed = false;
  const containers = pod.containers.map(container => {
    const news = container.image === undefined ? undefined : found(container.image.id);
    if (container.image === undefined || news === undefined) return container;
    changed = true;
    const { image: id, pull } = news;
    return { ...container, image: { ...container.image, id, forcePull: container.image.forcePull || pull } };
  });
  return changed ? { ...pod, containers } : pod;
}

/** Whether one of the patterns, separated by commas, means this tag. No regular expression: patterns come from users. */
export function matches(patterns: string, tag: string): boolean {
  return patterns.split(',').some(pattern => matchesOne(pattern.trim(), tag));
}

function matchesOne(pattern: string, tag: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === tag;
  if (!tag.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = tag.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return tag.length - last.length >= at && tag.endsWith(last);
}
