// Short texts out of bytes, each kept once: what thousands of agents say of their tasks is mostly the same words. In: bytes. Out: strings.

/** Longer ones are seldom said twice. */
const keptLengthMax = 48;
const places = 8192;
/** ASCII only, by hash; a newcomer takes the place of the one before. */
const kept: (string | undefined)[] = Array.from({ length: places });

/** The text in `bytes` from `start` to `end`, both in bounds. What is not UTF-8 becomes U+FFFD. */
export function textIn(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length > keptLengthMax) return bytes.toString('utf8', start, end);
  // Of longer ones every second or third byte: ids differ at their ends, hosts in the middle.
  const step = 1 + (length >> 4);
  let hash = length;
  for (let at = end - 1; at >= start; at -= step) hash = (hash * 31 + (bytes[at] as number)) | 0;
  const place = (hash ^ (hash >>> 15)) & (places - 1);
  const known = kept[place];
  if (known !== undefined && isThat(known, bytes, start, length)) return known;
  for (let at = start; at < end; at += 1) {
    if ((bytes[at] as number) > 0x7f) return bytes.toString('utf8', start, end);
  }
  const text = bytes.toString('latin1', start, end);
  kept[place] = text;
  return text;
}

function isThat(text: string, bytes: Buffer, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i += 1) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}
