// Reading of everything kept. In: records of the store. Out: logs, instances, deployments and the rest, or one error that names what cannot be understood.
import { ProfferError } from 'proffer';
import type { Problem } from 'proffer';
import * as v from 'valibot';
import type { InstanceId } from '../machine/ids.js';
import type { Instance } from '../machine/instance.js';
import type { PathId } from '../model/path.js';
import type { VersionInfo } from '../model/spec.js';
import { planOf } from './deployment.js';
import type { Deployment, DeploymentHead, PlanItem } from './deployment.js';
import type { Delta } from './delta.js';
import type { TaskFailure } from './failure.js';
import type { Logs } from './history.js';
import { keys, parseKey } from './keys.js';
import type { Key } from './keys.js';
import type { Entry, Log } from './log.js';
import { recordVersion } from './record.js';
import type { GroupNode, SpecForm } from './record.js';
import { list, maybe, problemOf, shape, text, texts } from './shape.js';
import type { Schema } from './shape.js';
import { appDefinition, podDefinition } from './spec-shapes.js';
import { specIn } from './spec-log.js';
import { deploymentHead, groupNode, instance, planItem, taskFailure } from './state-shapes.js';

/** Settings that are changed while Marathon runs. */
export type RuntimeConfig = { readonly [name: string]: unknown };

/** All that is kept. */
export interface Contents extends Logs {
  readonly instances: ReadonlyMap<InstanceId, Instance>;
  readonly deployments: ReadonlyMap<string, { readonly deployment: Deployment; readonly parts: number }>;
  readonly failures: ReadonlyMap<PathId, TaskFailure>;
  readonly callbacks: ReadonlySet<string>;
  readonly config: RuntimeConfig;
}

type Row = { readonly key: string; readonly value: unknown };

/**
 * Everything out of its records.
 * @throws ProfferError STORE_DAMAGED naming what cannot be understood: another version, an unknown key, a wrong shape, something missing.
 */
export function readRecords(rows: readonly Row[]): Contents {
  const reader = new Reader();
  for (const row of rows) reader.take(row);
  return reader.end();
}

const removed = v.literal(true);
const delta = shape<Delta>({ differs: v.record(v.string(), v.unknown()), lacks: maybe(texts) });
const bodies = {
  spec: [
    ['spec', v.looseObject({ kind: v.picklist(['app', 'pod']) })],
    ['delta', delta],
    ['removed', removed],
  ],
  group: [
    ['group', groupNode],
    ['removed', removed],
  ],
  instance: [['instance', instance]],
  deployment: [['deployment', deploymentHead]],
  plan: [['items', list(planItem)]],
  failure: [['failure', taskFailure]],
  callback: [['url', text]],
  config: [['config', v.record(v.string(), v.unknown())]],
} as const satisfies { readonly [kind in Key['kind']]: readonly (readonly [string, Schema<unknown>])[] };

/** Collects; says all that is wrong at the end. */
class Reader {
  readonly #specs = new Map<PathId, Entry<SpecForm>[]>();
  readonly #groups = new Map<PathId, Entry<GroupNode>[]>();
  readonly #instances = new Map<InstanceId, Instance>();
  readonly #heads = new Map<string, DeploymentHead>();
  readonly #parts = new Map<string, Map<number, readonly PlanItem[]>>();
  readonly #failures = new Map<PathId, TaskFailure>();
  readonly #callbacks = new Set<string>();
  readonly #problems: Problem[] = [];
  #config: RuntimeConfig = {};

  take({ key, value }: Row): void {
    const parsed = parseKey(key);
    const why = parsed === undefined ? 'its key is of a kind this release does not know' : this.#read(parsed, value);
    if (why !== undefined) this.#problem(key, why);
  }

  end(): Contents {
    for (const [id, log] of this.#specs) {
      log.sort((a, b) => a.at - b.at);
      let newer: number | undefined;
      for (let i = log.length - 1; i >= 0; i -= 1) {
        const { at, value } = log[i] as Entry<SpecForm>;
        newer = versionOf(value, newer);
        if (value !== undefined && newer === undefined)
          this.#problem(keys.spec(id, at), 'it is told against a newer record, which is missing');
        log[i] = value === undefined ? { at, version: at } : { at, version: newer ?? at, value };
      }
    }
    for (const log of this.#groups.values()) log.sort((a, b) => a.at - b.at);
    const deployments = this.#deployments();
    if (this.#problems.length > 0) throw damaged(this.#problems);
    return {
      specs: this.#specs,
      groups: this.#groups,
      instances: this.#instances,
      deployments,
      failures: this.#failures,
      callbacks: this.#callbacks,
      config: this.#config,
    };
  }

  #problem(key: string, why: string): void {
    this.#problems.push({ path: key, code: 'STORE_DAMAGED', message: why });
  }

  #read(key: Key, value: unknown): string | undefined {
    if (typeof value !== 'object' || value === null) return 'it is not an object';
    const { v: version, ...rest } = value as { readonly [name: string]: unknown };
    if (version !== recordVersion) {
      return `it is of version ${JSON.stringify(version) ?? 'none'}, and this release reads version ${recordVersion}`;
    }
    const [name = '', ...others] = Object.keys(rest);
    const found = bodies[key.kind].find(([body]) => body === name);
    if (found === undefined) return `it holds ${name === '' ? 'nothing' : name}, which this release does not know`;
    if (others.length > 0) return `it holds ${others.join(', ')}, too, which this release does not know`;
    const body = rest[name];
    return problemOf(found[1], body, name) ?? this.#keep(key, name, body);
  }

