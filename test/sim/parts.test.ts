// The parts a simulated world is made of: commands that containers understand, disks that lose what was not yet durable, processes that pause and
// die, journals that tell runs apart, networks that lose what they are told to, and checkers that count.
import test from 'ava';
import { seededRandom } from '../../src/env/random.js';
import { VirtualClock } from '../../src/env/virtual-clock.js';
import type { ContainerEvent, ContainerSpec } from '../../src/containerizer/containerizer.js';
import {
  behaviourEnv,
  behaviourOf,
  belowFloors,
  Journal,
  NodeProcess,
  runScenario,
  SimDisk,
  SimHost,
  SimNetwork,
  swarmRates,
  World,
} from '../../src/sim/index.js';
import { FloorsChecker } from '../../src/sim/checkers/floors.js';

function spec(command: string | readonly string[], env: { readonly [name: string]: string } = {}): ContainerSpec {
  return {
    containerId: 'c',
    name: 'task',
    sandbox: '/s',
    command: typeof command === 'string' ? { value: command } : { argv: command },
    env,
    cpusMilli: 100,
    labels: {},
  };
}

function process(clock: VirtualClock): NodeProcess {
  return new NodeProcess('node', 1, { clock, random: seededRandom(1), journal: new Journal() });
}

test('simulated commands do what they say, and others run until they are killed', t => {
  const table: readonly (readonly [string | readonly string[], object])[] = [
    ['true', { runMs: 0, exitCode: 0 }],
    ['false', { runMs: 0, exitCode: 1 }],
    ['sleep 1.5', { runMs: 1500, exitCode: 0 }],
    ['sleep 1; exit 7', { runMs: 1000, exitCode: 7 }],
    ['echo hello && sleep 2', { runMs: 2000, exitCode: 0 }],
    ['false; exit', { runMs: 0, exitCode: 1 }],
    ['serve --port 80', {}],
    ['sleep forever', {}],
    [['sh', '-c', 'exit 3'], { runMs: 0, exitCode: 3 }],
    [['sleep', '4'], { runMs: 4000, exitCode: 0 }],
  ];
  for (const [command, expected] of table) t.deepEqual(behaviourOf(spec(command)), expected, String(command));
});

test('the environment says more than the command, survives the way through text, and is checked', t => {
  const behaviour = {
    prepareMs: 200,
    runMs: 3000,
    exitCode: 4,
    oom: true,
    ignoresTerm: true,
    termMs: 7,
    probeExitCode: 1,
  } as const;
  t.deepEqual(behaviourOf(spec('true', behaviourEnv(behaviour))), behaviour);
  t.throws(() => behaviourOf(spec('true', { SIM_EXIT_CODE: '7x' })), {
    code: 'USAGE',
    message: '"7x" is not an exit code',
  });
  t.throws(() => behaviourOf(spec('true', { SIM_RUN: 'long' })), {
    code: 'USAGE',
    message: /"long" is not a duration/,
  });
});

test('a container is killed as its behaviour and the grace period have it', t => {
  const ends = (env: { readonly [name: string]: string }, graces: readonly number[]): string[] => {
    const clock = new VirtualClock();
    const host = new SimHost('host', clock, { started: () => {}, ended: () => {} });
    const told: string[] = [];
    const container = host.containerizer(process(clock)).launch(spec('serve', env), (event: ContainerEvent) => {
      told.push(event.type === 'EXITED' ? `EXITED ${event.exit.signal} at ${clock.now()}` : event.type);
    });
    clock.advance(1000);
    for (const grace of graces) container.kill(grace);
    clock.advance(60_000);
    return told;
  };
  t.deepEqual(ends({}, [3000]), ['STARTED', 'EXITED SIGTERM at 1000']);
  t.deepEqual(ends({ SIM_TERM: '2s' }, [3000]), ['STARTED', 'EXITED SIGTERM at 3000']);
  t.deepEqual(ends({ SIM_TERM: '5s' }, [3000]), ['STARTED', 'EXITED SIGKILL at 4000']);
  t.deepEqual(
    ends({ SIM_IGNORES_TERM: '1' }, [9000, 500, 8000]),
    ['STARTED', 'EXITED SIGKILL at 1500'],
    'a later kill may only shorten',
  );
  t.deepEqual(ends({ SIM_PREPARE: '10s' }, [3000]), ['PROGRESS', 'FAILED'], 'before it runs there is nobody to ask');
});

