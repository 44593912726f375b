// What the command line says of an agent, as data: resources, attributes, estimator, QoS controller. In: text. Out: values, or a USAGE error.
import { fixedEstimator, noEstimator, usageEstimator } from '../agent/estimators.js';
import type { LoadAverage, LoadThresholds } from '../agent/qos.js';
import { loadQosController, noQosController } from '../agent/qos.js';
import type { QosController, ResourceEstimator } from '../agent/usage.js';
import { baselineOf } from '../agent/checkpoint.js';
import type { Problem } from '../base/errors.js';
import { ProfferError, shown } from '../base/errors.js';
import type { Role } from '../base/ids.js';
import type { Attributes, AttributeValue } from '../protocol/entities.js';
import type { Resources } from '../resources/index.js';
import { defaultRole, fromBag, labelFor, parseResources, roleProblem } from '../resources/index.js';

/**
 * `cpus:2;mem:1024;ports:[31000-31099]`; `cpus(ads):2` is reserved to `ads`, and what names no role to `role`, but for `cpus(*):2`.
 * @throws ProfferError USAGE with every violation.
 */
export function agentResources(text: string, role: Role = defaultRole): Resources {
  const pieces = text.split(';').map(piece => {
    const [, key = '', rest = ''] = /^([^:]*)(:.*)$/s.exec(piece) ?? [];
    return rest === '' ? piece : reservedKey(key, role) + rest;
  });
  const { bag, problems } = parseResources(pieces.join(';'), '--resources');
  if (problems.length > 0) throw usage(problems, 'write for example cpus:2;mem:1024;ports:[31000-31099]');
  const resources = fromBag(bag);
  try {
    baselineOf(resources, '--resources');
  } catch (error) {
    if (!(error instanceof ProfferError)) throw error;
    throw usage(error.problems.length > 0 ? error.problems : [error], error.hint ?? '');
  }
  return resources;
}

/** The same, all that is reserved to nobody reserved to `role`. @throws ProfferError USAGE when it is no role. */
export function reservedTo(resources: Resources, role: Role = defaultRole): Resources {
  const why = roleProblem(role);
  if (why !== undefined) throw new ProfferError('USAGE', `--default-role: ${why}`, { path: 'defaultRole' });
  return Object.fromEntries(Object.entries(resources).map(([key, value]) => [reservedKey(key, role), value]));
}

/** The role of `--default-role`. @throws ProfferError USAGE. */
export function parseRole(text: string): Role {
  const why = roleProblem(text);
  if (why !== undefined) throw new ProfferError('USAGE', why, { hint: 'write for example ads, or ads/video' });
  return text;
}

function reservedKey(key: string, role: Role): string {
  const bare = key.trim();
  return /^[^()[\]{}]+$/.test(bare) ? bare + labelFor(role).suffix : bare;
}

/**
 * `rack=a`, each a text, or a number where it reads as one; and Mesos's form for all, `rack:a;level:3;ports:[1-3];zones:{a,b}`.
 * @throws ProfferError USAGE for what is no attribute, or a name given twice.
 */
export function agentAttributes(texts: readonly string[], all = ''): Attributes {
  const out: { [name: string]: AttributeValue } = Object.create(null) as { [name: string]: AttributeValue };
  const put = (flag: string, name: string, value: AttributeValue): void => {
    if (Object.hasOwn(out, name)) throw new ProfferError('USAGE', `${flag}: ${shown(name)} is given twice`);
    out[name] = value;
  };
  for (const text of texts) {
    const name = text.slice(0, text.indexOf('='));
    put('--attribute', name, scalarOrText(text.slice(name.length + 1)));
  }
  for (const piece of all.split(';')) {
    const trimmed = piece.trim();
    if (trimmed === '') continue;
    const [, name = '', value = ''] = /^([^:=]+):(.+)$/s.exec(trimmed) ?? [];
    if (name.trim() === '' || value.trim() === '')
      throw new ProfferError('USAGE', `--attributes: ${shown(trimmed)} is not NAME:VALUE`, { hint: attributesHint });
    put('--attributes', name.trim(), attributeValue(value.trim()));
  }
  return { ...out };
}

const attributesHint = 'write for example rack:a;level:3;ports:[1-3];zones:{a,b}';

function scalarOrText(text: string): AttributeValue {
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
}

function attributeValue(text: string): AttributeValue {
  const isList = (/^\[.*\]$/s.test(text) || /^\{.*\}$/s.test(text)) && text.length > 2;
  if (!isList) return scalarOrText(text);
  const { bag, problems } = parseResources(`x:${text}`);
  const [only] = bag;
  if (problems.length > 0 || only === undefined || only.kind === 'scalar')
    throw new ProfferError('USAGE', `--attributes: ${problems[0]?.message ?? `${shown(text)} is not a list`}`, {
      hint: attributesHint,
    });
  return only.kind === 'ranges' ? only.ranges : only.items;
}

