// A counter in the text that a program tells its metrics in. In: the text format of Prometheus, a name. Out: its value. Pure.
//
// Format: prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4.

/** The sum of all samples of `name`, whatever their labels; undefined when there is none that is a number. */
export function counterIn(text: string, name: string): number | undefined {
  let sum: number | undefined;
  let from = text.indexOf(name);
  while (from >= 0) {
    const end = text.indexOf('\n', from);
    const line = text.slice(from, end < 0 ? undefined : end);
    const startsLine = from === 0 || text[from - 1] === '\n';
    const value = startsLine ? valueIn(line, name) : undefined;
    if (value !== undefined) sum = (sum ?? 0) + value;
    from = end < 0 ? -1 : text.indexOf(name, end);
  }
  return sum;
}

function valueIn(line: string, name: string): number | undefined {
  const rest = line.slice(name.length);
  const at = rest.startsWith('{') ? endOfLabels(rest) : 0;
  // Another name that begins like this one.
  if (at < 0 || !/^[ \t]/.test(rest.slice(at))) return undefined;
  const [word = ''] = rest
    .slice(at)
    .trim()
    .split(/[ \t]+/, 1);
  const value = Number(word);
  return word === '' || !Number.isFinite(value) || value < 0 ? undefined : value;
}

/** Where the labels end; their values are quoted, with backslashes before quotes that belong to them. */
function endOfLabels(text: string): number {
  let quoted = false;
  for (let at = 1; at < text.length; at += 1) {
    const char = text[at];
    if (quoted && char === '\\') at += 1;
    else if (char === '"') quoted = !quoted;
    else if (!quoted && char === '}') return at + 1;
  }
  return -1;
}
