// Which configuration is there of what a definition is about. In: a definition. Out: a text that is another when the configuration is, but not when only the number of
// instances is.
import { ProfferError } from '../../base/errors.js';
import type { Definition } from './definitions.js';
import { pathOf } from './definitions.js';
import type { MarathonClient } from './marathon-client.js';

interface SpecView {
  readonly id: string;
  readonly version: string;
  readonly versionInfo?: { readonly lastConfigChangeAt?: string };
}

interface GroupView {
  readonly apps?: readonly SpecView[];
  readonly pods?: readonly SpecView[];
  readonly groups?: readonly GroupView[];
}

const whole = 'embed=group.groups&embed=group.apps&embed=group.pods';

/** @throws (rejects) ProfferError UNREACHABLE. */
export async function versionsOf(marathon: MarathonClient, definition: Definition): Promise<string> {
  const { kind, ids, where } = definition;
  const ask = async <T>(path: string): Promise<T | undefined> => {
    try {
      return await marathon.get<T>(path);
    } catch (error) {
      if (error instanceof ProfferError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  };
  switch (kind) {
    case 'app':
    case 'apps': {
      const apps = await Promise.all(
        ids.map(id => ask<{ app: SpecView }>(pathOf({ where, kind: 'app', ids: [id], body: {} }))),
      );
      return joined(apps.flatMap(each => each?.app ?? []));
    }
    case 'pod':
      return joined([(await ask<SpecView>(pathOf(definition))) ?? []].flat());
    case 'group':
      return joined([...specsIn((await ask<GroupView>(`${pathOf(definition)}?${whole}`)) ?? {})]);
  }
}

function joined(specs: readonly SpecView[]): string {
  const each = specs.map(({ id, version, versionInfo }) => `${id} ${versionInfo?.lastConfigChangeAt ?? version}`);
  return each.toSorted().join('\n');
}

function* specsIn({ apps = [], pods = [], groups = [] }: GroupView): Generator<SpecView, void> {
  yield* apps;
  yield* pods;
  for (const group of groups) yield* specsIn(group);
}
