// Reads a file of LMDB (data format 2, 64 bits) without LMDB, which trusts what it maps: a flipped bit in a page would end the process or lose
// records silently. In: the file's bytes. Out: every entry of the newest snapshot, or where it is damaged. Source: lmdb 3.5.6, liblmdb/mdb.c.

/** The newest snapshot of a file. */
export interface LmdbSnapshot {
  /** Number of the transaction that made it. */
  readonly transaction: number;
  /** In the order of the keys' bytes; views into the file. */
  readonly entries: readonly LmdbEntry[];
  /** All entries are whole, but this is not: LMDB must not write into the file. A new one made of the entries is sound. */
  readonly unsound: string | undefined;
}

/** One key and its value. */
export interface LmdbEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Where a file is damaged, and how. */
export class LmdbDamage extends Error {
  override readonly name = 'LmdbDamage';
  /** Byte of the file. */
  readonly offset: number;

  constructor(offset: number, what: string) {
    super(`${what} at byte ${offset}`);
    this.offset = offset;
  }
}

/** Bytes of a page in the files we make. */
export const pageBytes = 4096;

const headerBytes = 24;
const nodeBytes = 8;
const magic = 0xbeefc0de;
const dataVersion = 2;
const isBranch = 0x01;
const isLeaf = 0x02;
const isOverflow = 0x04;
const isMeta = 0x08;
const bigData = 0x01;
/** MDB_NOSUBDIR and MDB_INTEGERKEY (of the free list). */
const freeFlags = 0x4008;
/** More than any file has; what a root is when there is none. */
const nowhere = 2 ** 52;
const mapBytesMax = 2 ** 46;
/** Pages at the end of a file that are free need not be in it. */
const missingPagesMax = 1 << 16;

interface Tree {
  readonly flags: number;
  readonly depth: number;
  readonly branches: number;
  readonly leaves: number;
  readonly overflows: number;
  readonly entries: number;
  readonly root: number;
}

interface Meta {
  readonly offset: number;
  readonly mapBytes: number;
  readonly free: Tree;
  readonly main: Tree;
  readonly lastPage: number;
  readonly transaction: number;
}

/**
 * Everything a reader of the newest snapshot would see.
 * @throws LmdbDamage when it is not certain that this is all of it.
 */
export function readLmdbFile(file: Buffer): LmdbSnapshot {
  const metas = [readMeta(file, 0), readMeta(file, 1)] as const;
  const [even, odd] = metas;
  const newest = odd.transaction > even.transaction ? odd : even;
  const older = newest === odd ? even : odd;
  if (newest.transaction !== older.transaction + 1 || newest !== metas[newest.transaction % 2]) {
    throw new LmdbDamage(
      newest.offset,
      `transactions ${even.transaction} and ${odd.transaction} do not follow each other`,
    );
  }
  // Each transaction rewrites the root, so that it tells which one its page of meta data belongs to; and the one before is still whole.
  for (const meta of [newest, older]) checkRoot(file, meta);
  const walk = new Walk(file, newest);
  const entries = walk.tree(newest.main);
  return { transaction: newest.transaction, entries, unsound: unsoundness(file, walk, newest) };
}

function readMeta(file: Buffer, index: 0 | 1): Meta {
  const offset = index * pageBytes;
  if (file.length < offset + pageBytes) throw new LmdbDamage(file.length, 'the file ends before its meta data');
  const wrong = (what: string): LmdbDamage => new LmdbDamage(offset, `not meta data of this format: ${what}`);
  if (number64(file, offset) !== index) throw wrong('page number');
  if (file.readUInt16LE(offset + 18) !== isMeta) throw wrong('page flags');
  if (file.readUInt32LE(offset + 24) !== magic) throw wrong('magic number');
  const version = file.readUInt32LE(offset + 28);
  if (version !== dataVersion) throw wrong(`version ${version}`);
  const size = file.readUInt32LE(offset + 48);
  if (size !== pageBytes) throw wrong(`pages of ${size} bytes`);
  const free = readTree(file, offset + 48);
  const main = readTree(file, offset + 96);
  if (free.flags !== freeFlags || main.flags !== 0 || file.readUInt32LE(offset + 96) !== 0) throw wrong('flags');
  return {
    offset,
    mapBytes: number64(file, offset + 40),
    free,
    main,
    lastPage: number64(file, offset + 144),
    transaction: number64(file, offset + 152),
  };
}

function readTree(file: Buffer, offset: number): Tree {
  return {
    flags: file.readUInt16LE(offset + 4),
    depth: file.readUInt16LE(offset + 6),
    branches: number64(file, offset + 8),
    leaves: number64(file, offset + 16),
    overflows: number64(file, offset + 24),
    entries: number64(file, offset + 32),
    root: number64(file, offset + 40),
  };
}

