// What operators can set: from the flag's text to the option it sets, every wrong text with its message, and defaults that code, help and page agree on.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { defaultAgentOptions } from '../../src/agent/options.js';
import { ProfferError } from '../../src/base/errors.js';
import { parseDurationMs } from '../../src/base/units.js';
import { agentSettingsOf } from '../../src/cli/commands/agent.js';
import { agentAttributes, reservedTo } from '../../src/compose/agent-text.js';
import { masterSettingsOf } from '../../src/cli/commands/master.js';
import { agentFlags, agentSettings, masterFlags, masterSettings, upFlags } from '../../src/cli/flag-sets.js';
import { marathonFlags } from '../../src/cli/marathon-flags.js';
import type { Flags, FlagValues } from '../../src/cli/flags.js';
import { flagName, variableName, writeFlags } from '../../src/cli/flags.js';
import { settle } from '../../src/cli/settings.js';
import { masterDefaults } from '../../src/master/options.js';
import { bagOf } from '../../src/resources/index.js';
import { projectRoot } from '../support/root.js';
import { tempDir } from '../support/cli.js';
import { holds } from '../support/property.js';

const flagsOf = { up: upFlags, master: masterFlags, agent: agentFlags };

function settled<F extends Flags>(
  command: 'up' | 'master' | 'agent',
  flags: F,
  given: { readonly [key: string]: readonly string[] } = {},
  variables: { readonly [name: string]: string } = {},
  file?: string,
): FlagValues<F> {
  const sources = { given, variables, ...(file === undefined ? {} : { file }) };
  return settle(flags, sources, { command, flagsOf }) as FlagValues<F>;
}

const masterRows: readonly (readonly [key: string, text: string, expected: object])[] = [
  [
    'weights',
    'ads=2, batch=.5,a/b=1,*=3',
    {
      allocator: {
        weights: new Map([
          ['ads', 2],
          ['batch', 0.5],
          ['a/b', 1],
          ['*', 3],
        ]),
      },
    },
  ],
  ['offerTimeout', '1h30m', { master: { offerTimeoutMs: 5_400_000 } }],
  ['allocationInterval', '250ms', { allocator: { allocationIntervalMs: 250 } }],
  ['recoveryInterval', '0', { allocator: { recoveryIntervalMs: 0 } }],
  [
    'minAllocatableResources',
    'cpus:0.5;mem:64|gpus:1',
    { allocator: { minAllocatable: [bagOf({ cpus: 0.5, mem: 64 }), bagOf({ gpus: 1 })] } },
  ],
  ['minAllocatableResources', 'none', { allocator: { minAllocatable: [] } }],
  ['fairSharingExcluded', 'gpus,disk', { allocator: { fairSharingExcluded: ['gpus', 'disk'] } }],
  ['filterGpuResources', 'false', { allocator: { filterGpus: false } }],
  ['agentPingTimeout', '2', { master: { agentPingTimeoutMs: 2000 } }],
  ['maxAgentPingTimeouts', '3', { master: { agentPingMissesMax: 3 } }],
  ['agentReregisterTimeout', '1d', { master: { agentReregisterTimeoutMs: 86_400_000 } }],
  ['agentRemovalRateLimit', '2/20m', { master: { agentRemovalRateLimit: { count: 2, perMs: 1_200_000 } } }],
  ['safeModeShare', '5%', { master: { safeModeShare: 0.05 } }],
  ['heartbeatInterval', '1s', { master: { heartbeatIntervalMs: 1000 } }],
  ['maxCompletedFrameworks', '0', { master: { completedFrameworksMax: 0 } }],
  ['maxCompletedTasksPerFramework', '7', { master: { completedTasksMax: 7 } }],
  ['maxUnreachableTasksPerFramework', '8', { master: { unreachableTasksMax: 8 } }],
  ['hostname', 'box', { hostname: 'box' }],
];
const agentRows: typeof masterRows = [
  ['killGrace', '10s', { agent: { killGraceMs: 10_000 } }],
  ['cgroups', 'off', { cgroups: 'off' }],
  ['cpuHardLimit', 'true', { agent: { cpuHardLimit: true } }],
  ['dockerPrivileged', 'true', { docker: { allowPrivileged: true } }],
  ['dockerHostPaths', '/etc/ssl,/srv', { docker: { allowedHostPaths: ['/etc/ssl', '/srv'] } }],
  ['gcDelay', '1w', { agent: { gcDelayMs: 604_800_000 } }],
  ['executorRegistrationTimeout', '90s', { agent: { executorRegistrationMs: 90_000 } }],
  ['executorReregistrationTimeout', '2s', { agent: { executorReregistrationMs: 2000 } }],
  ['executorShutdownGrace', '0', { agent: { executorShutdownGraceMs: 0 } }],
  ['recover', 'cleanup', { agent: { recover: 'cleanup' } }],
  ['recoveryTimeout', '1h', { agent: { recoveryTimeoutMs: 3_600_000 } }],
  ['strict', 'false', { agent: { strictRecovery: false } }],
  ['reconfigurationPolicy', 'additive', { agent: { reconfigurationPolicy: 'additive' } }],
  ['maxCompletedTasks', '5', { agent: { completedTasksMax: 5 } }],
  ['resources', 'cpus:2;mem:64', { resources: { cpus: 2, mem: 64 } }],
  ['defaultRole', 'ads/video', { defaultRole: 'ads/video' }],
  ['resourceEstimator', 'fixed:cpus=4', { resourceEstimator: 'fixed:cpus=4' }],
  ['oversubscribedResourcesInterval', '1m', { agent: { oversubscribedResourcesIntervalMs: 60_000 } }],
  ['qosController', 'load:5min=8', { qosController: 'load:5min=8' }],
  ['qosCorrectionInterval', '30s', { agent: { qosCorrectionIntervalMs: 30_000 } }],
];

