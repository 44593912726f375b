// What files ask to be deployed. In: JSON as Marathon's clients write it: an app, a pod, a group, or a list of apps and pods. Out: the requests that make it so, or
// every reason why not. Pure.
import type { Problem } from '../../base/errors.js';
import { problem, shown } from '../../base/errors.js';

/** One thing to deploy, by one request. */
export interface Definition {
  /** For people: `web.json`, `web.json[2]`. */
  readonly where: string;
  readonly kind: 'app' | 'apps' | 'group' | 'pod';
  /** What it is about; several for a list of apps. */
  readonly ids: readonly string[];
  readonly body: unknown;
}

/** All that `json` asks for; what is wrong goes to `problems`. Whether definitions are valid is for Marathon to say. */
export function definitionsIn(json: unknown, where: string, problems: Problem[]): Definition[] {
  if (!Array.isArray(json)) {
    const one = definitionOf(json, where, problems);
    return one === undefined ? [] : [one];
  }
  if (json.length === 0) problems.push(problem(where, 'INVALID_DEFINITION', 'is a list with nothing in it'));
  const found = json.flatMap((each: unknown, index) => definitionOf(each, `${where}[${index}]`, problems) ?? []);
  for (const { kind, where: there } of found) {
    if (kind === 'group')
      problems.push(problem(there, 'INVALID_DEFINITION', 'is a group, and lists hold apps and pods', ownFile));
  }
  const apps = found.filter(({ kind }) => kind === 'app');
  const others = found.filter(({ kind }) => kind !== 'app');
  if (apps.length < 2) return [...apps, ...others];
  // Together they are one deployment, in the order of their dependencies.
  const list: Definition = {
    where,
    kind: 'apps',
    ids: apps.flatMap(({ ids }) => ids),
    body: apps.map(({ body }) => body),
  };
  return [list, ...others];
}

const ownFile = 'give the group a file of its own, or write its apps into one group';

function definitionOf(json: unknown, where: string, problems: Problem[]): Definition | undefined {
  const refuse = (message: string, hint?: string): undefined => {
    problems.push(problem(where, 'INVALID_DEFINITION', message, hint));
  };
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return refuse(`${shown(json)} is not an app, a pod or a group`, 'write for example {"id": "/web", "cmd": "…"}');
  }
  const members = json as { readonly [name: string]: unknown };
  const kind = kindOf(members);
  const { id } = members;
  if (typeof id !== 'string' || id.trim() === '') {
    const given = id === undefined ? 'has no id' : `id is ${shown(id)}`;
    return refuse(given, kind === 'group' ? 'write the path of the group; that of the root is "/"' : idHint(members));
  }
  // It would be read as part of another path.
  if (id.split('/').some(part => part === '.' || part === '..'))
    return refuse(`id is ${shown(id)}, and must be an absolute path`, 'write for example "/shop/web"');
  return { where, kind, ids: [absolute(id)], body: json };
}

function idHint({ app }: { readonly [name: string]: unknown }): string {
  return app === undefined
    ? 'write its path, for example "id": "/shop/web"'
    : 'is it an answer of Marathon? What is inside of "app" can be deployed';
}

function kindOf(members: { readonly [name: string]: unknown }): 'app' | 'group' | 'pod' {
  if ('containers' in members) return 'pod';
  return 'apps' in members || 'groups' in members || 'scaleBy' in members ? 'group' : 'app';
}

function absolute(id: string): string {
  return `/${id
    .split('/')
    .filter(part => part !== '')
    .join('/')}`;
}

/** Where to send it, without a query. */
export function pathOf({ kind, ids }: Definition): string {
  const [id = '/'] = ids;
  const below = id.split('/').map(encodeURIComponent).join('/');
  switch (kind) {
    case 'app':
      return `/v2/apps${below}`;
    case 'apps':
      return '/v2/apps';
    case 'group':
      return `/v2/groups${id === '/' ? '' : below}`;
    case 'pod':
      return `/v2/pods${below}`;
  }
}

/** `/web`, `/web and 3 more`. */
export function nameOf({ ids }: Definition): string {
  const [first = '/', ...rest] = ids;
  return rest.length === 0 ? first : `${first} and ${rest.length} more`;
}
