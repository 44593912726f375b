// Brings URIs into the sandbox before the task starts. In: http, https and file URIs. Out: files (and what archives hold) under their final names, owned by
// the task's user; or one sentence that says which URI failed and why.
import { spawn } from 'node:child_process';
import { constants, createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { chmod, chown, open, rename, rm, stat } from 'node:fs/promises';
import { IncomingMessage } from 'node:http';
import { basename, isAbsolute, join } from 'node:path';
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { reasonOf, shown } from '../base/errors.js';
import { formatBytes } from '../base/units.js';
import type { Clock } from '../env/clock.js';
import type { FetchUri } from '../protocol/entities.js';
import { archiveKind, extractArchive } from './archive.js';
import { download } from './download.js';
import type { FetchCache } from './fetch-cache.js';
import { isReservedName, makeParents, makeSandbox } from './sandbox.js';
import type { UserIds } from './users.js';

/** Bounds of one fetch. */
export interface FetchLimits {
  /** Largest file. Default 2 GiB. */
  readonly fileBytesMax?: number;
  /** Longest time of one URI. Default 30 minutes. */
  readonly totalMs?: number;
  /** Longest silence of a server. Default 1 minute, as in Mesos. */
  readonly stallMs?: number;
  /** Largest sum of what an archive expands to. Default 10 GiB. */
  readonly expandedBytesMax?: number;
  /** Largest expansion of an archive, as a multiple of its size. Default 100. */
  readonly expansionMax?: number;
  /** Where files to be cached are kept. Default: nowhere, so that each is fetched anew. */
  readonly cache?: FetchCache;
  /** Addresses never to be fetched from. Default: link-local ones, where clouds keep credentials. */
  readonly refuseAddress?: (ip: string) => boolean;
}

/** What to fetch, for whom. */
export interface FetchJob {
  readonly uris: readonly FetchUri[];
  readonly sandbox: string;
  /** Owns what is fetched. */
  readonly user: UserIds | undefined;
  /** Opens files of this machine. Default: `user`. */
  readonly reader?: UserIds | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (message: string, fraction: number | undefined) => void;
}

/** A URI that could not be fetched; `message` names it. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
}

/**
 * Fetches all URIs, one after the other.
 * @throws FetchError at the first that fails; what was fetched stays in the sandbox for people to see.
 */
export async function fetchAll(clock: Clock, job: FetchJob, limits: FetchLimits = {}): Promise<void> {
  makeSandbox(job.sandbox, job.user);
  for (const [index, uri] of job.uris.entries()) {
    try {
      await fetchOne(clock, job, uri, index, limits);
    } catch (error) {
      // What lies in the sandbox is named as the task sees it.
      const reason = job.signal.aborted ? 'it was called off' : reasonOf(error).replaceAll(join(job.sandbox, '/'), '');
      throw new FetchError(`cannot fetch ${shown(withoutSecrets(uri.value))}: ${reason}`, { cause: error });
    }
  }
}

async function fetchOne(clock: Clock, job: FetchJob, uri: FetchUri, index: number, limits: FetchLimits): Promise<void> {
  const source = parseSource(uri.value);
  const name = outputName(uri, source);
  const target = join(job.sandbox, name);
  const partial = join(job.sandbox, `.proffer-fetch-${index}`);
  const abort = new AbortController();
  const stop = (): void => abort.abort(new Error('it was called off'));
  job.signal.addEventListener('abort', stop, { once: true });
  if (job.signal.aborted) stop();
  const totalMs = limits.totalMs ?? 30 * 60_000;
  const timer = clock.after(totalMs, () => abort.abort(new Error(`it took longer than ${totalMs / 1000} s`)));
  try {
    const bring = (path: string): Promise<void> => receive(clock, job, { source, name, path }, limits, abort.signal);
    if (uri.cache === true && limits.cache !== undefined) {
      // What one user may read another may not.
      const kept = await limits.cache.open(`${(job.reader ?? job.user)?.uid ?? ''} ${uri.value}`, bring, abort.signal);
      await pipeline(kept.createReadStream(), (await create(partial)).createWriteStream(), { signal: abort.signal });
    } else await bring(partial);
    if (job.user !== undefined) await chown(partial, job.user.uid, job.user.gid);
    if (uri.executable === true) await chmod(partial, 0o755);
    await makeParents(job.sandbox, name, job.user);
    await rename(partial, target).catch((error: unknown) => {
      throw hasCode(error, 'EISDIR') ? new Error(`${shown(name)} is a directory in the sandbox`) : error;
    });
    const kind = uri.executable === true || uri.extract === false ? undefined : archiveKind(name);
    if (kind !== undefined) {
      job.onProgress(`unpacking ${name}`, undefined);
      await extractArchive(kind, target, job.sandbox, {
        owner: job.user,
        bytesMax: limits.expandedBytesMax ?? 10 * 1024 ** 3,
        expansionMax: limits.expansionMax ?? 100,
        signal: abort.signal,
      });
    }
  } catch (error) {
    // The reason of the abort says more than "aborted".
    throw abort.signal.aborted && abort.signal.reason instanceof Error ? abort.signal.reason : error;
  } finally {
    timer.cancel();
    job.signal.removeEventListener('abort', stop);
    await rm(partial, { force: true });
  }
}

/** From where it is to a new file at `path`. */
async function receive(
  clock: Clock,
  job: FetchJob,
  { source, name, path }: { readonly source: URL | string; readonly name: string; readonly path: string },
  limits: FetchLimits,
  signal: AbortSignal,
): Promise<void> {
  const maxBytes = limits.fileBytesMax ?? 2 * 1024 ** 3;
  const { stream, bytes } =
    source instanceof URL
      ? await download(clock, source, {
          signal,
          stallMs: limits.stallMs ?? 60_000,
          refuseAddress: limits.refuseAddress ?? isLinkLocal,
        })
      : await openFile(source, job.reader ?? job.user, signal);
  if (bytes !== undefined && bytes > maxBytes) {
    stream.destroy();
    throw new Error(tooLarge(maxBytes));
  }
  let received = 0;
  const counted = counter(maxBytes, done => {
    received = done;
    job.onProgress(
      `fetching ${name}, ${formatBytes(done)}`,
      bytes === undefined || bytes === 0 ? undefined : Math.min(1, done / bytes),
    );
  });
  const file = await create(path);
  try {
    await pipeline(stream, counted, file.createWriteStream(), { signal });
  } catch (error) {
    if (!(stream instanceof IncomingMessage) || !isCutOff(error)) throw error;
    const size = bytes === undefined ? '' : ` of ${bytes}`;
    throw new Error(`the download ended early, at byte ${received}${size}`, { cause: error });
  }
}

function create(path: string): Promise<FileHandle> {
  return open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o644);
}

