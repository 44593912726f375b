// What definitions ask for beside amounts and ports, on its way to the container: secrets, fetches, terminals, volumes, probes; and a real master takes it all.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { commandOf } from 'proffer';
import type { CommandInfo, TaskSpec } from 'proffer';
import { cluster } from 'proffer/testing';
import { VirtualClock } from '../../../../src/env/virtual-clock.js';
import { seededRandom } from '../../../../src/env/random.js';
import { matchInstance } from '../../../../frameworks/marathon/match/match.js';
import type { Fit, MatchContext, NoFit } from '../../../../frameworks/marathon/match/match.js';
import { Placements } from '../../../../frameworks/marathon/match/placements.js';
import { matchRound } from '../../../../frameworks/marathon/match/round.js';
import { Spread } from '../../../../frameworks/marathon/match/spread.js';
import type { AppDefinition } from '../../../../frameworks/marathon/model/app.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import type { SecretValues } from '../../../../frameworks/marathon/secrets/book.js';
import { SecretBook, secretKeptMs, secretRetryMs } from '../../../../frameworks/marathon/secrets/book.js';
import { secretBytesMax, secretFiles } from '../../../../frameworks/marathon/secrets/provider.js';
import { app, container, fresh, noon, open, pod } from '../machine/samples.js';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const values: SecretValues = new Map([
  ['db', bytes('pass word\n')],
  ['key', bytes('\u0000\u0001')],
]);
const secrets = { db: { source: '/team/db' }, key: { source: 'key' } };
const docker = { image: 'nginx', forcePullImage: true, privileged: true, parameters: [{ key: 'init', value: '' }] };

function context(changes: Partial<MatchContext> = {}): MatchContext {
  return { now: noon, frameworkId: 'm', random: seededRandom(2), versionText: String, ...changes };
}

function tried(spec: RunSpec, changes: Partial<MatchContext> = { secretsOf: () => values }): Fit | NoFit {
  const on = open(
    { cpus: 4, mem: 4096, disk: 100, ports: [[31000, 31010]] },
    { containerizers: ['PROCESS', 'DOCKER'] },
  );
  return matchInstance(
    on,
    fresh(spec),
    { spec, placed: Placements.of(spec, []), spread: new Spread(), agents: 1 },
    context(changes),
  );
}

function tasks(spec: RunSpec): readonly TaskSpec[] {
  const result = tried(spec);
  if (result.type === 'NO') throw new Error(result.reasons.join());
  return result.tasks;
}

function command(task: TaskSpec | undefined): CommandInfo {
  return (task === undefined ? undefined : commandOf(task)) ?? {};
}

const everything: AppDefinition = app({
  cmd: 'serve',
  secrets,
  env: { PASSWORD: { secret: 'db' }, PLAIN: 'x' },
  tty: true,
  fetch: [{ uri: 'http://files.example/a', extract: false, executable: true, cache: true, destPath: 'bin/a' }],
  container: {
    type: 'MESOS',
    docker,
    portMappings: [],
    linuxInfo: { seccomp: { unconfined: true }, ipcInfo: { mode: 'PRIVATE', shmSize: 64 } },
    volumes: [
      { kind: 'host', containerPath: '/srv', hostPath: '/srv', mode: 'RO' },
      { kind: 'secret', containerPath: '/etc/db', secret: 'db' },
      { kind: 'secret', containerPath: 'keys/key', secret: 'key' },
      {
        kind: 'external',
        containerPath: '/data',
        mode: 'RW',
        external: { provider: 'dvdi', name: 'vol', size: 5, options: { 'dvdi/driver': 'rexray', 'dvdi/iops': '10' } },
      },
    ],
  },
  healthChecks: [
    {
      protocol: 'MESOS_HTTP',
      port: 80,
      path: '/',
      ignoreHttp1xx: false,
      ipProtocol: 'IPv6',
      gracePeriodMs: 1000,
      intervalMs: 1000,
      timeoutMs: 500,
      delayMs: 0,
      maxConsecutiveFailures: 3,
    },
  ],
});