function checkRoot(file: Buffer, meta: Meta): void {
  const { main, transaction } = meta;
  if (main.root >= nowhere && transaction <= 1) return;
  const offset = pageOffset(file, main.root, meta.offset);
  if (number64(file, offset) !== main.root || number64(file, offset + 8) !== transaction) {
    throw new LmdbDamage(
      meta.offset,
      `transaction ${transaction} is not the one that wrote its root, page ${main.root}`,
    );
  }
}

/** Goes through the trees of one snapshot and notes which pages are theirs. */
class Walk {
  readonly used: Uint8Array;
  readonly #file: Buffer;
  readonly #transaction: number;
  #branches = 0;
  #leaves = 0;
  #overflows = 0;
  #entries: LmdbEntry[] = [];

  constructor(file: Buffer, meta: Meta) {
    this.#file = file;
    this.#transaction = meta.transaction;
    this.used = new Uint8Array(Math.ceil(file.length / pageBytes));
  }

  /** The entries of a tree whose keys are in the order of their bytes unless it is the free list. */
  tree(tree: Tree, inOrder = true): readonly LmdbEntry[] {
    this.#branches = 0;
    this.#leaves = 0;
    this.#overflows = 0;
    this.#entries = [];
    if (tree.root < nowhere) this.#page(tree.root, tree.depth, inOrder, undefined, undefined, 0);
    const found = [this.#branches, this.#leaves, this.#overflows, this.#entries.length];
    const said = [tree.branches, tree.leaves, tree.overflows, tree.entries];
    if (found.join() !== said.join()) {
      throw new LmdbDamage(
        0,
        `branches, leaves, overflow pages, entries are ${found.join()}, not ${said.join()} as meta data says,`,
      );
    }
    return this.#entries;
  }

  #page(
    page: number,
    level: number,
    inOrder: boolean,
    from: Buffer | undefined,
    to: Buffer | undefined,
    at: number,
  ): void {
    const file = this.#file;
    const offset = this.#take(page, at);
    const flags = file.readUInt16LE(offset + 18);
    if (flags !== (level > 1 ? isBranch : isLeaf)) throw new LmdbDamage(offset, `page ${page} is of another kind`);
    if (level > 1) this.#branches += 1;
    else this.#leaves += 1;
    const lower = file.readUInt16LE(offset + 20);
    const upper = file.readUInt16LE(offset + 22);
    const room = pageBytes - headerBytes;
    if (lower % 2 !== 0 || lower > upper || upper > room) throw new LmdbDamage(offset, `page ${page} has wrong bounds`);
    const base = offset + headerBytes;
    const count = lower / 2;
    if (count === 0) throw new LmdbDamage(offset, `page ${page} is empty`);
    const nodes: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const place = file.readUInt16LE(base + 2 * i);
      if (place % 2 !== 0 || place < upper || place + nodeBytes > room)
        throw new LmdbDamage(base + 2 * i, `page ${page} has a wrong pointer`);
      nodes.push(base + place);
    }
    let bytes = 0;
    let before = from;
    for (const [i, node] of nodes.entries()) {
      const key = this.#key(node, offset);
      // The first key of a branch stands for everything below the second.
      const first = level > 1 && i === 0;
      if (inOrder && !first) {
        const early = before !== undefined && (i === 0 ? key.compare(before) < 0 : key.compare(before) <= 0);
        if (early || (to !== undefined && key.compare(to) >= 0)) throw new LmdbDamage(node, 'a key is out of order');
      }
      if (level > 1) {
        bytes += even(nodeBytes + key.length);
        const child =
          file.readUInt16LE(node) + file.readUInt16LE(node + 2) * 2 ** 16 + file.readUInt16LE(node + 4) * 2 ** 32;
        const next = nodes[i + 1];
        this.#page(
          child,
          level - 1,
          inOrder,
          first ? from : key,
          next === undefined ? to : this.#key(next, offset),
          node,
        );
      } else {
        bytes += even(nodeBytes + key.length + this.#leaf(node, key, offset));
      }
      before = first ? from : key;
    }
    if (bytes !== room - upper) throw new LmdbDamage(offset, `page ${page} holds ${bytes} bytes, not ${room - upper}`);
  }

  #key(node: number, page: number): Buffer {
    const start = node + nodeBytes;
    const end = start + this.#file.readUInt16LE(node + 6);
    if (end > page + pageBytes) throw new LmdbDamage(node, 'a key leaves its page');
    return this.#file.subarray(start, end);
  }

  /** Adds the entry; the bytes its value takes in this page. */
  #leaf(node: number, key: Buffer, page: number): number {
    const file = this.#file;
    const size = file.readUInt16LE(node) + file.readUInt16LE(node + 2) * 2 ** 16;
    const flags = file.readUInt16LE(node + 4);
    const start = node + nodeBytes + key.length;
    if (flags === 0) {
      if (start + size > page + pageBytes) throw new LmdbDamage(node, 'a value leaves its page');
      this.#entries.push({ key, value: file.subarray(start, start + size) });
      return size;
    }
    if (flags !== bigData || start + 24 > page + pageBytes) throw new LmdbDamage(node, 'an entry of unknown kind');
    const first = number64(file, start);
    const pages = number64(file, start + 16);
    if (pages !== Math.ceil((headerBytes + size) / pageBytes))
      throw new LmdbDamage(start, 'a value has another size than its pages');
    const offset = this.#take(first, node);
    if (file.readUInt16LE(offset + 18) !== isOverflow || file.readUInt32LE(offset + 20) !== pages) {
      throw new LmdbDamage(offset, `page ${first} is of another kind`);
    }
    for (let page = first + 1; page < first + pages; page += 1) this.#mark(page, node);
    this.#overflows += pages;
    this.#entries.push({ key, value: file.subarray(offset + headerBytes, offset + headerBytes + size) });
    return 24;
  }

  #take(page: number, at: number): number {
    const offset = this.#mark(page, at);
    if (number64(this.#file, offset) !== page) throw new LmdbDamage(offset, `page ${page} has another number`);
    if (number64(this.#file, offset + 8) > this.#transaction)
      throw new LmdbDamage(offset, `page ${page} is of a later transaction`);
    return offset;
  }

  #mark(page: number, at: number): number {
    const offset = pageOffset(this.#file, page, at);
    if (this.used[page] === 1) throw new LmdbDamage(at, `page ${page} is used twice`);
    this.used[page] = 1;
    return offset;
  }
}

/** What besides the entries LMDB relies on when it writes: which pages are free, how large the file may be. */
function unsoundness(file: Buffer, walk: Walk, meta: Meta): string | undefined {
  const pages = file.length / pageBytes;
  if (meta.mapBytes > mapBytesMax) return `a map of ${meta.mapBytes} bytes`;
  if (meta.lastPage > pages + missingPagesMax) return `page ${meta.lastPage} is the last one, but there are ${pages}`;
  if (walk.used.lastIndexOf(1) > meta.lastPage)
    return `page ${meta.lastPage} is the last one, but a later one is in use`;
  try {
    for (const { key, value } of walk.tree(meta.free, false)) {
      if (key.length !== 8) return 'a list of free pages has no transaction';
      const wrong = takeFree(value, walk.used, meta.lastPage);
      if (wrong !== undefined) return wrong;
    }
  } catch (error) {
    if (error instanceof LmdbDamage) return error.message;
    throw error;
  }
  return undefined;
}

// A count, then pages: a number, or minus a length and the first of as many. Zeros are blanks.
function takeFree(list: Buffer, used: Uint8Array, lastPage: number): string | undefined {
  const count = list.length < 8 ? -1 : Number(list.readBigInt64LE(0));
  if (count < 0 || 8 + 8 * count > list.length) return 'a list of free pages has a wrong length';
  for (let i = 1; i <= count; i += 1) {
    let first = Number(list.readBigInt64LE(8 * i));
    let length = 1;
    if (first === 0) continue;
    if (first < 0) {
      length = -first;
      i += 1;
      if (i > count) return 'a list of free pages ends early';
      first = Number(list.readBigInt64LE(8 * i));
    }
    if (first < 2 || first + length - 1 > lastPage) return `the free page ${first} is not in the file`;
    for (let page = first; page < Math.min(first + length, used.length); page += 1) {
      if (used[page] === 1) return `page ${page} is free and in use`;
      used[page] = 1;
    }
  }
  return undefined;
}

function pageOffset(file: Buffer, page: number, at: number): number {
  const offset = page * pageBytes;
  if (page < 2) throw new LmdbDamage(at, `page ${page} is meta data`);
  if (offset + pageBytes > file.length) throw new LmdbDamage(at, `page ${page} is beyond the end of the file, named`);
  return offset;
}

function number64(file: Buffer, offset: number): number {
  return file.readUInt32LE(offset) + file.readUInt32LE(offset + 4) * 2 ** 32;
}

function even(bytes: number): number {
  return bytes + (bytes & 1);
}
