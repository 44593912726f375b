// The shapes of records, which are their lists of keys, told apart once for the whole process however many connections use them.
// In: keys. Out: shapes, and for those used often a function that makes such an object.

/** Bounds of what peers can make us keep: beyond them a shape belongs to its connection alone, or all are learnt anew. */
export const shapeBounds = { keysMax: 64, keyLengthMax: 128, nodesMax: 16_384 } as const;

/** Compiling costs as much as reading some dozen objects without. */
const compiledFrom = 12;

export class Shape {
  readonly keys: readonly string[];
  /** The array of keys as it is on the wire. */
  definition: Uint8Array | undefined;
  /** The writer that used it last, and what it is called there. */
  writer = 0;
  recordId = 0;
  readonly #interned: boolean;
  #uses = 0;
  #make: ((read: () => unknown) => object) | undefined;

  constructor(keys: readonly string[], interned: boolean) {
    this.keys = keys;
    this.#interned = interned;
  }

  /** An object with what `read` gives for one key after the other. */
  make(read: () => unknown): object {
    if (this.#make !== undefined) return this.#make(read);
    if (this.#interned) {
      this.#uses += 1;
      if (this.#uses === compiledFrom) this.#make = compiled(this.keys);
    }
    const object: { [key: string]: unknown } = {};
    for (const key of this.keys) object[fieldName(key)] = read();
    return object;
  }
}

/** A place on the way from no keys to all keys of a shape. */
export class ShapeNode {
  shape: Shape | undefined;
  // Most have one that follows.
  #key: string | undefined;
  #next: ShapeNode | undefined;
  #more: Map<string, ShapeNode> | undefined;

  /** Where `key` leads; undefined: no shape goes on with it yet. */
  after(key: string): ShapeNode | undefined {
    return key === this.#key ? this.#next : this.#more?.get(key);
  }

  /** As `after`, and makes the way. */
  grown(key: string): ShapeNode {
    const known = this.after(key);
    if (known !== undefined) return known;
    const node = new ShapeNode();
    nodes += 1;
    if (this.#next === undefined) {
      this.#key = key;
      this.#next = node;
    } else {
      this.#more ??= new Map();
      this.#more.set(key, node);
    }
    return node;
  }
}

let root = new ShapeNode();
let nodes = 0;

/** The shape without keys is here; others begin here. */
export function firstNode(): ShapeNode {
  return root;
}

/** The shape of these keys, no two of which are the same. */
export function shapeOf(keys: readonly string[]): Shape {
  const { keysMax, keyLengthMax, nodesMax } = shapeBounds;
  if (keys.length > keysMax || keys.some(key => key.length > keyLengthMax)) return new Shape(keys, false);
  if (nodes + keys.length > nodesMax) {
    // Connections keep those they use; what is in use by more than one is learnt anew.
    root = new ShapeNode();
    nodes = 0;
  }
  let node = root;
  for (const key of keys) node = node.grown(key);
  node.shape ??= new Shape(keys, true);
  return node.shape;
}

/** Where a program may not make code out of text it stays undefined. */
function compiled(keys: readonly string[]): ((read: () => unknown) => object) | undefined {
  const fields = keys.map(key => `${JSON.stringify(fieldName(key))}:read()`);
  try {
    // Keys are in it as string literals only. An object literal is what engines make fastest, and smallest.
    // oxlint-disable-next-line typescript/no-implied-eval
    return new Function('read', `return {${fields.join(',')}}`) as (read: () => unknown) => object;
  } catch {
    return undefined;
  }
}

/** A field of that name would reach an object's prototype. */
function fieldName(key: string): string {
  return key === '__proto__' ? '__proto_' : key;
}
