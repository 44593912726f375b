// `GET /explain`: why something waits. In: a framework, a role, a request that waits, or what somebody would like to launch. Out: reasons and what helps.
import type { MasterViews } from '../master/views.js';
import type { Route } from './route.js';
import { json } from './route.js';

/** The route; `views` is asked for at each call. */
export function explainRoute(views: () => MasterViews): Route {
  return {
    method: 'GET',
    path: '/explain',
    query: {
      framework: 'text',
      role: 'text',
      request: 'text',
      resources: 'text',
      ports: 'count',
      constraints: 'texts',
    },
    handle: ({ query }) => {
      const texts = {
        framework: query.text('framework'),
        role: query.text('role'),
        request: query.text('request'),
        resources: query.text('resources'),
      };
      const given = Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== undefined));
      const ports = query.count('ports');
      const constraints = query.texts('constraints');
      return json(
        views().explain({
          ...given,
          ...(ports === undefined ? {} : { ports }),
          ...(constraints === undefined ? {} : { constraints }),
        }),
      );
    },
  };
}