const duo = pod({
  secrets,
  env: { FROM_POD: { secret: 'db' } },
  containers: [
    container('web', {
      image: { kind: 'DOCKER', id: 'nginx', forcePull: false, labels: {} },
      exec: { command: { argv: ['/bin/serve', '--now'] }, overrideEntrypoint: true },
      tty: true,
      artifacts: [{ uri: 'http://files.example/b', extract: true, executable: false, cache: true }],
      volumeMounts: [
        { name: 'keys', mountPath: '/keys/db', readOnly: true },
        { name: 'scratch', mountPath: '/scratch', readOnly: false },
      ],
    }),
    container('side', { volumeMounts: [{ name: 'keys', mountPath: 'db', readOnly: true }] }),
  ],
  volumes: [
    { kind: 'secret', name: 'keys', secret: 'db' },
    { kind: 'ephemeral', name: 'scratch' },
  ],
});

test('an app’s task is given all that its definition says', t => {
  const [task] = tasks(everything);
  t.like(command(task).env, { PASSWORD: 'pass word', PLAIN: 'x' });
  t.deepEqual(command(task).uris, [
    { value: 'http://files.example/a', extract: false, executable: true, cache: true, outputFile: 'bin/a' },
  ]);
  t.deepEqual(command(task).files, [
    { path: '.marathon-secrets/0', base64: base64('pass word\n') },
    { path: 'keys/key', base64: base64('\u0000\u0001') },
  ]);
  t.like(task?.container, {
    type: 'DOCKER',
    tty: true,
    docker: { image: 'nginx', forcePullImage: true, privileged: true },
  });
  t.deepEqual(task?.container?.volumes, [
    { containerPath: '/srv', hostPath: '/srv', mode: 'RO' },
    { containerPath: '/etc/db', hostPath: '.marathon-secrets/0', mode: 'RO' },
    {
      containerPath: '/data',
      external: { driver: 'rexray', name: 'vol', options: { iops: '10', size: '5' } },
      mode: 'RW',
    },
  ]);
  t.deepEqual(task?.container?.docker?.parameters?.slice(0, 3), [
    { key: 'init', value: '' },
    { key: 'security-opt', value: 'seccomp=unconfined' },
    { key: 'shm-size', value: '64m' },
  ]);
  t.like(task?.healthChecks?.[0]?.probe, { type: 'HTTP', port: 80, ipProtocol: 'IPv6' });
});

test('so are the containers of a pod', t => {
  const [web, side] = tasks(duo);
  t.like(command(web), { argv: ['--now'], files: [{ path: '.marathon-secrets/0', base64: base64('pass word\n') }] });
  t.is(command(web).env?.['FROM_POD'], 'pass word');
  t.like(command(web).uris?.[0], { cache: true });
  t.like(web?.container, { tty: true, docker: { parameters: [{ key: 'entrypoint', value: '/bin/serve' }] } });
  t.deepEqual(web?.container?.volumes, [
    { containerPath: '/keys/db', hostPath: '.marathon-secrets/0', mode: 'RO' },
    { containerPath: '/scratch', mode: 'RW' },
  ]);
  t.deepEqual(command(side).files, [{ path: 'db', base64: base64('pass word\n') }]);
  t.is(side?.container, undefined);
});

test('a real master takes it, and it runs', t => {
  const resources = { cpus: 4, mem: 4096, disk: 1000, ports: [[31000, 31009]] as const };
  const c = cluster({ agents: [{ resources }], seed: 3 });
  const framework = c.connect({ name: 'marathon', roles: ['*'] });
  const problems: unknown[] = [];
  framework.problems$.subscribe(found => problems.push(found));
  framework.updates$.subscribe(() => {});
  const waiting: RunSpec[] = [everything, duo];
  framework.offers$.subscribe(offer => {
    const spec = waiting.shift();
    const fit = spec === undefined ? undefined : tried(spec);
    if (fit?.type === 'FIT') framework.accept(offer, fit.requests, { refuseMs: 0 });
    else framework.decline([offer]);
  });
  t.true(
    c.runUntil(() => c.running() === 3, '60s'),
    JSON.stringify(problems),
  );
  t.deepEqual(problems, []);
});

