// Keeps a small HTTP service running in Docker containers: two instances, each with a port and a health check, and a new one for each that ends. Asks
// both, kills one, asks its replacement, and ends. Where no Docker engine answers it says so, and ends with exit code 0.
//
//   node dist/examples/docker-service.js [--master http://localhost:5050]
//
// The image needs busybox's httpd: $PROFFER_EXAMPLE_IMAGE, else proffer/busybox:latest, else busybox:latest (which is pulled). Without --master it runs a
// cluster of its own for as long as it lasts.
import { parseArgs } from 'node:util';
import type { TaskId, TaskSpec, TaskStatus } from 'proffer';
import { bagOf, connect, isTerminal, LaunchQueue, portsOf, runCluster } from 'proffer';
import { distinct, filter, firstValueFrom, map, ReplaySubject, skip } from 'rxjs';

const { values } = parseArgs({ options: { master: { type: 'string' } } });
const given = process.env['PROFFER_EXAMPLE_IMAGE'] ?? '';
const images = given === '' ? ['proffer/busybox:latest', 'busybox:latest'] : [given];
const lookMs = 5000;
const limitMs = 90_000;

const cluster = values.master === undefined ? await runCluster({ agents: 2 }) : undefined;
const framework = await connect({ master: values.master ?? cluster?.url, name: 'docker-service' });
const { clock } = framework.env;
try {
  if (await someAgentHasDocker()) {
    await showService();
  } else {
    console.log('no Docker engine answers on any agent: there is nothing to show here');
    // Where an engine was promised, its absence is a failure.
    if (process.env['PROFFER_REQUIRE_DOCKER'] === '1') process.exitCode = 1;
  }
} catch (error) {
  console.log(`failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await framework.teardown();
  await cluster?.close();
}

/** Runs the service, and resolves when it has shown everything; rejects when it cannot. */
function showService(): Promise<void> {
  const urls = new Map<TaskId, string>();
  const queue = new LaunchQueue(framework.env, framework, {
    onLaunched: ({ tasks, offer }) => {
      for (const { taskId, resources } of tasks) {
        urls.set(taskId, `http://${offer.hostname}:${portsOf(bagOf(resources))[0]}/`);
      }
    },
  });
  let started = 0;
  let image = 0;
  const start = (): void => {
    started += 1;
    queue.add({ key: `web-${started}`, tasks: [web(images[image] ?? '')] });
  };

  // Each instance once, when its first health check succeeds.
  const healthy$ = new ReplaySubject<TaskId>();
  framework.updates$
    .pipe(
      filter(update => update.state === 'TASK_RUNNING' && update.healthy === true),
      map(update => update.taskId),
      distinct(),
    )
    .subscribe(healthy$);
  const instance = (index: number): Promise<TaskId> => firstValueFrom(healthy$.pipe(skip(index)));
  const ask = async (taskId: TaskId): Promise<void> => {
    const response = await fetch(urls.get(taskId) ?? '');
    console.log(`GET ${urls.get(taskId)}  ${response.status}  ${(await response.text()).trim()}`);
  };

  return new Promise((resolve, reject) => {
    const limit = clock.after(limitMs, () => reject(new Error(`not done after ${limitMs / 1000} s`)));
    // What ends is replaced, whatever the reason; only without an image there is nothing to be done.
    const keepUp = framework.updates$.subscribe(update => {
      console.log(line(update));
      if (!isTerminal(update.state)) return;
      if (update.reason === 'CONTAINER_LAUNCH_FAILED' && update.message?.includes(images[image] ?? '') === true) {
        image += 1;
        if (image === images.length) return reject(new Error(update.message));
      }
      start();
    });
    const show = async (): Promise<void> => {
      start();
      start();
      const [first, second] = await Promise.all([instance(0), instance(1)]);
      await ask(first);
      await ask(second);
      console.log(`killing ${first}`);
      framework.kill(first);
      await ask(await instance(2));
      console.log('the service was kept up');
    };
    show()
      .then(resolve, reject)
      .finally(() => {
        limit.cancel();
        keepUp.unsubscribe();
        queue.close();
      });
  });
}

/** One instance: busybox's web server on a port of the container, bound to a host port picked from the offer. */
function web(image: string): TaskSpec {
  return {
    name: 'web',
    image,
    docker: { portMappings: [{ containerPort: 8080, hostPort: 0 }] },
    command:
      'mkdir -p /tmp/www && echo "hello from $PROFFER_TASK_ID" >/tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www',
    resources: { cpus: 0.1, mem: 32 },
    ports: 1,
    healthCheck: { probe: { type: 'HTTP', port: 8080 }, delayMs: 200, intervalMs: 500, gracePeriodMs: 20_000 },
    killPolicy: { gracePeriodMs: 500 },
  };
}

/** Looks at offers; false when all agents of a cluster of our own have come by without Docker, or after five seconds. */
function someAgentHasDocker(): Promise<boolean> {
  return new Promise(resolve => {
    const without = new Set<string>();
    const timer = clock.after(lookMs, () => end(false));
    const offers = framework.offers$.subscribe(({ agentId, containerizers }) => {
      if (containerizers.includes('DOCKER')) end(true);
      else if (without.add(agentId).size === cluster?.agents.length) end(false);
    });
    function end(found: boolean): void {
      timer.cancel();
      // Offers in hand come within subscribe() already.
      clock.soon(() => offers.unsubscribe());
      resolve(found);
    }
  });
}

function line({ taskId, state, healthy, reason, message }: TaskStatus): string {
  const details = [healthy === undefined ? '' : healthy ? 'healthy' : 'unhealthy', reason ?? '', message ?? ''];
  return `${taskId}  ${[state, ...details].filter(detail => detail !== '').join('  ')}`;
}
