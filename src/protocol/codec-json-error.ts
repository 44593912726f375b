// Where a text stops being JSON, or gives a key twice: JSON.parse itself does not always say. Runs on bad input only. In: text. Out: an index into it.

/** Index of the first character that cannot be part of a JSON text; the text's length when it ends too early or is fine. */
export function firstInvalidJson(text: string): number {
  const closers: string[] = [];
  let expected = 'value' as Expected;
  let at = 0;
  for (;;) {
    while (isBlank(text.charCodeAt(at))) at += 1;
    const char = text[at];
    if (char === undefined) return at;
    if (expected === 'colon') {
      if (char !== ':') return at;
      at += 1;
      expected = 'value';
    } else if (expected === 'next') {
      const closer = closers.at(-1);
      if (closer === undefined || (char !== ',' && char !== closer)) return at;
      at += 1;
      if (char === ',') expected = closer === ']' ? 'value' : 'key';
      else closers.pop();
    } else if ((expected === 'valueOrEnd' || expected === 'keyOrEnd') && char === closers.at(-1)) {
      closers.pop();
      at += 1;
      expected = 'next';
    } else if (char === '"') {
      const end = endOfString(text, at);
      if (end < 0) return ~end;
      at = end;
      expected = expected === 'key' || expected === 'keyOrEnd' ? 'colon' : 'next';
    } else if (expected === 'key' || expected === 'keyOrEnd') {
      return at;
    } else if (char === '[' || char === '{') {
      closers.push(char === '[' ? ']' : '}');
      expected = char === '[' ? 'valueOrEnd' : 'keyOrEnd';
      at += 1;
    } else {
      scalar.lastIndex = at;
      const match = scalar.exec(text);
      if (match === null) return at;
      at += match[0].length;
      expected = 'next';
    }
  }
}

/** The first key of a JSON text that its object has already, and the index of its quote; undefined when there is none. */
export function firstRepeatedKey(text: string): { readonly key: string; readonly at: number } | undefined {
  // Of an array, too, so that brackets pair up.
  const open: Set<string>[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at];
    if (char === '"') {
      const end = endOfString(text, at);
      colon.lastIndex = end;
      if (colon.test(text)) {
        const key = JSON.parse(text.slice(at, end)) as string;
        const keys = open.at(-1);
        if (keys?.has(key) === true) return { key, at };
        keys?.add(key);
      }
      at = end;
    } else {
      if (char === '{' || char === '[') open.push(new Set());
      else if (char === '}' || char === ']') open.pop();
      at += 1;
    }
  }
  return undefined;
}

const colon = /[ \t\r\n]*:/y;

type Expected = 'value' | 'valueOrEnd' | 'key' | 'keyOrEnd' | 'colon' | 'next';

const scalar = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const escaped = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

/** Index after the closing quote of the string that opens at `open`; the complement of the bad index when there is one. */
function endOfString(text: string, open: number): number {
  let at = open + 1;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at + 1;
    if (Number.isNaN(code) || code < 0x20) return ~at;
    if (code === 0x5c) {
      escaped.lastIndex = at;
      const match = escaped.exec(text);
      if (match === null) return ~at;
      at += match[0].length;
    } else at += 1;
  }
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}
