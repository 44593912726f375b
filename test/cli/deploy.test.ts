// `proffer marathon deploy`: files to requests, and deployments followed to their end, over HTTP in front of the production service under virtual time.
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Problem } from '../../src/base/errors.js';
import { ProfferError } from '../../src/base/errors.js';
import type { Terminal } from '../../src/cli/command.js';
import { definitionsOf, deploy, deployAll } from '../../src/cli/commands/marathon-deploy.js';
import type { Definition } from '../../src/cli/deploy/definitions.js';
import { definitionsIn, pathOf } from '../../src/cli/deploy/definitions.js';
import { MarathonClient } from '../../src/cli/deploy/marathon-client.js';
import { exitCodeOf } from '../../src/cli/failure.js';
import { Rig } from '../frameworks/marathon/api/rig.js';

/** What a person at a terminal, or a pipe, gets to see. */
class Recorded implements Terminal {
  stdout = '';
  stderr = '';
  readonly outIsTerminal = false;
  readonly columns = 0;
  readonly color = false;
  readonly #watchers = new Set<() => void>();

  constructor(readonly errIsTerminal = false) {}

  readonly out = (text: string): void => {
    this.stdout += text;
  };

  readonly err = (text: string): void => {
    this.stderr += text;
    for (const watch of this.#watchers) watch();
  };

  /** Resolves once its errors show it. */
  until(pattern: RegExp): Promise<void> {
    return new Promise(resolve => {
      const look = (): void => {
        if (!pattern.test(this.stderr)) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }
}

const never = new AbortController().signal;

interface Run {
  readonly base?: string;
  readonly json?: boolean;
  readonly wait?: boolean;
  readonly force?: boolean;
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  readonly screen?: Recorded;
}

function deploying(rig: Rig, definitions: readonly Definition[], run: Run = {}): Promise<number> {
  const { base = rig.server.url, json = false, wait = true, force = false, timeout, signal = never } = run;
  return deployAll(new MarathonClient(base, { force }), definitions, {
    flags: { json, wait, timeout },
    terminal: run.screen ?? new Recorded(),
    signal,
    pollMs: 20,
  });
}

const defined = (json: unknown): Definition[] => {
  const problems: Problem[] = [];
  const definitions = definitionsIn(json, 'web.json', problems);
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return definitions;
};

const web = { id: '/web', cmd: 'serve', cpus: 0.1, mem: 32, instances: 2 };
const nowhere = { constraints: [['rack', 'LIKE', 'nowhere']] };
const upgradeStrategy = { minimumHealthCapacity: 1, maximumOverCapacity: 1, canary: { observeSeconds: 30 } };
const careful = { ...web, upgradeStrategy };

/** Between the command and Marathon. */
interface Proxy {
  readonly url: string;
  /** Nobody answers there until `up`. */
  readonly down: () => void;
  readonly up: () => void;
}

async function proxy(t: ExecutionContext, { server }: Rig, { deaf = false } = {}): Promise<Proxy> {
  let isDown = false;
  const front = createServer((asked, answer) => {
    const { method, headers, url = '/' } = asked;
    if (isDown) return void asked.socket.destroy();
    if (deaf && url.startsWith('/v2/events')) return void answer.writeHead(502).end();
    const sent = request(`${server.url}${url}`, { method, headers }, got => {
      answer.writeHead(got.statusCode ?? 500, got.headers).flushHeaders();
      got.pipe(answer);
    });
    answer.once('close', () => sent.destroy());
    sent.on('error', () => answer.destroy());
    asked.pipe(sent);
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  t.teardown(() => {
    front.close();
    front.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    down: () => {
      isDown = true;
      front.closeAllConnections();
    },
    up: () => {
      isDown = false;
    },
  };
}

/** No events come through. */
async function deaf(t: ExecutionContext, rig: Rig): Promise<string> {
  return (await proxy(t, rig, { deaf: true })).url;
}

test('files hold apps, pods, groups and lists; everything that is wrong with them is told at once', async t => {
  const pod = { id: 'p', containers: [] };
  const shapes: readonly (readonly [unknown, readonly string[]])[] = [
    [web, ['/v2/apps/web']],
    [{ id: 'shop//web' }, ['/v2/apps/shop/web']],
    [pod, ['/v2/pods/p']],
    [{ id: '/', groups: [] }, ['/v2/groups']],
    [{ id: '/shop', apps: [] }, ['/v2/groups/shop']],
    [
      [web, { id: '/db' }, pod],
      ['/v2/apps', '/v2/pods/p'],
    ],
    [[web], ['/v2/apps/web']],
    [{ id: '/a b?' }, ['/v2/apps/a%20b%3F']],
  ];
  for (const [json, paths] of shapes) t.deepEqual(defined(json).map(pathOf), paths);
  const problems: Problem[] = [];
  t.deepEqual(definitionsIn([3, { cmd: 'x' }, { id: '' }, { id: '/../x' }], 'a.json', problems), []);
  definitionsIn([{ id: '/g', apps: [] }], 'g.json', problems);
  definitionsIn({ apps: [web] }, 'all.json', problems);
  definitionsIn({ app: web }, 'got.json', problems);
  definitionsIn([], 'none.json', problems);
  t.deepEqual(
    problems.map(({ path, message }) => `${path} ${message}`),
    [
      'a.json[0] 3 is not an app, a pod or a group',
      'a.json[1] has no id',
      'a.json[2] id is ""',
      'a.json[3] id is "/../x", and must be an absolute path',
      'g.json[0] is a group, and lists hold apps and pods',
      'all.json has no id',
      'got.json has no id',
      'none.json is a list with nothing in it',
    ],
  );
  const dir = mkdtempSync(join(tmpdir(), 'proffer-deploy-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, 'torn.json'), '{\n  "id": }');
  const stdin = (): Promise<Uint8Array> => Promise.resolve(Buffer.from('{"cmd": "x"}'));
  const files = [join(dir, 'torn.json'), join(dir, 'none.json'), '-'];
  const error = await t.throwsAsync(definitionsOf(files, stdin), { instanceOf: ProfferError });
  t.is(exitCodeOf(error), 2);
  t.is(error.problems.length, 3);
  for (const part of [/torn\.json:2:9/, /none\.json: cannot be read/, /stdin: has no id/]) t.regex(error.message, part);
  await t.throwsAsync(definitionsOf(['-', '-'], stdin), { message: /given twice/ });
});

test('an app is deployed, and what it waits for is told until it is', async t => {
  const rig = await Rig.start(t);
  const screen = new Recorded();
  const deployed = deploying(rig, defined({ ...web, ...nowhere }), { screen });
  await screen.until(/step 2 of 2, ScaleApplication \/web; waiting for \/web: 2 instances to be launched/);
  // Somewhere else it fits.
  const instead = new Recorded();
  const forced = deploying(rig, defined(web), { screen: instead, force: true });
  t.is(await deployed, 1);
  t.regex(screen.stderr, /^error: \/web: deployment \S+ took its place$/m);
  await instead.until(/step 1/);
  rig.settle();
  t.is(await forced, 0);
  t.regex(instead.stdout, /^\/web: deployed in /);
  t.is(rig.site.running('/web').length, 2);
  // The same once more is nothing to do.
  const again = new Recorded();
  t.is(await deploying(rig, defined(web), { screen: again, json: true }), 0);
  t.like(JSON.parse(again.stdout), { deployments: [{ file: 'web.json', ids: ['/web'], state: 'DEPLOYED' }] });
});

test('on a terminal progress is one line that is written over', async t => {
  const rig = await Rig.start(t);
  const screen = new Recorded(true);
  const deployed = deploying(rig, defined(web), { screen });
  await screen.until(/\/web: step/);
  rig.settle();
  t.is(await deployed, 0);
  t.true(screen.stderr.endsWith('\r\u001B[K'));
});

test('what fails by its own measure is taken back, and that is waited for', async t => {
  const rig = await Rig.start(t);
  await rig.app(careful);
  for (const base of [rig.server.url, await deaf(t, rig)]) {
    const isDeaf = base !== rig.server.url;
    const screen = new Recorded();
    const definitions = [...defined({ ...careful, cmd: 'sleep 5; exit 1' }), ...defined({ ...web, id: '/next' })];
    const deployed = deploying(rig, definitions, { screen, base });
    await screen.until(/step 1 of 1, RestartApplication/);
    t.true(rig.site.c.runUntil(() => rig.site.told.some(({ type }) => type === 'deployment_failed')));
    rig.settle();
    t.is(await deployed, 1);
    // Nobody was told, and by the time of a question it was over.
    t.regex(
      screen.stderr,
      isDeaf ? /^error: \/web: it was taken back, or/m : /^error: \/web: .*1 new instance has failed/m,
    );
    t.is(/^hint: it was taken back/m.test(screen.stderr), !isDeaf);
    t.regex(screen.stderr, /^not begun: \/next$/m);
    rig.site.told.length = 0;
  }
});

test('without events it is asked what became of a deployment', async t => {
  const rig = await Rig.start(t);
  const base = await deaf(t, rig);
  const group = { id: '/shop', apps: [{ ...web, id: '/shop/web' }] };
  const pod = {
    id: '/p',
    containers: [{ name: 'c', resources: { cpus: 0.1, mem: 32 }, exec: { command: { shell: 'serve' } } }],
  };
  for (const json of [web, [web, { ...web, id: '/two' }], group, pod]) {
    const screen = new Recorded();
    const deployed = deploying(rig, defined(json), { screen, base });
    await screen.until(/: deployment/);
    rig.settle();
    t.is(await deployed, 0, screen.stderr);
    t.regex(screen.stderr, /events cannot be heard \(Marathon answered 502/);
  }
  t.is(rig.site.running('/shop/web').length + rig.site.running('/p').length, 3);
  const screen = new Recorded();
  const taken = deploying(rig, defined({ ...web, cmd: 'serve 2', ...nowhere }), { screen, base });
  await screen.until(/waiting for/);
  await rig.put('/v2/apps/web?force=true&partialUpdate=false', { ...web, cmd: 'serve 3' });
  rig.settle();
  t.is(await taken, 1);
  t.regex(screen.stderr, /taken back, or another change took its place/);
});

test('a Marathon that is away for a while is asked again', async t => {
  const rig = await Rig.start(t);
  const { url, down, up } = await proxy(t, rig);
  const screen = new Recorded();
  const deployed = deploying(rig, defined(web), { screen, base: url });
  await screen.until(/\/web: step/);
  down();
  await screen.until(/does not answer.*; asking again$/m);
  t.regex(screen.stderr, /^Marathon's events cannot be heard/m);
  rig.settle();
  up();
  t.is(await deployed, 0);
  t.regex(screen.stdout, /^\/web: deployed in /);
});

test('who does not wait any more leaves it to go on', async t => {
  const rig = await Rig.start(t);
  const late = new Recorded();
  t.is(await deploying(rig, defined({ ...web, ...nowhere }), { screen: late, timeout: 30, json: true }), 124);
  const [told] = (JSON.parse(late.stdout) as { deployments: [{ state: string; deploymentId: string }] }).deployments;
  t.is(told.state, 'TIMED_OUT');
  t.is((await rig.get('/v2/deployments')).list[0].id, told.deploymentId);
  t.true(late.stderr.includes(`curl -X DELETE ${rig.server.url}/v2/deployments/${told.deploymentId}`));
  for (const [reason, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const controller = new AbortController();
    const screen = new Recorded();
    const left = deploying(rig, defined({ ...web, ...nowhere }), { screen, signal: controller.signal, force: true });
    await screen.until(/: deployment/);
    rig.site.c.run('1s');
    await screen.until(/waiting for/);
    controller.abort(reason);
    t.is(await left, code);
    t.regex(screen.stderr, /^\/web: not deployed yet; waiting for .*\nhint: it goes on/m);
  }
  t.is(
    (await rig.get('/v2/deployments')).list.length,
    1,
    'nothing new was to be done, and what was under way was followed',
  );
  const begun = new Recorded();
  t.is(await deploying(rig, defined({ ...web, id: '/two' }), { screen: begun, wait: false }), 0);
  t.regex(begun.stdout, /^\/two: deployment \S+ has begun$/m);
});

test('what Marathon refuses is told with every violation; what is in the way, with what to do', async t => {
  const rig = await Rig.start(t);
  const wrong = defined([
    { ...web, cpus: -1, mem: 'much' },
    { ...web, id: '/two', instances: -2 },
  ]);
  const malformed = await t.throwsAsync(deploying(rig, wrong), { instanceOf: ProfferError });
  t.is(exitCodeOf(malformed), 2);
  t.true(
    malformed.problems.every(({ path }) => path.startsWith('web.json ')),
    malformed.message,
  );
  const against = await t.throwsAsync(deploying(rig, defined({ ...web, id: '/Web', instances: -1, cpus: -1 })), {
    instanceOf: ProfferError,
  });
  t.is(against.code, 'INVALID_DEFINITION');
  t.true(against.problems.length >= 2, against.message);
  const left = deploying(rig, defined({ ...web, ...nowhere }), { wait: false });
  t.is(await left, 0);
  const locked = await t.throwsAsync(deploying(rig, defined({ ...web, mem: 64 })), { instanceOf: ProfferError });
  t.is(locked.code, 'APP_LOCKED');
  t.regex(locked.hint ?? '', /--force/);
  t.is(exitCodeOf(locked), 1);
  const nobody = await t.throwsAsync(deploying(rig, defined(web), { base: 'http://127.0.0.1:1', wait: false }), {
    instanceOf: ProfferError,
  });
  t.is(nobody.code, 'UNREACHABLE');
  t.regex(nobody.hint ?? '', /--marathon/);
});

test('a dry run says what would be done', async t => {
  const rig = await Rig.start(t);
  await rig.app({ ...web, env: { OLD: '1' } });
  const dir = mkdtempSync(join(tmpdir(), 'proffer-deploy-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'all.json');
  const flags = {
    marathon: rig.server.url,
    wait: false,
    timeout: undefined,
    force: false,
    dryRun: true,
    json: false,
    config: undefined,
  };
  const planned = async (json: unknown): Promise<string> => {
    writeFileSync(file, JSON.stringify(json));
    const screen = new Recorded();
    t.is(await deploy({ flags, args: [file], terminal: screen }), 0);
    return screen.stdout;
  };
  // What a file does not mention gets its default: here there is no environment any more.
  t.is(await planned(web), '/web:\n  step 1: RestartApplication /web\n');
  t.is(await planned({ ...web, env: { OLD: '1' } }), '/web: nothing to do\n');
  t.is(
    await planned({ id: '/shop', apps: [{ ...web, id: '/shop/web' }] }),
    '/shop:\n  step 1: StartApplication /shop/web\n  step 2: ScaleApplication /shop/web\n',
  );
  t.is((await rig.get('/v2/groups/shop')).status, 404);
});

test('an app that is scaled by itself keeps its number where a file names none', async t => {
  const rig = await Rig.start(t);
  const { instances: _, ...unnumbered } = web;
  const scaled = {
    ...unnumbered,
    autoscaling: { minInstances: 2, maxInstances: 5, target: { metric: 'cpus', value: 0.5 } },
  };
  for (const [env, instances] of [
    ['1', 2],
    ['2', 4],
  ] as const) {
    if (instances === 4) await rig.put('/v2/apps/web', { instances });
    rig.settle();
    const screen = new Recorded();
    const deployed = deploying(rig, defined({ ...scaled, env: { VERSION: env } }), { screen });
    await screen.until(/: deployment/);
    rig.settle();
    t.is(await deployed, 0);
    t.is(rig.site.running('/web').length, instances);
  }
});
