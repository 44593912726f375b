// Groups as replies show them, down to what is asked for (`embed`). In: a group. Out: JSON text.
import type { Group } from '../../model/group.js';
import { groupJson } from '../../model/json/group.js';
import type { MarathonView } from '../../service/marathon.js';
import { appEmbedsIn, AppInfos } from './app.js';
import { podStatusJson } from './pod-status.js';
import { joined, listText, objectText } from './text.js';

const shownAll = ['group.apps', 'group.pods', 'group.groups'];

/** `embed` empty: apps, pods and groups, without more of apps than their definitions. */
export function groupText(view: MarathonView, group: Group, embed: ReadonlySet<string>, now: number): string {
  const asked = embed.size === 0 ? new Set(shownAll) : embed;
  const infos = new AppInfos(view, groupAppEmbeds(embed), now);
  const text = ({ apps, pods, groups, ...rest }: Group): string => {
    const members = objectText({
      apps: asked.has('group.apps') ? listText([...apps.values()].map(app => infos.text(app))) : undefined,
      groups: asked.has('group.groups') ? listText([...groups.values()].map(text)) : undefined,
      pods: asked.has('group.pods')
        ? JSON.stringify([...pods.values()].map(pod => podStatusJson(view, pod, now)))
        : undefined,
    });
    return joined(JSON.stringify(groupJson({ apps, pods, groups, ...rest }, {})), members);
  };
  return text(group);
}

/** What is shown of apps in groups: only what is asked for under the groups' prefix. */
export function groupAppEmbeds(embed: Iterable<string>): ReturnType<typeof appEmbedsIn> {
  return appEmbedsIn([...embed].filter(each => each.startsWith('group.apps.')));
}