  #keep(key: Key, name: string, body: unknown): string | undefined {
    switch (key.kind) {
      case 'spec': {
        const wrong = name === 'removed' ? undefined : specProblem(name, body);
        if (wrong !== undefined) return wrong;
        const own = name === 'spec' ? (body as { readonly id?: unknown }).id : key.id;
        if (own !== key.id) return `it is of ${String(own)}`;
        const form = name === 'removed' ? {} : { value: { [name]: body } as SpecForm };
        return push(this.#specs, key.id, { at: key.n, version: key.n, ...form });
      }
      case 'group':
        if (name === 'removed') return push(this.#groups, key.id, { at: key.n, version: key.n });
        return push(this.#groups, key.id, {
          at: key.n,
          version: (body as GroupNode).version,
          value: body as GroupNode,
        });
      case 'instance':
        this.#instances.set(key.id, body as Instance);
        return (body as Instance).id === key.id ? undefined : `it is of the instance ${(body as Instance).id}`;
      case 'deployment':
        this.#heads.set(key.id, body as DeploymentHead);
        return (body as DeploymentHead).standing.planId === key.id ? undefined : 'it is of another deployment';
      case 'plan': {
        const parts = this.#parts.get(key.id) ?? new Map<number, readonly PlanItem[]>();
        this.#parts.set(key.id, parts.set(key.n, body as readonly PlanItem[]));
        return undefined;
      }
      case 'failure':
        this.#failures.set(key.id, body as TaskFailure);
        return undefined;
      case 'callback':
        this.#callbacks.add(body as string);
        return undefined;
      case 'config':
        this.#config = body as RuntimeConfig;
        return undefined;
    }
  }

  #deployments(): Map<string, { readonly deployment: Deployment; readonly parts: number }> {
    const specAt = (id: PathId, version: number): ReturnType<typeof specIn> => {
      const log: Log<SpecForm> = this.#specs.get(id) ?? [];
      return specIn(
        log,
        log.findLastIndex(entry => entry.version === version && entry.value !== undefined),
      );
    };
    const deployments = new Map<string, { readonly deployment: Deployment; readonly parts: number }>();
    for (const [id, { version, parts, standing }] of this.#heads) {
      const known = this.#parts.get(id) ?? new Map<number, readonly PlanItem[]>();
      this.#parts.delete(id);
      const items = Array.from({ length: parts }, (_, n) => known.get(n));
      const missing = items.indexOf(undefined);
      if (missing >= 0 || known.size !== parts) {
        this.#problem(
          keys.deployment(id),
          missing >= 0
            ? `the record ${keys.part(id, missing)} of its plan is missing`
            : 'its plan has too many records',
        );
        continue;
      }
      const plan = planOf(
        id,
        version,
        items.flatMap(each => each ?? []),
        specAt,
      );
      if ('why' in plan) this.#problem(keys.deployment(id), plan.why);
      else deployments.set(id, { deployment: { plan, standing }, parts });
    }
    for (const [id, parts] of this.#parts) {
      for (const n of parts.keys()) this.#problem(keys.part(id, n), 'there is no record of its deployment');
    }
    return deployments;
  }
}

function specProblem(name: string, body: unknown): string | undefined {
  if (name === 'spec') {
    const isApp = (body as { readonly kind: 'app' | 'pod' }).kind === 'app';
    return problemOf(isApp ? appDefinition : podDefinition, body, name);
  }
  const { differs, lacks = [] } = body as Delta;
  for (const [member, value] of Object.entries(differs)) {
    const schema = members.get(member);
    if (schema === undefined) return `delta.differs.${member}: this release does not know it`;
    const wrong = problemOf(schema, value, `delta.differs.${member}`);
    if (wrong !== undefined) return wrong;
  }
  const strange = lacks.find(member => !members.has(member));
  return strange === undefined ? undefined : `delta.lacks: this release does not know ${strange}`;
}

// What both have is alike in both.
const members: ReadonlyMap<string, Schema<unknown>> = new Map<string, Schema<unknown>>([
  ...Object.entries(podDefinition.members),
  ...Object.entries(appDefinition.members),
  ['kind', v.picklist(['app', 'pod'])],
]);

/** Of a definition; undefined when that cannot be told. `newer` is that of the record after it. */
function versionOf(form: SpecForm | undefined, newer: number | undefined): number | undefined {
  if (form === undefined) return undefined;
  if ('spec' in form) return form.spec.versionInfo.version;
  const own = form.delta.differs['versionInfo'] as VersionInfo | undefined;
  return newer === undefined ? undefined : (own?.version ?? newer);
}

function push<T>(logs: Map<PathId, Entry<T>[]>, id: PathId, entry: Entry<T>): undefined {
  const log = logs.get(id);
  if (log === undefined) logs.set(id, [entry]);
  else log.push(entry);
}

const hint =
  'start the release that wrote it, or bring back a copy of the store; what cannot be understood is never left out';
const namedMax = 20;

function damaged(problems: readonly Problem[]): ProfferError {
  const [first] = problems;
  const more = problems.length > 1 ? `, and ${problems.length - 1} more` : '';
  const path = first?.path ?? '';
  return new ProfferError('STORE_DAMAGED', `the record ${path} cannot be read: ${first?.message ?? ''}${more}`, {
    path,
    hint,
    problems: problems.slice(0, namedMax),
  });
}