const estimatorHint = 'write for example fixed:cpus=4,mem=1024 or usage:margin=0.2';

/**
 * `none`, `fixed:cpus=4,mem=1024`, `usage` or `usage:margin=0.2`: how much is lent to revocable tasks.
 * @throws ProfferError USAGE.
 */
export function parseEstimator(text: string): ResourceEstimator {
  const { name, settings } = named(text, estimatorHint);
  switch (name) {
    case 'none':
      onlyKnown(settings, [], text, estimatorHint);
      return noEstimator;
    case 'fixed': {
      if (settings.size === 0) throw bad(text, 'names nothing to lend', estimatorHint);
      const { bag, problems } = parseResources(Array.from(settings, ([key, value]) => `${key}:${value}`).join(';'));
      if (problems[0] !== undefined) throw bad(text, problems[0].message, estimatorHint);
      try {
        return fixedEstimator(fromBag(bag));
      } catch (error) {
        throw error instanceof ProfferError ? bad(text, error.message, estimatorHint) : error;
      }
    }
    case 'usage': {
      onlyKnown(settings, ['margin'], text, estimatorHint);
      const margin = settings.get('margin');
      if (margin === undefined) return usageEstimator();
      if (!/^(?:0(?:\.\d{1,3})?|\.\d{1,3}|1(?:\.0{1,3})?)$/.test(margin))
        throw bad(text, `margin ${shown(margin)} is not a number from 0 to 1`, estimatorHint);
      return usageEstimator({ margin: Number(margin) });
    }
    default:
      throw bad(text, 'names no estimator; there are none, fixed and usage', estimatorHint);
  }
}

const qosHint = 'write for example load:5min=8 or load:1min=16,15min=6';
const loadSpans = ['1min', '5min', '15min'] as const;

/**
 * `none`, or `load:5min=8`: which revocable tasks have to go. `load` tells the machine's.
 * @throws ProfferError USAGE.
 */
export function parseQosController(text: string, load: () => LoadAverage): QosController {
  const { name, settings } = named(text, qosHint);
  if (name === 'none') {
    onlyKnown(settings, [], text, qosHint);
    return noQosController;
  }
  if (name !== 'load') throw bad(text, 'names no controller; there are none and load', qosHint);
  onlyKnown(settings, loadSpans, text, qosHint);
  const thresholds: { -readonly [span in keyof LoadThresholds]: number } = {};
  for (const span of loadSpans) {
    const value = settings.get(span);
    if (value === undefined) continue;
    if (!/^\d{1,6}(?:\.\d{1,3})?$/.test(value)) throw bad(text, `${shown(value)} is not a load`, qosHint);
    thresholds[span] = Number(value);
  }
  if (Object.keys(thresholds).length === 0) throw bad(text, 'names no threshold', qosHint);
  return loadQosController(thresholds, load);
}

function named(text: string, hint: string): { readonly name: string; readonly settings: ReadonlyMap<string, string> } {
  const [name = '', rest] = text.split(/:(.*)/s);
  const settings = new Map<string, string>();
  for (const piece of rest === undefined ? [] : rest.split(',')) {
    const at = piece.indexOf('=');
    const key = piece.slice(0, at).trim();
    if (at < 1 || key === '') throw bad(text, `${shown(piece)} is not NAME=VALUE`, hint);
    if (settings.has(key)) throw bad(text, `${key} is given twice`, hint);
    settings.set(key, piece.slice(at + 1).trim());
  }
  return { name, settings };
}

function onlyKnown(settings: ReadonlyMap<string, string>, known: readonly string[], text: string, hint: string): void {
  for (const key of settings.keys()) {
    if (known.includes(key)) continue;
    const allowed = known.length === 0 ? 'nothing is set here' : `there are ${known.join(', ')}`;
    throw bad(text, `${shown(key)} is unknown; ${allowed}`, hint);
  }
}

function bad(text: string, why: string, hint: string): ProfferError {
  return new ProfferError('USAGE', `${shown(text)}: ${why}`, { hint });
}

function usage(problems: readonly (Problem | ProfferError)[], hint: string): ProfferError {
  const said = problems.map(({ path, message }) => ({ path, message }));
  return new ProfferError('USAGE', said.map(one => `${one.path}: ${one.message}`).join('; '), {
    problems: said.map(one => ({ ...one, code: 'USAGE' })),
    hint: problems[0]?.hint ?? hint,
  });
}
