// What a registry says was pushed. In: a notification of Docker Hub, or of a Distribution registry (also Harbor's, GitLab's and Azure's, which keep its format). Out: pushes,
// oldest first, or one clear refusal. Pure.
//
// Formats: docs.docker.com/docker-hub/repos/manage/webhooks, distribution.github.io/distribution/about/notifications.
import * as v from 'valibot';
import type { Checked } from '../model/refusal.js';
import { refused } from '../model/refusal.js';
import { parse } from '../model/schema/parse.js';
import { dockerHub, registryName, repositoryName } from './image-name.js';

/** A tag now means another image. */
export interface Push {
  /** The names by which the registry may be known; any of them may stand in an image's name. */
  readonly registries: readonly string[];
  readonly repository: string;
  readonly tag: string;
  /** What the tag means now; Docker Hub does not say. */
  readonly digest?: string;
  /** Wall milliseconds. */
  readonly at: number;
}

// What is not used is not looked at: registries add to it as they like.
const hubPush = v.looseObject({
  push_data: v.looseObject({
    tag: v.string(),
    pushed_at: v.optional(v.number()),
  }),
  repository: v.looseObject({ repo_name: v.string() }),
});

const distributionEvents = v.looseObject({
  events: v.array(
    v.looseObject({
      action: v.string(),
      timestamp: v.optional(v.string()),
      target: v.optional(
        v.looseObject({
          repository: v.optional(v.string()),
          tag: v.optional(v.string()),
          digest: v.optional(v.string()),
          url: v.optional(v.string()),
        }),
      ),
      request: v.optional(v.looseObject({ host: v.optional(v.string()) })),
    }),
  ),
});

const digestForm = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-f]{32,128}$/;
const tagForm = /^\w[\w.-]{0,127}$/;

/** The pushes that a notification tells of; none when it tells of something else, such as a pull. `now` stands in where a time is missing. */
export function pushesIn(json: unknown, now: number): Checked<readonly Push[]> {
  if (has(json, 'events')) {
    const parsed = parse(distributionEvents, json);
    if (!parsed.ok) return parsed;
    const pushes = parsed.value.events.flatMap(event => pushOf(event, now));
    return { ok: true, value: pushes.toSorted((a, b) => a.at - b.at) };
  }
  if (has(json, 'push_data')) {
    const parsed = parse(hubPush, json);
    if (!parsed.ok) return parsed;
    const { push_data: data, repository } = parsed.value;
    if (!tagForm.test(data.tag))
      return refused('invalid', '/push_data/tag', `must be a tag, ${JSON.stringify(data.tag)} is given`);
    const at = data.pushed_at === undefined ? now : Math.round(data.pushed_at * 1000);
    const name = repositoryName(dockerHub, repository.repo_name);
    return { ok: true, value: [{ registries: [dockerHub], repository: name, tag: data.tag, at }] };
  }
  return refused(
    'invalid',
    '/',
    'must be a notification of a registry: "events" as a Distribution registry sends them, or "push_data" and "repository" as Docker Hub does',
  );
}

type DistributionEvent = v.InferOutput<typeof distributionEvents>['events'][number];

// Layers are pushed without a tag, and so are parts of what has several platforms.
function pushOf({ action, timestamp, target, request }: DistributionEvent, now: number): Push[] {
  const { repository, tag, digest, url } = target ?? {};
  if (action !== 'push' || repository === undefined || tag === undefined || !tagForm.test(tag)) return [];
  const hosts = [request?.host, hostOf(url)].filter(host => host !== undefined && host !== '');
  const told = Date.parse(timestamp ?? '');
  return [
    {
      registries: [...new Set(hosts.map(host => registryName(host ?? '')))],
      repository,
      tag,
      ...(digest !== undefined && digestForm.test(digest) ? { digest } : {}),
      at: Number.isNaN(told) ? now : told,
    },
  ];
}

function hostOf(url: string | undefined): string | undefined {
  return url === undefined || !URL.canParse(url) ? undefined : new URL(url).host;
}

function has(json: unknown, name: string): boolean {
  return typeof json === 'object' && json !== null && Object.hasOwn(json, name);
}
