// The engine's log stream into the sandbox: frames of an 8-byte header (stream, length) and its bytes, to the files stdout and stderr. Of a terminal it is the
// bytes alone, to stdout.
import { write } from 'node:fs';
import { Writable } from 'node:stream';

/**
 * Takes apart the stream of a container, unless it has a terminal, and writes to the descriptors given, as fast as the disk takes it. Source of the format: Docker
 * Engine API, "Attach to a container". The descriptors stay open.
 */
export class LogDemux extends Writable {
  readonly #fds: { readonly stdout: number; readonly stderr: number };
  readonly #isTerminal: boolean;
  #header = Buffer.alloc(0);
  #left = 0;
  #fd: number;

  constructor(fds: { readonly stdout: number; readonly stderr: number }, isTerminal = false) {
    super({ decodeStrings: true });
    this.#isTerminal = isTerminal;
    this.#fds = fds;
    this.#fd = fds.stdout;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const parts = this.#isTerminal ? [{ fd: this.#fds.stdout, bytes: chunk }] : this.#split(chunk);
    const next = (index: number): void => {
      const part = parts[index];
      if (part === undefined) done();
      else writeAll(part.fd, part.bytes, error => (error === null ? next(index + 1) : done(error)));
    };
    next(0);
  }

  #split(chunk: Buffer): { fd: number; bytes: Buffer }[] {
    const parts: { fd: number; bytes: Buffer }[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        const need = headerBytes - this.#header.length;
        this.#header = Buffer.concat([this.#header, chunk.subarray(at, at + need)]);
        at += need;
        if (this.#header.length < headerBytes) break;
        this.#fd = this.#header[0] === 2 ? this.#fds.stderr : this.#fds.stdout;
        this.#left = this.#header.readUInt32BE(4);
        this.#header = Buffer.alloc(0);
        continue;
      }
      const bytes = chunk.subarray(at, at + this.#left);
      parts.push({ fd: this.#fd, bytes });
      at += bytes.length;
      this.#left -= bytes.length;
    }
    return parts;
  }
}

const headerBytes = 8;

function writeAll(fd: number, bytes: Buffer, done: (error: Error | null) => void): void {
  write(fd, bytes, 0, bytes.length, null, (error, written) => {
    if (error !== null) done(error);
    else if (written < bytes.length) writeAll(fd, bytes.subarray(written), done);
    else done(null);
  });
}
