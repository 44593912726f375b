// G10: an update that fails changes nothing, and a partial one only what was sent. In: requests with the tree before and after. Out: reports.
import { isDeepStrictEqual } from 'node:util';
import { runSpecAt, runSpecsById } from '../../model/group.js';
import type { RunSpec } from '../../model/run-spec.js';
import type { Request } from '../users.js';
import type { Report, Rule } from './rule.js';

/** Where a definition keeps what a field of the JSON says. */
const placeOf: { readonly [field: string]: string } = {
  backoffSeconds: 'backoff',
  backoffFactor: 'backoff',
  maxLaunchDelaySeconds: 'backoff',
  cpus: 'resources',
  mem: 'resources',
};

/** Fields whose value stands in a definition as it was sent. */
const plain = ['instances', 'cmd', 'killSelection', 'env', 'labels'] as const;

export class FieldsRule implements Rule {
  readonly name = 'G10 fields';
  readonly counts = { changed: 0, refused: 0 };

  asked(request: Request, _now: number, report: Report): void {
    if (request.type !== 'CHANGE') return;
    const { id, sent, before, after, sentInvalid } = request;
    if (before === after) {
      this.counts.refused += 1;
      return;
    }
    this.counts.changed += 1;
    if (sentInvalid) return report(`what is wrong with ${JSON.stringify(sent)} was not seen`);
    if (id === undefined || sent === undefined) return;
    const [was, is] = [runSpecsById(before), runSpecsById(after)];
    for (const [each, spec] of is)
      if (each !== id && !isDeepStrictEqual(was.get(each), spec)) report(`an update of ${id} changed ${each}`);
    for (const each of was.keys()) if (!is.has(each)) report(`an update of ${id} removed ${each}`);
    const [old, now] = [runSpecAt(before, id), runSpecAt(after, id)];
    if (now === undefined) return report(`an update of ${id} lost it`);
    this.#values(now, sent, report);
    if (old !== undefined) this.#others(old, now, sent, report);
  }

  #values(spec: RunSpec, sent: { readonly [field: string]: unknown }, report: Report): void {
    for (const field of plain) {
      if (!(field in sent)) continue;
      const value: unknown = Object.entries(spec).find(([name]) => name === field)?.[1];
      if (!isDeepStrictEqual(value, sent[field]))
        report(`${field} of ${spec.id} is ${JSON.stringify(value)}, ${JSON.stringify(sent[field])} was sent`);
    }
  }

  #others(old: RunSpec, now: RunSpec, sent: { readonly [field: string]: unknown }, report: Report): void {
    const may = new Set(['versionInfo', ...Object.keys(sent).map(field => placeOf[field] ?? field)]);
    const was = new Map<string, unknown>(Object.entries(old));
    for (const [field, value] of Object.entries(now)) {
      if (!may.has(field) && !isDeepStrictEqual(was.get(field), value))
        report(`${field} of ${now.id} was not sent (${Object.keys(sent).join(', ')}), and changed`);
      was.delete(field);
    }
    for (const field of was.keys()) if (!may.has(field)) report(`${field} of ${now.id} was not sent, and is gone`);
  }
}