test('a disk keeps what was durable, and of the rest a prefix; no write is torn', t => {
  const clock = new VirtualClock();
  const survivors = new Set<number>();
  for (let seed = 0; seed < 40; seed += 1) {
    const disk = new SimDisk(seededRandom(seed));
    disk.latencyMs = [10, 10];
    const store = disk.open(process(clock).env);
    const durable: string[] = [];
    store.write([{ key: 'a/1', value: 1 }], () => durable.push('a/1'));
    clock.advance(10);
    t.deepEqual(durable, ['a/1']);
    for (const n of [2, 3]) {
      const changes = [
        { key: `a/${n}`, value: { n } },
        { key: `b/${n}`, value: { n } },
        { key: 'newest', value: n },
      ];
      store.write(changes, () => durable.push(`a/${n}`));
    }
    disk.crash();
    const next = disk.open(process(clock).env);
    const keys = next.load('a/').map(({ key }) => key);
    t.deepEqual(keys, ['a/1', 'a/2', 'a/3'].slice(0, keys.length));
    t.deepEqual(
      next.load('b/').map(({ key }) => key.replace('b', 'a')),
      keys.slice(1),
    );
    t.deepEqual(next.load('newest'), keys.length === 1 ? [] : [{ key: 'newest', value: keys.length }]);
    survivors.add(keys.length);
  }
  t.deepEqual(
    [...survivors].sort((a, b) => a - b),
    [1, 2, 3],
    'nothing, the first, or both of those under way',
  );
});

test('a failing disk says so, though what failed may be there; nothing after it is, and what it holds is nobody else’s', t => {
  const found = new Set<string>();
  for (let seed = 0; seed < 20; seed += 1) {
    const clock = new VirtualClock();
    const disk = new SimDisk(seededRandom(seed));
    const store = disk.open(process(clock).env);
    const value = { list: [1] };
    const errors: unknown[] = [];
    store.write([{ key: 'k', value }], error => errors.push(error));
    value.list.push(2);
    disk.trouble = 'EIO: i/o error, write';
    store.write(
      [
        { key: 'l', value: 0 },
        { key: 'm', value: 0 },
      ],
      error => errors.push(error?.message),
    );
    store.write([{ key: 'n', value: 0 }], error => errors.push(typeof error?.message));
    clock.advance(100);
    t.deepEqual(errors, [undefined, 'EIO: i/o error, write', 'string']);
    t.deepEqual(store.load('k'), [{ key: 'k', value: { list: [1] } }]);
    const all = store.load('').map(({ key }) => key);
    found.add(all.join(''));
  }
  t.deepEqual([...found].toSorted(), ['k', 'klm']);
});

test('of what was under way behind a write that failed a crash lets nothing through: what is on a disk has no gaps', t => {
  for (let seed = 0; seed < 20; seed += 1) {
    const clock = new VirtualClock();
    const disk = new SimDisk(seededRandom(seed));
    const store = disk.open(process(clock).env);
    disk.latencyMs = [10, 10];
    disk.trouble = 'ENOSPC: no space left on device, write';
    let failed = false;
    store.write([{ key: 'a', value: 1 }], error => (failed = error !== undefined));
    disk.latencyMs = [20, 20];
    store.write([{ key: 'b', value: 1 }], () => t.fail('nobody is there to be told'));
    clock.advance(10);
    t.true(failed);
    disk.crash();
    t.is(disk.size, 0);
  }
});