/** A URL to download, or the path of a file. */
function parseSource(value: string): URL | string {
  if (value.startsWith('/')) return value;
  if (!URL.canParse(value)) throw new Error('it is neither a URL nor an absolute path');
  const url = new URL(value);
  if (url.protocol === 'file:') return fileURLToPath(url);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Error(`the scheme ${shown(url.protocol)} is not one of http:, https:, file:`);
  return url;
}

function outputName(uri: FetchUri, source: URL | string): string {
  const name = uri.outputFile ?? basename(source instanceof URL ? decodeURIComponent(source.pathname) : source);
  if (name === '' || name === '.' || name.endsWith('/')) throw new Error('it names no file; say outputFile');
  if (isAbsolute(name) || name.split('/').includes('..') || name.includes('\0')) {
    throw new Error(`the output file ${shown(name)} must be a path inside the sandbox`);
  }
  if (isReservedName(name)) throw new Error(`the output file ${shown(name)} is a name of the agent's own`);
  return name;
}

// Read by somebody with the task's rights: the agent's must not open files for it.
async function openFile(
  path: string,
  user: UserIds | undefined,
  signal: AbortSignal,
): Promise<{ stream: Readable; bytes: number | undefined }> {
  const found = await stat(path);
  if (!found.isFile()) throw new Error('it is not a regular file');
  if (user === undefined) return { stream: keepingError(createReadStream(path, { signal })), bytes: found.size };
  const child = spawn('/bin/cat', ['--', path], { ...user, stdio: ['ignore', 'pipe', 'pipe'], signal, env: {} });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(0, 500);
  });
  const { stdout } = child;
  // End of output and exit are apart; the stream must fail when cat did, and say what it said until its end.
  let over: { readonly code: number | null } | undefined;
  child.once('close', code => {
    over = { code };
  });
  const checked = keepingError(
    new Transform({
      transform: (chunk, _encoding, done) => done(null, chunk),
      flush: done => {
        if (over !== undefined) finish(over.code);
        else child.once('close', finish);
        function finish(code: number | null): void {
          done(code === 0 ? null : new Error(said.trim() || 'it cannot be read by the user of the task'));
        }
      },
    }),
  );
  child.once('error', error => checked.destroy(error));
  stdout.once('error', error => checked.destroy(error));
  return { stream: stdout.pipe(checked), bytes: found.size };
}

// It may fail before anyone reads it: whoever does then is told by `pipeline`, as the stream keeps its error.
function keepingError<Stream extends Readable>(stream: Stream): Stream {
  return stream.on('error', () => {});
}

function counter(maxBytes: number, onBytes: (done: number) => void): Transform {
  let done = 0;
  return new Transform({
    transform: (chunk: Buffer, _encoding, next) => {
      done += chunk.length;
      if (done > maxBytes) {
        next(new Error(tooLarge(maxBytes)));
        return;
      }
      onBytes(done);
      next(null, chunk);
    },
  });
}

/** A connection that was closed before the end of the answer: node says "aborted". */
function isCutOff(error: unknown): boolean {
  return hasCode(error, 'ECONNRESET') || hasCode(error, 'ERR_STREAM_PREMATURE_CLOSE');
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function tooLarge(maxBytes: number): string {
  return `it is larger than ${formatBytes(maxBytes)}`;
}

function isLinkLocal(ip: string): boolean {
  return ip.startsWith('169.254.') || /^fe[89ab]/i.test(ip) || /^::ffff:169\.254\./i.test(ip);
}

/** Passwords and query strings stay out of messages. */
function withoutSecrets(value: string): string {
  if (!URL.canParse(value)) return value;
  const url = new URL(value);
  if (url.protocol === 'file:') return value;
  return `${url.protocol}//${url.host}${url.pathname}`;
}
