// Runs a schema over JSON: types, bounds, word lists, all violations at once. In: a schema and a plain copy. Out: the typed value, or reports
// in our words with Marathon's paths.
import * as v from 'valibot';
import { shown, Violations } from '../refusal.js';
import type { Checked } from '../refusal.js';
import { plainCopy } from './plain.js';

/** `json` as `schema` describes it, without unknown members, which Marathon ignores too. */
export function parse<Out>(schema: v.GenericSchema<unknown, Out>, json: unknown): Checked<Out> {
  const violations = new Violations();
  const copied = plainCopy(json, violations.report);
  if (violations.any) return { ok: false, refusal: violations.refusal('malformed') };
  const result = v.safeParse(schema, copied);
  if (result.success) return { ok: true, value: result.output };
  let kind: 'malformed' | 'invalid' = 'invalid';
  for (const issue of result.issues) {
    violations.report(pathOf(issue.path), describe(issue));
    if (isMalformed(issue)) kind = 'malformed';
  }
  return { ok: false, refusal: violations.refusal(kind) };
}

type Issue = v.BaseIssue<unknown>;

// A wrong type is malformed; a missing member, a word not on its list and a number out of its bounds are against the rules.
function isMalformed(issue: Issue): boolean {
  if (issue.kind === 'validation') return issue.type === 'integer';
  return issue.kind === 'schema' && issue.type !== 'picklist' && !isMissing(issue);
}

function isMissing(issue: Issue): boolean {
  return issue.type === 'object' && issue.input === undefined;
}

function pathOf(path: Issue['path']): string {
  if (path === undefined) return '/';
  return path.map(({ key }) => (typeof key === 'number' ? `(${key})` : `/${String(key)}`)).join('');
}

/** What issues of each type say */
function describe(issue: Issue): string {
  const given = `${shown(issue.input)} is given`;
  // The library's own messages start like this; what a schema says itself fits better.
  if (!issue.message.startsWith('Invalid ') && !isMissing(issue)) return `${issue.message}, ${given}`;
  switch (issue.type) {
    case 'object':
      return 'is missing';
    case 'array':
      return `must be a list, ${given}`;
    case 'string':
      return `must be text, ${given}`;
    case 'number':
      return `must be a number, ${given}`;
    case 'integer':
      return `must be a whole number, ${given}`;
    case 'boolean':
      return `must be true or false, ${given}`;
    case 'picklist':
      return `must be one of ${wordsOf(issue.expected)}, ${given}`;
    case 'min_value':
      return `must be at least ${boundOf(issue)}, ${given}`;
    case 'max_value':
      return `must be at most ${boundOf(issue)}, ${given}`;
    case 'min_length':
      return `must have at least ${boundOf(issue)} ${unitOf(issue)}`;
    case 'max_length':
      return `must have at most ${boundOf(issue)} ${unitOf(issue)}, ${given}`;
    default:
      return issue.message;
  }
}

function boundOf(issue: Issue): string {
  return (issue.expected ?? '').replace(/^[<>]=/, '');
}

function unitOf(issue: Issue): string {
  return typeof issue.input === 'string' ? 'characters' : 'items';
}

function wordsOf(expected: string | null): string {
  return (expected ?? '').replace(/^\(|\)$/g, '').replaceAll(' | ', ', ');
}