test('a full disk says so, and what has rotted is told from what was never there', t => {
  const clock = new VirtualClock();
  const disk = new SimDisk(seededRandom(1));
  t.false(disk.rot(seededRandom(2)), 'there is nothing to rot');
  const store = disk.open(process(clock).env);
  const errors: unknown[] = [];
  store.write([{ key: 'a/k', value: 1 }], error => errors.push(error));
  clock.advance(100);
  disk.trouble = 'ENOSPC: no space left on device, write';
  store.write([{ key: 'a/l', value: 2 }], error => errors.push(error?.message));
  clock.advance(100);
  t.deepEqual(errors, [undefined, 'ENOSPC: no space left on device, write']);
  t.true(disk.rot(seededRandom(2)));
  t.throws(() => store.load('a/'), { code: 'STORE_DAMAGED', message: /the record a\/k cannot be read/ });
  t.deepEqual(store.load('b/'), []);
  disk.erase();
  t.deepEqual(store.load('a/'), []);
});

test('a container outlives its agent process, and the next one hears how it ended; a power cut nobody outlives', t => {
  const clock = new VirtualClock();
  const ended: string[] = [];
  const host = new SimHost('host', clock, {
    started: () => {},
    ended: ({ spec: its }, exit) => ended.push(`${its.containerId} ${exit.signal ?? exit.exitCode}`),
  });
  const named = (containerId: string, line: string): ContainerSpec => ({ ...spec(line), containerId });
  const short = named('short', 'sleep 2; exit 7');
  const long = named('long', 'serve');
  const slow = { ...named('slow', 'serve'), env: { SIM_PREPARE: '10s' } };
  const first = process(clock);
  const before = host.containerizer(first);
  const early: string[] = [];
  for (const one of [short, long, slow]) before.launch(one, event => early.push(`${one.containerId} ${event.type}`));
  clock.advance(1000);
  t.deepEqual(early.toSorted(), ['long STARTED', 'short STARTED', 'slow PROGRESS']);
  first.kill();
  host.agentGone();
  clock.advance(5000);
  t.deepEqual(ended, ['short 7'], 'one ends while nobody looks');
  const adopted = (specs: readonly ContainerSpec[]): string[] => {
    const told: string[] = [];
    const after = host.containerizer(process(clock));
    for (const one of specs)
      after.adopt?.(one, event =>
        told.push(
          `${one.containerId} ${event.type} ${event.type === 'EXITED' ? (event.exit.exitCode ?? 'unknown') : event.type === 'STARTED' ? (event.pid ?? 'no pid') : ''}`,
        ),
      );
    t.deepEqual(told, [], 'never from within the call');
    clock.advance(10);
    return told;
  };
  const pid = 1000;
  t.deepEqual(adopted([short, long, slow]), [
    'short STARTED no pid',
    'short EXITED 7',
    `long STARTED ${pid}`,
    'slow FAILED ',
  ]);
  host.powerCut();
  t.deepEqual(ended, ['short 7', 'long SIGKILL']);
  t.deepEqual(adopted([short, long]), [
    'short STARTED no pid',
    'short EXITED 7',
    'long STARTED no pid',
    'long EXITED unknown',
  ]);
});

test('a master that slept through its lease is followed, says nothing when it wakes up, and is gone at once', t => {
  const world = new World({ seed: 5 });
  const node = world.addMaster({ leaseMs: 3000 });
  world.addAgent();
  world.run('5s');
  const former = node.process;
  former?.pause();
  t.false(node.takeOver(), 'it may still act');
  world.run('4s');
  t.true(node.takeOver());
  world.run('1s');
  t.true(node.process !== former && node.cluster !== undefined);
  t.is(node.former, former);
  node.resumeFormer();
  t.true(world.runUntil(() => node.former === undefined, '1s'));
  t.false(former?.alive);
  t.is(world.counts.stepsDown['STALE_MASTER'], 1);
  t.true(world.runUntil(() => world.agents.get('agent-1')?.agent?.registered === true, '60s'));
  world.audit();
});

