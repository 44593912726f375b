// The names that `import … from 'proffer'` gives, on record: adding one is a decision, removing one breaks authors. And what importing them costs.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import * as proffer from '../../src/index.js';
import { projectRoot } from '../support/root.js';

const values = [
  'Framework',
  'LaunchDelay',
  'LaunchQueue',
  'MemoryStore',
  'OfferBook',
  'ProfferError',
  'TaskTracker',
  'add',
  'asRanges',
  'backoffMs',
  'bagOf',
  'checkBindAddress',
  'checkHostAndOrigin',
  'commandOf',
  'connect',
  'connectExecutor',
  'constraintOperators',
  'constraintProblems',
  'constraintRefusal',
  'contains',
  'createVolume',
  'defaultLaunchDelay',
  'definePolicy',
  'demandDirectives',
  'describeProblem',
  'describeResources',
  'describeShortage',
  'describeVetoes',
  'destroyVolume',
  'diskKeyOf',
  'emptyBag',
  'equals',
  'errorCodes',
  'exclusive',
  'executorSettings',
  'fieldOf',
  'fluidAsset',
  'fluidCeei',
  'fluidDrf',
  'formatResources',
  'fromBag',
  'growVolume',
  'inOrder',
  'isEmpty',
  'isLoopback',
  'isTerminal',
  'jitteredMs',
  'launch',
  'launchGroup',
  'leastFree',
  'lowestPorts',
  'match',
  'mostFree',
  'needOn',
  'nonRevocable',
  'openStore',
  'ordered',
  'parseResources',
  'portsOf',
  'randomPorts',
  'reserve',
  'reserved',
  'reservedKey',
  'revocable',
  'runAgent',
  'runCluster',
  'runMaster',
  'scalarOf',
  'shared',
  'shortages',
  'shortagesFor',
  'shrinkVolume',
  'shuffled',
  'subtract',
  'sum',
  'sumTotals',
  'systemEnv',
  'take',
  'takePorts',
  'taskStates',
  'traitsOf',
  'unreserve',
  'unreserved',
  'version',
  'vetoOf',
  'volumeKey',
  'volumesOf',
];

test('the exported values are these', t => {
  t.deepEqual(Object.keys(proffer).toSorted(), values);
});

test('every exported type is named once, and none by a wildcard', t => {
  const text = readFileSync(join(projectRoot(), 'src/index.ts'), 'utf8');
  const types = [...text.matchAll(/export type \{([^}]*)\}/g)].flatMap(match => names(match[1] ?? ''));
  t.is(new Set(types).size, types.length);
  // What a signature of the surface mentions has to be importable too; these are the ones authors write down most.
  for (const name of [
    'Offer',
    'TaskInfo',
    'TaskStatus',
    'TaskState',
    'TaskSpec',
    'Resources',
    'Env',
    'QueuedLaunch',
    'ConnectionState',
    'AcceptRequest',
    'OperationStatus',
    'InverseOffer',
    'ReservationSpec',
    'VolumeSpec',
  ]) {
    t.true(types.includes(name), name);
  }
});

test('a scheduler that imports it loads no server, no container engine, no command line', t => {
  const loaded = new Set<string>();
  const seen = new Set<string>();
  const walk = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const specifier of staticImports(readFileSync(file, 'utf8'))) {
      if (specifier.startsWith('.')) walk(join(dirname(file), specifier.replace(/\.js$/, '.ts')));
      else if (!specifier.startsWith('node:'))
        loaded.add(
          specifier
            .split('/')
            .slice(0, specifier.startsWith('@') ? 2 : 1)
            .join('/'),
        );
    }
  };
  walk(join(projectRoot(), 'src/index.ts'));
  t.deepEqual([...loaded].toSorted(), ['pure-rand', 're2js', 'rxjs', 'ws']);
});

/** Imports and re-exports that remain in the compiled file. */
function staticImports(text: string): string[] {
  return [...text.matchAll(/^(?:import|export)\s+(?!type\b)(?:[^;']*?from\s+)?'([^']+)'/gm)].map(
    match => match[1] ?? '',
  );
}

function names(list: string): string[] {
  return list
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '');
}