test('every setting reaches its option, from the command line, a variable and the file alike', t => {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  const file = join(dir.path, 'proffer.json');
  for (const [command, rows] of [
    ['master', masterRows],
    ['agent', agentRows],
  ] as const) {
    for (const [key, text, expected] of rows) {
      const optionsOf = (...sources: readonly [given?: object, variables?: object, file?: string]): object => {
        const [given = {}, variables = {}, path] = sources as [
          { [key: string]: string[] }?,
          { [name: string]: string }?,
          string?,
        ];
        return command === 'master'
          ? masterSettingsOf(settled('master', masterFlags, given, variables, path))
          : agentSettingsOf(settled('agent', agentFlags, given, variables, path));
      };
      const nothing = optionsOf();
      t.deepEqual(optionsOf({ [key]: [text] }), { ...nothing, ...expected }, key);
      t.deepEqual(optionsOf({}, { [variableName(key)]: text }), { ...nothing, ...expected }, key);
      writeFileSync(file, JSON.stringify({ [command]: { [key]: text } }));
      t.deepEqual(optionsOf({}, {}, file), { ...nothing, ...expected }, key);
    }
  }
  const domain = { region: ['eu'], zone: ['eu-1'] };
  t.like(masterSettingsOf(settled('master', masterFlags, domain)), { domain: { region: 'eu', zone: 'eu-1' } });
  t.like(agentSettingsOf(settled('agent', agentFlags, domain)), { domain: { region: 'eu', zone: 'eu-1' } });
});

