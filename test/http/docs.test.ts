// docs/operating.md and the routes in code say the same.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import type { AgentSource } from '../../src/http/agent-routes.js';
import { agentRoutes } from '../../src/http/agent-routes.js';
import { EventFeeds } from '../../src/http/feed.js';
import type { MasterSource } from '../../src/http/master-routes.js';
import { masterRoutes } from '../../src/http/master-routes.js';
import { PrometheusMetrics } from '../../src/http/metrics-page.js';
import type { Route } from '../../src/http/route.js';

const page = readFileSync(findPage(import.meta.dirname), 'utf8');

/** The tests run from a compiled copy: the page is in the first folder above that has it. */
function findPage(folder: string): string {
  const page = join(folder, 'docs', 'operating.md');
  if (existsSync(page)) return page;
  return dirname(folder) === folder ? join(process.cwd(), 'docs', 'operating.md') : findPage(dirname(folder));
}

/** `GET /tasks: framework agent …` for each row of the section's table. */
function documented(heading: string): string[] {
  const section = page.split(/^## /m).find(part => part.startsWith(heading)) ?? '';
  return [...section.matchAll(/^\| `((?:GET|POST) [^`]+)` \| ([^|]*)\|/gm)].map(
    ([, route = '', filters = '']) => `${route}: ${filters.replaceAll('`', '').trim()}`,
  );
}

function inCode(routes: readonly Route[]): string[] {
  return routes.map(({ method, path, query = {} }) => `${method} ${path}: ${Object.keys(query).join(' ')}`);
}

function sorted(rows: readonly string[]): string[] {
  return rows
    .map(row => {
      const at = row.lastIndexOf(': ') + 2;
      return row.slice(0, at) + row.slice(at).split(' ').toSorted().join(' ');
    })
    .toSorted();
}

test('every route and filter is on the page, and nothing else', t => {
  const metrics = new PrometheusMetrics();
  const clock = new VirtualClock();
  const feeds = new EventFeeds(clock, () => () => {});
  t.deepEqual(
    sorted(documented('The master over HTTP')),
    sorted(inCode(masterRoutes({} as MasterSource, feeds, metrics))),
  );
  t.deepEqual(sorted(documented('An agent over HTTP')), sorted(inCode(agentRoutes({} as AgentSource, clock, metrics))));
});
