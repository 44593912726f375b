// Finds the Docker engine for tests. In: DOCKER_HOST (else the default socket), PROFFER_REQUIRE_DOCKER. Out: a `test` function that runs,
// skips, or fails, and an image that is there. A missing engine is said in one line.
import { request } from 'node:http';
import type { RequestOptions } from 'node:http';
import type { ImplementationFn, TestFn } from 'ava';

/** The image every Docker test uses: busybox, made by `.ci/docker-engine` or `docker tag busybox proffer/busybox`. */
export const testImage = 'proffer/busybox:latest';

/** What looking for the engine came to; `reason` says in one line why there is none. */
export type DockerEngine =
  | { readonly available: true; readonly host: string }
  | { readonly available: false; readonly host: string; readonly reason: string };

const answerTimeoutMs = 10_000;

/**
 * `test` itself where an engine with {@link testImage} answers. Elsewhere a `test` that skips every test given to it and prints why; or, with
 * `PROFFER_REQUIRE_DOCKER=1`, one that fails each of them with that reason.
 *
 * @example `const dockerTest = await testWithDocker(test);`
 */
export async function testWithDocker<Context>(test: TestFn<Context>): Promise<DockerTest<Context>> {
  const engine = await findDockerEngine();
  if (engine.available) return (title, run) => test.serial(title, run);
  const line = `no Docker engine: ${engine.reason}`;
  if (process.env['PROFFER_REQUIRE_DOCKER'] === '1') {
    return title => test(title, t => t.fail(`${line}; PROFFER_REQUIRE_DOCKER=1 makes that a failure`));
  }
  process.stderr.write(`Docker tests are skipped: ${line}\n`);
  return (title, run) => test.skip(title, run);
}

/** Declares one Docker test; they run one after the other within a file, since container starts saturate two cores. */
export type DockerTest<Context> = (title: string, run: ImplementationFn<[], Context>) => void;

/** Asks the engine named by `env.DOCKER_HOST`, else the default socket, whether it answers and has {@link testImage}. Never rejects. */
export async function findDockerEngine(env: NodeJS.ProcessEnv = process.env): Promise<DockerEngine> {
  const given = env['DOCKER_HOST'];
  const host = given === undefined || given === '' ? 'unix:///var/run/docker.sock' : given;
  const missing = (reason: string): DockerEngine => ({ available: false, host, reason });
  const address = parseHost(host);
  if (address === undefined)
    return missing(`DOCKER_HOST is '${host}'; unix://PATH, tcp://HOST:PORT or http://HOST:PORT is understood`);
  try {
    const ping = await get(address, '/_ping');
    if (ping !== 200) return missing(`${host} answered the ping with status ${ping}`);
    const image = await get(address, `/images/${testImage}/json`);
    if (image === 404)
      return missing(`${host} answers but lacks the image ${testImage} (docker tag busybox proffer/busybox)`);
    if (image !== 200) return missing(`${host} answered for the image ${testImage} with status ${image}`);
    return { available: true, host };
  } catch (error) {
    return missing(`${host} does not answer (${error instanceof Error ? error.message : String(error)})`);
  }
}

function parseHost(host: string): RequestOptions | undefined {
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) };
  if (!URL.canParse(host)) return undefined;
  const url = new URL(host);
  if (url.protocol !== 'tcp:' && url.protocol !== 'http:') return undefined;
  return { host: url.hostname, port: url.port === '' ? 2375 : Number(url.port) };
}

/** The status code of a GET. */
function get(address: RequestOptions, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...address, path, signal: AbortSignal.timeout(answerTimeoutMs) }, response => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
      response.once('error', reject);
    });
    asked.once('error', reject);
    asked.end();
  });
}