test('of an agent: whom resources and attributes belong to, and what it lends, are read as they were meant', t => {
  const resourcesOf = (resources: string, defaultRole?: string): object | undefined =>
    agentSettingsOf(
      settled('agent', agentFlags, {
        resources: [resources],
        ...(defaultRole === undefined ? {} : { defaultRole: [defaultRole] }),
      }),
    ).resources;
  t.deepEqual(resourcesOf('cpus:4; cpus(ads):2'), { cpus: 4, 'cpus(ads)': 2 });
  t.deepEqual(resourcesOf('cpus:4;mem(ops):512;ports:[1-2];gpus(*):1', 'ads/video'), {
    'cpus(ads/video)': 4,
    'mem(ops)': 512,
    'ports(ads/video)': [[1, 2]],
    gpus: 1,
  });
  t.deepEqual(resourcesOf('cpus:4', '*'), { cpus: 4 });
  t.deepEqual(reservedTo({ cpus: 4, 'mem(ops)': 1 }, 'ads'), { 'cpus(ads)': 4, 'mem(ops)': 1 });
  const wrong: readonly (readonly [resources: string, role: string, message: RegExp])[] = [
    ['cpus(ads,dynamic):1', '*', /cpus\(ads,dynamic\) is a dynamic reservation, which an agent cannot be started with/],
    ['disk(ads,dynamic)[v:data]:1;cpus{revocable}:1', '*', /is revocable.*; .*dynamic reservation/],
    ['cpus:1;cpus(ads):2', 'ads', /cpus\(ads\) is given twice/],
    ['cpus(a b):2', '*', /white space/],
    ['cpus:-1;mem', '*', /"mem" has no colon.*; .*-1 is negative/],
  ];
  for (const [resources, role, message] of wrong) {
    const error = t.throws(() => resourcesOf(resources, role), { instanceOf: ProfferError });
    t.is(error?.code, 'USAGE');
    t.regex(error?.message ?? '', message);
    t.truthy(error?.hint);
  }
  t.deepEqual(agentAttributes(['rack=a', 'level=3'], 'zones:{b,a}; ports:[1-3,7-7];os:linux:5;weight:1.5'), {
    rack: 'a',
    level: 3,
    zones: ['a', 'b'],
    ports: [
      [1, 3],
      [7, 7],
    ],
    os: 'linux:5',
    weight: 1.5,
  });
  t.throws(() => agentAttributes(['rack=a'], 'rack:b'), { message: /"rack" is given twice/ });
  t.throws(() => agentAttributes([], 'rack'), { message: /"rack" is not NAME:VALUE/ });
  t.throws(() => agentAttributes([], 'ports:[3-1]'), { message: /3.*1.* begins after its end/ });
});

test('an estimator or controller that makes no sense is refused with what there is', t => {
  const rows: readonly (readonly ['resourceEstimator' | 'qosController' | 'defaultRole', string, RegExp])[] = [
    ['resourceEstimator', 'magic', /names no estimator; there are none, fixed and usage/],
    ['resourceEstimator', 'fixed', /names nothing to lend/],
    ['resourceEstimator', 'fixed:cpus', /"cpus" is not NAME=VALUE/],
    ['resourceEstimator', 'fixed:cpus=-1', /-1 is negative/],
    ['resourceEstimator', 'fixed:cpus=1,cpus=2', /cpus is given twice/],
    ['resourceEstimator', 'fixed:cpus(ads)=1', /cpus\(ads\) cannot be lent/],
    ['resourceEstimator', 'usage:margin=2', /margin "2" is not a number from 0 to 1/],
    ['resourceEstimator', 'usage:window=2', /"window" is unknown; there are margin/],
    ['qosController', 'load', /names no threshold/],
    ['qosController', 'load:2min=3', /"2min" is unknown; there are 1min, 5min, 15min/],
    ['qosController', 'load:5min=much', /"much" is not a load/],
    ['qosController', 'none:5min=1', /nothing is set here/],
    ['defaultRole', 'a//b', /"a\/\/b" is not a role/],
  ];
  for (const [key, text, message] of rows) {
    const error = t.throws(() => settled('agent', agentFlags, { [key]: [text] }), { instanceOf: ProfferError });
    t.is(error?.problems[0]?.path, flagName(key), text);
    t.regex(error?.problems[0]?.message ?? '', message, text);
    t.truthy(error?.problems[0]?.hint, text);
  }
  for (const fine of ['none', 'usage', 'usage:margin=0', 'usage:margin=.25', 'fixed:cpus=4,mem=1024', 'fixed:x=1'])
    t.is(settled('agent', agentFlags, { resourceEstimator: [fine] }).resourceEstimator, fine);
});

test('a list is one text with commas, a flag repeated, or a list of the file', t => {
  const dir = tempDir();
  t.teardown(() => dir.remove());
  const file = join(dir.path, 'proffer.json');
  writeFileSync(file, '{ "weights": ["ads=2", "batch=0.5"] }');
  const expected = new Map([
    ['ads', 2],
    ['batch', 0.5],
  ]);
  t.deepEqual(settled('master', masterFlags, { weights: ['ads=2', 'batch=0.5'] }).weights, expected);
  t.deepEqual(settled('master', masterFlags, { weights: ['ads=2,batch=0.5'] }).weights, expected);
  t.deepEqual(settled('up', upFlags, {}, {}, file).weights, expected);
});

