// What the command line says of an agent, as data: `--resources` and `--attribute`.
import { ProfferError, shown } from '../base/errors.js';
import type { Attributes, AttributeValue } from '../protocol/entities.js';
import type { Resources } from '../resources/index.js';
import { fromBag, parseResources } from '../resources/index.js';

/** `cpus:2;mem:1024;ports:[31000-31099]`. @throws ProfferError USAGE with every violation. */
export function agentResources(text: string): Resources {
  const { bag, problems } = parseResources(text, '--resources');
  if (problems.length > 0) {
    throw new ProfferError('USAGE', problems.map(one => `${one.path}: ${one.message}`).join('; '), {
      problems: problems.map(one => ({ ...one, code: 'USAGE' })),
      hint: problems[0]?.hint ?? 'write for example cpus:2;mem:1024;ports:[31000-31099]',
    });
  }
  return fromBag(bag);
}

/** `rack=a`; a number where it reads as one. @throws ProfferError USAGE for a name given twice. */
export function agentAttributes(texts: readonly string[]): Attributes {
  const out: { [name: string]: AttributeValue } = {};
  for (const text of texts) {
    const name = text.slice(0, text.indexOf('='));
    const value = text.slice(name.length + 1);
    if (Object.hasOwn(out, name)) throw new ProfferError('USAGE', `--attribute: ${shown(name)} is given twice`);
    out[name] = /^-?\d+(?:\.\d+)?$/.test(value) ? Number(value) : value;
  }
  return out;
}
