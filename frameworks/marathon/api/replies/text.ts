// JSON as text in parts: what does not change is written once and kept. In: objects. Out: text that members can be added to.

/** Text of what `write` makes of an object, made once for each object. */
export function textCache<T extends object>(write: (value: T) => object): (value: T) => string {
  const texts = new WeakMap<T, string>();
  return value => {
    const known = texts.get(value);
    if (known !== undefined) return known;
    const text = JSON.stringify(write(value));
    texts.set(value, text);
    return text;
  };
}

/** An object's text with the members of another one behind its own; neither may have what the other has. */
export function joined(object: string, more: string): string {
  if (more === '{}') return object;
  return object === '{}' ? more : `${object.slice(0, -1)},${more.slice(1)}`;
}

export function listText(items: Iterable<string>): string {
  return `[${[...items].join(',')}]`;
}

/** An object of members that are text already; those that are undefined are left out. */
export function objectText(members: { readonly [name: string]: string | undefined }): string {
  const written = Object.entries(members).flatMap(([name, text]) =>
    text === undefined ? [] : [`${JSON.stringify(name)}:${text}`],
  );
  return `{${written.join(',')}}`;
}