test('a wrong setting has one clear message with its place, what is allowed and how to write it', t => {
  const rows: readonly (readonly [key: string, text: string, message: RegExp, hint: RegExp])[] = [
    ['weights', 'ads', /^"ads" is not ROLE=WEIGHT$/, /ads=2,batch=0\.5/],
    ['weights', 'ads=two', /^"ads=two": the weight of ads must be a number from/, /ads=2/],
    ['weights', 'ads=0', /the weight of ads must be a number from 0\.000001 to 1000000$/, /ads=2/],
    ['weights', 'ads=-1', /the weight of ads must be a number from/, /ads=2/],
    ['weights', 'ads=1e9', /the weight of ads must be a number from/, /ads=2/],
    ['weights', 'a b=1', /"a b" is not a role: it must not contain white space/, /ads=2/],
    ['weights', '=1', /is not a role: it must not be empty/, /ads=2/],
    ['weights', 'ads=1,ads=2', /^the role "ads" has a weight twice$/, /once/],
    ['weights', 'ads=1,', /^is empty$/, /^$/],
    ['allocationInterval', 'soon', /^"soon" is not a duration$/, /500ms/],
    ['allocationInterval', '0', /^"0" is too short$/, /^from 1ms to 1h is allowed$/],
    ['heartbeatInterval', '2h', /^"2h" is too long$/, /to 1h is allowed$/],
    ['agentPingTimeout', '1h', /too long/, /^from 100ms to 15m is allowed$/],
    ['maxAgentPingTimeouts', '0', /^"0" is not a whole number from 1 to 10000$/, /^$/],
    ['minAllocatableResources', 'cpus', /^"cpus" has no colon$/, /cpus:2/],
    ['minAllocatableResources', 'cpus:1||mem:1', /^"" asks for nothing$/, /cpus:0\.01\|mem:32/],
    ['minAllocatableResources', 'ports:[1-2]', /^ports is not an amount that counts here/, /cpus/],
    ['minAllocatableResources', 'cpus(ads):1', /^cpus\(ads\) is not an amount that counts here/, /cpus/],
    ['fairSharingExcluded', 'gpus,a:b', /^"a:b" is not the name of a resource$/, /gpus/],
    ['filterGpuResources', 'maybe', /^"maybe" is neither true nor false$/, /^$/],
    ['region', 'eu', /^is given without --zone$/, /both, or neither/],
    ['zone', 'eu', /^is given without --region$/, /both, or neither/],
  ];
  for (const [key, text, message, hint] of rows) {
    for (const [given, variables, path] of [
      [{ [key]: [text] }, {}, flagName(key)],
      [{}, { [variableName(key)]: text }, variableName(key)],
    ] as const) {
      const error = t.throws(() => settled('master', masterFlags, given, variables), { instanceOf: ProfferError });
      t.is(error?.code, 'USAGE', path);
      t.is(error?.problems.length, 1, `${path} ${text}`);
      t.is(error?.problems[0]?.path, path);
      t.regex(error?.problems[0]?.message ?? '', message);
      t.regex(error?.problems[0]?.hint ?? '', hint, `${path} ${text}`);
    }
  }
  const many = t.throws(() => settled('master', masterFlags, { weights: ['a=x,b=y'], port: ['z'], region: ['eu'] }), {
    instanceOf: ProfferError,
  });
  t.deepEqual(many?.problems.map(({ path }) => path).toSorted(), ['--port', '--region', '--weights', '--weights']);
});