test('a paused process finds everything waiting, a dead one nothing', t => {
  const clock = new VirtualClock();
  const node = process(clock);
  const seen: string[] = [];
  node.env.clock.after(10, () => seen.push('early'));
  const called = node.env.clock.after(20, () => seen.push('called off'));
  node.env.clock.after(30, () => seen.push('late'));
  node.pause();
  clock.advance(25);
  called.cancel();
  t.deepEqual(seen, []);
  node.resume();
  t.deepEqual(seen, ['early']);
  node.kill();
  clock.advance(100);
  t.deepEqual(seen, ['early']);
  node.resume();
  t.false(node.alive);
  node.wallSkewMs = 5000;
  t.is(node.env.clock.wallMs() - clock.wallMs(), 5000);
});

test('a journal tells two runs apart by their digest and keeps the newest lines', t => {
  const write = (count: number): Journal => {
    const journal = new Journal({ keepAll: true });
    for (let i = 0; i < count; i += 1) journal.write(i, 'node', `line ${i}`);
    return journal;
  };
  t.is(write(1000).digest(), write(1000).digest());
  t.not(write(1000).digest(), write(1001).digest());
  const journal = write(1000);
  const midway = journal.digest();
  journal.write(1000.12345, 'node', 'more');
  t.not(journal.digest(), midway);
  t.deepEqual(journal.tail(2), ['999 node line 999', '1000.123 node more']);
  t.is(journal.lines, 1001);
  t.is(journal.all.length, 1001);
  t.is(journal.tail(9999).length, 200);
});

test('a network loses, repeats and delays about as much as it is told to, and counts it', t => {
  const clock = new VirtualClock();
  const network = new SimNetwork(clock, seededRandom(5), { latencyMs: [1, 1] });
  const heard: unknown[] = [];
  network.local.listen('b', () => ({ onMessage: message => heard.push(message), onEnd: () => {} }));
  const link = network.local.dialer('a').dial('ws://b/', { onMessage: () => {}, onEnd: () => {} });
  clock.advance(10);
  // Else the link ends with the first.
  network.trouble = {
    dropRate: 0.2,
    duplicateRate: 0.1,
    copyMs: [0, 0],
    hidden: true,
    delayRate: 0.1,
    delayMs: [5, 10],
  };
  for (let i = 0; i < 1000; i += 1) link.send({ i });
  clock.advance(1000);
  const { messages, dropped, duplicated, delayed } = network.counts;
  t.is(messages, 1000);
  t.is(heard.length, 1000 - dropped + duplicated);
  for (const [count, about] of [
    [dropped, 200],
    [duplicated, 80],
    [delayed, 80],
  ] as const) {
    t.true(Math.abs(count - about) < 40, `${count} is about ${about}`);
  }
});

test('seeds mix faults differently, and floors name what did not happen', t => {
  const mixtures = new Set(Array.from({ length: 50 }, (_, seed) => JSON.stringify(swarmRates(seededRandom(seed)))));
  t.true(mixtures.size > 45);
  const { counts } = new FloorsChecker();
  counts.launches = 3;
  counts.faults = { drop: 1 };
  t.deepEqual(belowFloors(counts, { launches: 3, kills: 1, faults: { drop: 1, pause: 2 } }), [
    'kills: 0, at least 1 expected',
    'faults of kind pause: 0, at least 2 expected',
  ]);
});

test('a world without a master says so, and a run leaves the clock exactly where it was told to', t => {
  const world = new World({ seed: 1 });
  t.throws(() => world.master, { message: /no master yet/ });
  world.run('1m30s');
  t.is(world.nowMs, 90_000);
  t.false(world.runUntil(() => false, 10));
  t.is(world.step(), false);
});

test('log lines of nodes are part of the journal from warnings upwards', t => {
  const lines: string[] = [];
  const world = new World({ seed: 1, onJournalLine: line => lines.push(line) });
  const { log } = world.env('mine');
  log.info('not worth a line');
  log.child({ task: 'x' }).warn('worth one', { n: 1 });
  t.deepEqual(lines, ['0 mine warn: worth one {"task":"x","n":1}']);
});

test('a run reports what it came to', t => {
  const result = runScenario('calm', 2);
  t.is(result.scenario, 'calm');
  t.is(result.seed, 2);
  t.true(result.counts.launches > 0 && result.steps > 0 && result.messages > 0);
  t.regex(result.digest, /^[0-9a-f]{64}$/);
});
