// `npm run bench`: all benchmarks or those named, one after another. In: arguments. Out: a table or one JSON document; progress to stderr.
import { fork } from 'node:child_process';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { didYouMean } from '../../src/base/suggest.js';
import { compared } from './goals.js';
import type { BenchWord } from './one.js';
import type { BenchRow } from './row.js';

const benchmarks: { readonly [name: string]: string } = {
  allocator: 'allocation cycles by agents × frameworks, in one process without a network',
  policies: 'a cycle of each policy, against that of drf',
  transport: 'round trips and codecs against bare ws with JSON',
  decisions: 'launches per second and offers after a revive, between processes, containers that do nothing',
  containers: 'the containerizers alone, against a bare spawn loop and docker run',
  tasks: 'processes end to end, and against a bare spawn loop',
  docker: 'Docker containers against docker run; needs an engine at DOCKER_HOST',
  registry: 'durable changes of the registry, by how many wait at once; opening a large one',
  memory: 'a master with 10,000 agents and 100,000 tasks; idle processes',
  failover: 'a new master learns of 40,000 agents and 400,000 tasks',
  reregister: '1,000 and 5,000 agents come back over sockets after their master was killed',
  soak: 'a day of a cluster in virtual time: what is left in memory after each hour',
  marathon: '1,000 instances of one app and of 1,000 apps; its API and its memory with 10,000 instances',
  updates: '10,000 status updates a second and their acknowledgements, between processes',
};

/** Its 40,000 agents are in the same process. */
const nodeFlags: { readonly [name: string]: readonly string[] } = { failover: ['--max-old-space-size=8192'] };

const help = `Usage: npm run bench [-- NAME… --quick --full --json]

Runs all benchmarks, in about twenty minutes, or those named, each in a process of its own:
${Object.entries(benchmarks)
  .map(([name, what]) => `  ${name.padEnd(12)}${what}`)
  .join('\n')}

  --quick   few and small rounds, to see that it runs; the numbers mean little
  --full    all sizes that Mesos's benchmarks have, up to 50,000 agents and 6,000 frameworks: takes hours
  --json    one JSON document on stdout: { machine, results: [{ name, params, value, unit }] }
  --help    this text

A busy machine spoils the numbers. docs/benchmarks.md tells what they mean.
`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quick: { type: 'boolean' },
        full: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error), 'npm run bench -- --help');
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const known = Object.keys(benchmarks);
  const unknown = positionals.filter(name => !known.includes(name));
  if (unknown.length > 0) {
    const near = unknown.map(name => didYouMean(name, known)).find(text => text !== undefined);
    return usage(
      `no benchmark is called ${unknown.map(name => JSON.stringify(name)).join(', ')}`,
      `${near === undefined ? '' : `${near} `}There are ${known.join(', ')}`,
    );
  }
  const names = positionals.length === 0 ? known : known.filter(name => positionals.includes(name));
  const results: { readonly name: string; readonly rows: readonly BenchRow[] }[] = [];
  let failed = false;
  for (const name of names) {
    try {
      results.push({
        name,
        rows: await runOne(name, [
          ...(values.quick === true ? ['--quick'] : []),
          ...(values.full === true ? ['--full'] : []),
        ]),
      });
    } catch (error) {
      failed = true;
      process.stderr.write(`error: ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
  if (values.json === true) {
    const document = { machine: machine(), results: results.flatMap(({ rows }) => rows) };
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  } else {
    const { cpus: count, model, memoryBytes, node, os } = machine();
    process.stdout.write(`\n${count} × ${model}, ${(memoryBytes / 2 ** 30).toFixed(1)} GiB, Node ${node}, ${os}\n`);
    for (const { name, rows } of results) if (rows.length > 0) process.stdout.write(`\n${name}\n${tableOf(rows)}\n`);
  }
  return failed ? 1 : 0;
}

/** The rows of one benchmark; rejects when its process ends without them. */
function runOne(name: string, flags: readonly string[]): Promise<readonly BenchRow[]> {
  return new Promise((resolve, reject) => {
    const program = fileURLToPath(new URL('one.js', import.meta.url));
    const child = fork(program, [name, ...flags], {
      execArgv: [...process.execArgv, '--expose-gc', ...(nodeFlags[name] ?? [])],
      // What it prints is not part of the document.
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    process.stderr.write(`${name}: starts\n`);
    let rows: readonly BenchRow[] | undefined;
    child.on('message', (word: BenchWord) => {
      if (word.type === 'PROGRESS') process.stderr.write(`${name}: ${word.text}\n`);
      else ({ rows } = word);
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (rows !== undefined) resolve(rows);
      else reject(new Error(`its process ended with ${signal ?? `code ${code}`} and without results`));
    });
  });
}

function tableOf(rows: readonly BenchRow[]): string {
  const table = new Table({
    head: ['what', 'with', 'value', 'goal', 'Mesos'],
    colAligns: ['left', 'left', 'right', 'left', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    const { goal, mesos } = compared(row);
    const params = Object.entries(row.params).map(([key, value]) => `${key} ${value}`);
    table.push([row.name.replace(/^\w+\//, ''), params.join(', '), `${row.value} ${row.unit}`, goal, mesos]);
  }
  return table.toString();
}

function machine(): { cpus: number; model: string; memoryBytes: number; node: string; os: string } {
  const all = cpus();
  return {
    cpus: all.length,
    model: all[0]?.model.trim() ?? 'unknown',
    memoryBytes: totalmem(),
    node: process.versions.node,
    os: `${platform()} ${release()} ${arch()}`,
  };
}

function usage(message: string, hint: string): number {
  process.stderr.write(`error: ${message}\nhint: ${hint}\n`);
  return 2;
}
