// What an agent's field says, as constraints compare it: Marathon's text forms. In: traits, a field. Out: text, or nothing. Pure.
import type { AgentTraits } from 'proffer';
import { fieldOf } from 'proffer';

/**
 * The text of a field; undefined when the agent has none. `hostname` is `@hostname`; amounts have at most three decimals, halves going to the even digit;
 * ranges read `[1-2,5-9]` and sets `{a,b}`, each in order.
 */
export function fieldText(traits: AgentTraits, field: string): string | undefined {
  if (field === 'hostname') return traits.hostname;
  if (field.startsWith('@')) return fieldOf(traits, field);
  if (!Object.hasOwn(traits.attributes, field)) return undefined;
  const value = traits.attributes[field];
  if (value === undefined || typeof value === 'string') return value;
  if (typeof value === 'number') return amountText(value);
  const ranges = value.filter((item): item is readonly [number, number] => typeof item !== 'string');
  if (ranges.length > 0) return `[${rangesText(ranges)}]`;
  return `{${value.map(String).sort().join(',')}}`;
}

/** An amount with at most three decimals. */
export function amountText(value: number): string {
  const thousandths = value * 1000;
  const below = Math.floor(thousandths);
  const over = thousandths - below;
  const half = Math.abs(over - 0.5) < 1e-7;
  const rounded = half ? (below % 2 === 0 ? below : below + 1) : Math.round(thousandths);
  return String(rounded / 1000);
}

/** What an IS or CLUSTER constraint's value is compared as: amounts in the form of `amountText`, other texts as they are. */
export function comparable(value: string): string {
  return /^\d+(\.\d+)?$/.test(value) ? amountText(Number(value)) : value;
}

function rangesText(ranges: readonly (readonly [number, number])[]): string {
  return [...ranges]
    .sort((a, b) => a[0] - b[0])
    .map(([from, to]) => `${from}-${to}`)
    .join(',');
}
