// Archives for tests, good and malicious, made in memory. In: entries. Out: the bytes of a tar or zip.
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import type { Headers } from 'tar-stream';

export type TarEntry = Headers & {
  readonly body: string | Buffer;
  readonly pax?: { readonly [field: string]: string };
};

/** A tar of `entries`, as tar-stream packs it. */
export function tar(entries: readonly TarEntry[]): Promise<Buffer> {
  const out = pack();
  for (const { body, ...header } of entries) out.entry(header, body);
  out.finalize();
  return buffer(out);
}

/** Makes the checksum of a tar's first header right. Source of the format: POSIX, pax. */
export function sumHeader(archive: Buffer): void {
  archive.write('        ', 148, 'latin1');
  const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

/** A zip of stored entries, names as given. Source of the format: PKWARE's APPNOTE. */
export function zip(
  entries: readonly { readonly name: string; readonly body: string; readonly mode: number }[],
): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, body, mode } of entries) {
    const fileName = Buffer.from(name);
    const data = Buffer.from(body);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(fileName.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, fileName, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.from([20, 3]), common, tail, fileName]));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}

/** CRC-32, read from the trailer gzip writes (node:zlib has it by name only from Node 22). */
function crc(data: Buffer): number {
  const packed = gzipSync(data);
  return packed.readUInt32LE(packed.length - 8);
}
