// JSON as people and peers write it, read with positions. In: text. Out: the value and where each of its parts stands, or one error with
// line and column. Stricter than JSON.parse: bounded depth, no key twice, no `__proto__`.
import { ProfferError, shown } from './errors.js';

/** Deepest nesting accepted. */
export const jsonDepthMax = 64;

/** A place in a text, both from 1. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

/** A value and the places of its parts. */
export interface JsonText {
  readonly value: unknown;
  /** Where the part at `path` (keys and indices from the root) begins: the key of a member, else the value. */
  positionOf(path: readonly (string | number)[]): TextPosition;
}

/**
 * Reads a whole JSON text. `name` (a file, say) goes before line and column in the message.
 * @throws ProfferError BAD_JSON with `name:line:column`.
 */
export function parseJsonText(text: string, name = ''): JsonText {
  const places = new Map<string, number>();
  const value = new Reader(text, name, places).document();
  return {
    value,
    positionOf: path => {
      for (let length = path.length; length > 0; length -= 1) {
        const at = places.get(JSON.stringify(path.slice(0, length)));
        if (at !== undefined) return positionAt(text, at);
      }
      return positionAt(text, 0);
    },
  };
}

/** Line and column of the character at `index`. */
export function positionAt(text: string, index: number): TextPosition {
  const before = text.slice(0, index);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: index - lineStart + 1 };
}

const literals = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
]);
const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const wordPattern = /[A-Za-z_$][\w$]*/y;
const blankPattern = /[ \t\r\n]*/y;
// A string up to its closing quote; what is wrong inside is told by JSON.parse.
const stringPattern = /"(?:[^"\\\n]|\\.)*"/y;

class Reader {
  #at = 0;
  readonly #path: (string | number)[] = [];

  constructor(
    readonly text: string,
    readonly name: string,
    readonly places: Map<string, number>,
  ) {}

  document(): unknown {
    if (this.text.charCodeAt(0) === 0xfeff) this.#at = 1;
    this.#blank();
    const value = this.#value();
    this.#blank();
    if (this.#at < this.text.length) this.#fail(`nothing may follow the value, but there is ${this.#here()}`);
    return value;
  }

  #value(): unknown {
    switch (this.text[this.#at]) {
      case '{':
        return this.#object();
      case '[':
        return this.#array();
      case '"':
        return this.#string();
      default:
        return this.#scalar();
    }
  }

  #object(): unknown {
    const out: Record<string, unknown> = {};
    this.#open();
    while (!this.#closes('}', Object.keys(out).length === 0)) {
      const at = this.#at;
      if (this.text[at] !== '"') this.#fail(`a key in double quotes is expected, but there is ${this.#here()}`);
      const key = this.#string();
      if (key === '__proto__') this.#fail('the key "__proto__" is not allowed', at);
      if (Object.hasOwn(out, key)) this.#fail(`the key ${shown(key)} is given twice`, at, 'give one value');
      this.#blank();
      if (this.text[this.#at] !== ':')
        this.#fail(`a colon is expected after ${shown(key)}, but there is ${this.#here()}`);
      this.#at += 1;
      this.#blank();
      this.#path.push(key);
      this.places.set(JSON.stringify(this.#path), at);
      out[key] = this.#value();
      this.#path.pop();
    }
    return out;
  }

  #array(): unknown {
    const out: unknown[] = [];
    this.#open();
    while (!this.#closes(']', out.length === 0)) {
      this.#path.push(out.length);
      this.places.set(JSON.stringify(this.#path), this.#at);
      out.push(this.#value());
      this.#path.pop();
    }
    return out;
  }

  #open(): void {
    if (this.#path.length >= jsonDepthMax) this.#fail(`the nesting is deeper than ${jsonDepthMax}`);
    this.#at += 1;
    this.#blank();
  }

  // Between members: true at the end, else past the comma.
  #closes(bracket: '}' | ']', first: boolean): boolean {
    this.#blank();
    if (this.text[this.#at] === bracket) {
      this.#at += 1;
      return true;
    }
    if (first) return false;
    if (this.text[this.#at] !== ',') this.#fail(`a comma or ${bracket} is expected, but there is ${this.#here()}`);
    this.#at += 1;
    this.#blank();
    if (this.text[this.#at] === bracket)
      this.#fail(`a value is expected after the comma, but there is ${bracket}`, this.#at, 'remove the last comma');
    return false;
  }

  #string(): string {
    const at = this.#at;
    const text = this.#take(stringPattern);
    if (text === undefined) this.#fail('the string has no closing quote on its line', at);
    try {
      return JSON.parse(text) as string;
    } catch {
      return this.#fail(`${shown(text)} holds an escape or a control character that JSON does not allow`, at);
    }
  }

  #scalar(): unknown {
    const at = this.#at;
    const number = this.#take(numberPattern);
    if (number !== undefined && !/[\w.]/.test(this.text[this.#at] ?? '')) return Number(number);
    this.#at = at;
    const word = this.#take(wordPattern);
    if (word !== undefined && literals.has(word)) return literals.get(word);
    this.#at = at;
    return this.#fail(`a value is expected, but there is ${this.#here()}`);
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #blank(): void {
    this.#take(blankPattern);
  }

  #here(): string {
    if (this.#at >= this.text.length) return 'the end of the text';
    wordPattern.lastIndex = this.#at;
    return shown(wordPattern.exec(this.text)?.[0] ?? this.text[this.#at]);
  }

  #fail(message: string, at = this.#at, hint?: string): never {
    const { line, column } = positionAt(this.text, at);
    const where = this.name === '' ? `line ${line}, column ${column}` : `${this.name}:${line}:${column}`;
    throw new ProfferError('BAD_JSON', `${where}: ${message}`, hint === undefined ? {} : { hint });
  }
}
