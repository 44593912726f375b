// The service of `proffer up --sample`: three HTTP servers that Marathon keeps up. In: where Marathon is. Out: lines of progress, and whether each server answers.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import type { Definition } from './deploy/definitions.js';
import { pathOf } from './deploy/definitions.js';
import type { DeploymentView } from './deploy/marathon-client.js';
import { MarathonClient } from './deploy/marathon-client.js';
import { counted } from './words.js';

const id = '/sample/hello';
const instances = 3;
const program = `require('http').createServer((_, answer) => {
  answer.setHeader('sample-run', process.env.SAMPLE_RUN);
  answer.end('hello from ' + process.env.PROFFER_TASK_ID + String.fromCharCode(10));
}).listen(process.env.PORT0, '127.0.0.1')`;
const patienceMs = 60_000;
const pollMs = 500;

function definitionOf(run: string): Definition {
  const body = {
    id,
    cmd: `exec ${quoted(process.execPath)} -e ${quoted(program)}`,
    cpus: 0.1,
    mem: 64,
    instances,
    env: { SAMPLE_RUN: run },
    healthChecks: [{ protocol: 'HTTP', path: '/', intervalSeconds: 1, timeoutSeconds: 1, gracePeriodSeconds: 30 }],
  };
  return { where: 'the sample', kind: 'app', ids: [id], body };
}

/** Deploys it and asks each server once. True when all answer. `say` gets lines as things happen. */
export async function runSampleService(
  base: string,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const marathon = new MarathonClient(base, { force: true });
  const run = randomUUID();
  const deploymentId = await marathon.deploy(definitionOf(run));
  const deadlineMs = performance.now() + patienceMs;
  let last: string | undefined;
  let answers = await answersOf(marathon, run, signal);
  // Not until the deployment ends: servers of a cluster that died are waited for longer than anyone looks at this.
  while (answers.length < instances && performance.now() < deadlineMs && !signal.aborted) {
    const deployments = await marathon.get<DeploymentView[]>('/v2/deployments');
    const [waits] = deployments.find(({ id: each }) => each === deploymentId)?.waitingFor ?? [];
    if (waits !== undefined && waits !== last) say(`waits: ${waits}`);
    last = waits ?? last;
    await delay(pollMs, undefined, { signal }).catch(() => {});
    answers = await answersOf(marathon, run, signal);
  }
  for (const answer of answers) say(answer);
  say(
    `${answers.length} of ${counted(instances, 'server')} of ${id} answer; Marathon keeps them up: ${base}/v2/apps${id}`,
  );
  return answers.length === instances;
}

interface AppView {
  readonly tasks: readonly { readonly host: string; readonly ports: readonly number[]; readonly state: string }[];
}

/** Of those that run and answer: where, and what. */
async function answersOf(marathon: MarathonClient, run: string, signal: AbortSignal): Promise<string[]> {
  const { app } = await marathon.get<{ readonly app: AppView }>(pathOf(definitionOf(run)));
  const running = app.tasks.filter(({ state }) => state === 'TASK_RUNNING');
  const answers = await Promise.all(
    running.map(async ({ host, ports }) => {
      const url = `http://${host}:${ports[0] ?? 0}`;
      const answer = await answerOf(url, run, signal);
      return answer === undefined ? [] : [`${url}  ${answer}`];
    }),
  );
  return answers.flat().toSorted();
}

/** What it says; undefined when it is not there, or somebody else is. */
async function answerOf(url: string, run: string, signal: AbortSignal): Promise<string | undefined> {
  const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(5000)]) }).catch(() => {});
  if (response?.ok !== true) return undefined;
  const text = (await response.text()).trim();
  return text.startsWith('hello from ') && response.headers.get('sample-run') === run ? text : undefined;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