test('up hands settings on as they were meant, and what was not said not at all', t => {
  t.deepEqual(writeFlags({ ...masterSettings, ...agentSettings }, settled('up', upFlags)), []);
  const given = { weights: ['ads=2,b=0.000001'], offerTimeout: ['1.5s'], cgroups: ['off'], cpuHardLimit: ['false'] };
  t.deepEqual(writeFlags({ ...masterSettings, ...agentSettings }, settled('up', upFlags, given)), [
    '--weights',
    'ads=2,b=0.000001',
    '--offer-timeout',
    '1500ms',
    '--cgroups',
    'off',
    '--no-cpu-hard-limit',
  ]);
  const weight = fc.double({ min: 0.000_001, max: 1_000_000, noNaN: true }).map(value => Number(value.toFixed(6)));
  holds(
    t,
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,5}(\/[a-z=]{1,3})?$/), weight, { minKeys: 1 }), weights => {
      const meant = new Map(Object.entries(weights));
      const [, text = ''] = writeFlags(masterSettings, { ...settled('up', upFlags), weights: meant });
      t.deepEqual(settled('master', masterFlags, { weights: [text] }).weights, meant);
    }),
  );
});

/** `flag → default` of the tables of a section of docs/operating.md; flags of one row share it. */
function documented(heading: string): Map<string, string> {
  const page = readFileSync(join(projectRoot(), 'docs', 'operating.md'), 'utf8');
  const section = page.split(/^### /m).find(part => part.startsWith(heading)) ?? '';
  return new Map(
    [...section.matchAll(/^\| (`--.*?) \| (.*?) \| /gm)].flatMap(([, flags = '', value = '']) =>
      [...flags.matchAll(/`--([a-z-]+)`/g)].map(
        ([, name = '']) => [`--${name}`, value.replaceAll('\\|', '|')] as const,
      ),
    ),
  );
}

test('defaults are the same in code, help and docs/operating.md, which has every setting', t => {
  const inCode: { readonly [key: string]: unknown } = {
    offerTimeout: masterDefaults.offerTimeoutMs,
    agentPingTimeout: masterDefaults.agentPingTimeoutMs,
    maxAgentPingTimeouts: masterDefaults.agentPingMissesMax,
    agentReregisterTimeout: masterDefaults.agentReregisterTimeoutMs,
    heartbeatInterval: masterDefaults.heartbeatIntervalMs,
    maxCompletedFrameworks: masterDefaults.completedFrameworksMax,
    maxCompletedTasksPerFramework: masterDefaults.completedTasksMax,
    maxUnreachableTasksPerFramework: masterDefaults.unreachableTasksMax,
    killGrace: defaultAgentOptions.killGraceMs,
    gcDelay: defaultAgentOptions.gcDelayMs,
    executorRegistrationTimeout: defaultAgentOptions.executorRegistrationMs,
    executorReregistrationTimeout: defaultAgentOptions.executorReregistrationMs,
    executorShutdownGrace: defaultAgentOptions.executorShutdownGraceMs,
    recoveryTimeout: defaultAgentOptions.recoveryTimeoutMs,
    maxCompletedTasks: defaultAgentOptions.completedTasksMax,
    oversubscribedResourcesInterval: defaultAgentOptions.oversubscribedResourcesIntervalMs,
    qosCorrectionInterval: defaultAgentOptions.qosCorrectionIntervalMs,
  };
  const elsewhere = ['host', 'port', 'hostname', 'master', 'resources', 'attribute', 'containerizer', 'workDir'];
  const logs = ['logLevel', 'logFormat', 'config'];
  for (const [heading, flags] of [
    ['Of the master', masterFlags],
    ['Of an agent', agentFlags],
    ['Of Marathon', marathonFlags],
  ] as const) {
    const rows = documented(heading);
    // What is hidden is not for operators.
    const shown = Object.keys(flags).filter(key => (flags as Flags)[key]?.hidden !== true);
    const keys = shown.filter(key => ![...elsewhere, ...logs].includes(key));
    t.deepEqual([...rows.keys()].toSorted(), keys.map(flagName).toSorted(), heading);
    for (const [key, { help }] of Object.entries<{ readonly help: string }>(flags)) {
      const [, said] = /; default (\S+)$/.exec(help) ?? [];
      if (said === undefined || !keys.includes(key)) continue;
      t.is(rows.get(flagName(key))?.split(' ')[0], said, key);
      if (key in inCode)
        t.is(
          typeof inCode[key] === 'number' && /\D$/.test(said) ? parseDurationMs(said) : Number(said),
          inCode[key] as number,
          key,
        );
    }
    for (const key of keys.filter(name => name in inCode))
      t.regex((flags as Flags)[key]?.help ?? '', /; default \S+$/, `${key} says its default`);
  }
});
