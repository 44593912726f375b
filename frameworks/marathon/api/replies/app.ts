// Apps with what is known of them beside their definition. In: an app, what is asked for (`embed`). Out: JSON text; definitions are written once and kept,
// so that thousands of apps are a matter of milliseconds.
import { taskCounts } from '../../health/counts.js';
import type { TaskCounts } from '../../health/counts.js';
import type { AppDefinition } from '../../model/app.js';
import { appJson } from '../../model/json/app.js';
import type { PathId } from '../../model/path.js';
import { present } from '../../model/present.js';
import type { MarathonView } from '../../service/marathon.js';
import { failureJson, tasksText } from './task.js';
import { taskStatsJson } from './task-stats.js';
import { joined, textCache } from './text.js';

/** What is shown beside the definition. */
export const appEmbeds = ['tasks', 'counts', 'deployments', 'readiness', 'lastTaskFailure', 'taskStats'] as const;
export type AppEmbed = (typeof appEmbeds)[number];

const named: { readonly [name: string]: readonly AppEmbed[] } = {
  tasks: ['tasks', 'deployments'],
  counts: ['counts'],
  deployments: ['deployments'],
  readiness: ['readiness'],
  lastTaskFailure: ['lastTaskFailure'],
  failures: ['tasks', 'lastTaskFailure', 'deployments'],
  taskStats: ['taskStats'],
};

/** What `embed` asks for, under any of the prefixes; words that mean nothing are passed over. */
export function appEmbedsIn(embed: Iterable<string>, always: readonly AppEmbed[] = []): ReadonlySet<AppEmbed> {
  const found = new Set(always);
  for (const each of embed) {
    const name = each.replace(/^(?:group\.apps\.|apps\.|app\.)/, '');
    if (Object.hasOwn(named, name)) for (const one of named[name] ?? []) found.add(one);
  }
  return found;
}

/** The definition alone. */
export const appText = textCache<AppDefinition>(appJson);

/** Writes apps as they are at one moment. */
export class AppInfos {
  readonly #view: MarathonView;
  readonly #embeds: ReadonlySet<AppEmbed>;
  readonly #now: number;
  #deployments: ReadonlyMap<PathId, readonly { readonly id: string }[]> | undefined;

  constructor(view: MarathonView, embeds: ReadonlySet<AppEmbed>, now: number) {
    this.#view = view;
    this.#embeds = embeds;
    this.#now = now;
  }

  text(app: AppDefinition): string {
    return joined(appText(app), this.#more(app));
  }

  #more(app: AppDefinition): string {
    const view = this.#view;
    const embeds = this.#embeds;
    const instances = view.instancesOf(app.id);
    // By hand what every list has of every app.
    const counts = embeds.has('counts') ? countsText(taskCounts(instances)) : '';
    const deployments = embeds.has('deployments') ? `,"deployments":${this.#deploymentsOf(app.id)}` : '';
    const tasks = embeds.has('tasks') ? `,"tasks":${tasksText(view, instances)}` : '';
    const failure = embeds.has('lastTaskFailure') ? view.failureOf(app.id) : undefined;
    const stats = embeds.has('taskStats') ? taskStatsJson(app, instances, this.#now) : undefined;
    const rest = present({
      readinessCheckResults: embeds.has('readiness') ? view.health.readinessResultsOf(instances, app) : undefined,
      lastTaskFailure: failure && failureJson(failure),
      // Releases differ in the name.
      taskStats: stats,
      tasksStats: stats,
    });
    return joined(`{${`${counts}${deployments}${tasks}`.slice(1)}}`, JSON.stringify(rest));
  }

  // All at once: each app asking for its own would be a walk over all deployments each time.
  #deploymentsOf(id: PathId): string {
    if (this.#deployments === undefined) {
      const found = new Map<PathId, { readonly id: string }[]>();
      for (const { plan } of this.#view.deployments()) {
        for (const each of plan.runSpecs.keys()) {
          const known = found.get(each);
          if (known === undefined) found.set(each, [{ id: plan.id }]);
          else known.push({ id: plan.id });
        }
      }
      this.#deployments = found;
    }
    const found = this.#deployments.get(id);
    return found === undefined ? '[]' : JSON.stringify(found);
  }
}

function countsText({ tasksStaged, tasksRunning, tasksHealthy, tasksUnhealthy }: TaskCounts): string {
  return `,"tasksStaged":${tasksStaged},"tasksRunning":${tasksRunning},"tasksHealthy":${tasksHealthy},"tasksUnhealthy":${tasksUnhealthy}`;
}
