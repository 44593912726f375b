// Payloads pass through the master, which does not keep them. In: what carries one. Out: the same without.

/** `value` itself when it has no `data`. */
export function withoutData<T extends { readonly data?: string }>(value: T): T | Omit<T, 'data'> {
  if (value.data === undefined) return value;
  const { data: _data, ...kept } = value;
  return kept;
}
