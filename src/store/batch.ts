// A batch of stored records as one piece of memory, which a thread hands to another without a copy. In: keys and records. Out: bytes, and back.

/** One change as it is stored; without a record the key is removed. */
export interface SealedChange {
  readonly key: Buffer;
  readonly record: Buffer | undefined;
}

const headerBytes = 8;
const removed = 0xffffffff;

/** Length of key, length of record, key, record; one after the other. */
export function encodeBatch(changes: readonly SealedChange[]): ArrayBuffer {
  let length = 0;
  for (const { key, record } of changes) length += headerBytes + key.length + (record?.length ?? 0);
  const buffer = new ArrayBuffer(length);
  const bytes = Buffer.from(buffer);
  let at = 0;
  for (const { key, record } of changes) {
    bytes.writeUInt32LE(key.length, at);
    bytes.writeUInt32LE(record?.length ?? removed, at + 4);
    bytes.set(key, at + headerBytes);
    at += headerBytes + key.length;
    if (record === undefined) continue;
    bytes.set(record, at);
    at += record.length;
  }
  return buffer;
}

/** What was encoded; views into `buffer`. */
export function* decodeBatch(buffer: ArrayBuffer): Iterable<SealedChange> {
  const bytes = Buffer.from(buffer);
  for (let at = 0; at < bytes.length; ) {
    const keyEnd = at + headerBytes + bytes.readUInt32LE(at);
    const size = bytes.readUInt32LE(at + 4);
    const key = bytes.subarray(at + headerBytes, keyEnd);
    at = size === removed ? keyEnd : keyEnd + size;
    yield { key, record: size === removed ? undefined : bytes.subarray(keyEnd, at) };
  }
}