test('without its secrets nothing starts: it says which is missing, and comes back to the offer when one is on its way', t => {
  const why = (changes: Partial<MatchContext>): unknown => {
    const no = tried(everything, changes);
    return no.type === 'NO' ? [no.reasons, no.detail, no.soon] : no;
  };
  t.deepEqual(why({}), [['UnfulfilledConstraint'], 'nobody knows the secret db', false]);
  const soon = { why: 'the secret db is being asked for', soon: true };
  t.deepEqual(why({ secretsOf: () => soon }), [['UnfulfilledConstraint'], soon.why, true]);
  const one = { spec: everything, placed: Placements.of(everything, []), spread: new Spread(), agents: 1 };
  const round = (answer: typeof soon): boolean =>
    matchRound(
      open({ cpus: 4, mem: 4096 }, { containerizers: ['DOCKER'] }),
      [{ ...one, waiting: [fresh(everything)] }],
      { instancesMax: 5, tokens: 5 },
      context({ secretsOf: () => answer }),
    ).early;
  t.true(round(soon));
  t.false(round({ ...soon, soon: false }));
  t.is(tried(app({}), {}).type, 'FIT', 'who names none needs none');
});

test('values are asked for once and kept for a while, failures shorter, and too large ones are not given', async t => {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const answers = new Map<string, Promise<Uint8Array | undefined>>();
  let told = 0;
  const provider = {
    get: (source: string): Promise<Uint8Array | undefined> => {
      asked.push(source);
      return answers.get(source) ?? Promise.resolve(bytes(source));
    },
  };
  const book = new SecretBook(clock, provider, () => (told += 1));
  const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve));
  t.deepEqual(book.valuesOf(secrets), { why: 'the secret db is being asked for', soon: true });
  t.deepEqual(book.valuesOf(secrets), { why: 'the secret db is being asked for', soon: true });
  await settle();
  t.deepEqual(
    book.valuesOf(secrets),
    new Map([
      ['db', bytes('/team/db')],
      ['key', bytes('key')],
    ]),
  );
  t.deepEqual([asked, told], [['/team/db', 'key'], 2]);
  answers.set('key', Promise.reject(new Error('the vault is sealed')));
  clock.advance(secretKeptMs);
  book.valuesOf(secrets);
  await settle();
  t.deepEqual(book.valuesOf(secrets), { why: 'the secret key cannot be read: the vault is sealed', soon: false });
  answers.set('key', Promise.resolve(new Uint8Array(secretBytesMax + 1)));
  clock.advance(secretRetryMs);
  book.valuesOf(secrets);
  await settle();
  t.deepEqual(book.valuesOf(secrets), {
    why: 'the secret key has 65537 bytes, at most 65536 can be given to a task',
    soon: false,
  });
  t.is(asked.filter(source => source === '/team/db').length, 2);
});

test('secrets in files: below their directory and nowhere else', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'proffer-secrets-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  mkdirSync(join(dir, 'in/team'), { recursive: true });
  writeFileSync(join(dir, 'in/team/db'), 'v');
  writeFileSync(join(dir, 'outside'), 'x');
  symlinkSync('../outside', join(dir, 'in/link'));
  const files = secretFiles(join(dir, 'in'));
  const read = async (source: string): Promise<string | undefined> => {
    const value = await files.get(source);
    return value === undefined ? undefined : Buffer.from(value).toString();
  };
  t.is(await read('team/db'), 'v');
  for (const source of ['', '/etc/passwd', '../outside', 'link', 'team', 'team/none', 'team/db/x', 'a\0b']) {
    t.is(await read(source), undefined, source);
  }
  t.is(await secretFiles(join(dir, 'none')).get('x'), undefined);
});
