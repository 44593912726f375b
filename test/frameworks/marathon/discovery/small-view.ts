// A Marathon that runs what it is told to: the view that names and routes are made from, by hand.
import { Subject } from 'rxjs';
import type { DiscoveryView } from '../../../../frameworks/marathon/discovery/view.js';
import type { Instance, InstanceTask } from '../../../../frameworks/marathon/machine/instance.js';
import type { AppDefinition, AppPortMapping, PortDefinition } from '../../../../frameworks/marathon/model/app.js';
import type { Group } from '../../../../frameworks/marathon/model/group.js';
import type { PathId } from '../../../../frameworks/marathon/model/path.js';
import type { RunSpec } from '../../../../frameworks/marathon/model/run-spec.js';
import { app, place, running, tree } from '../machine/samples.js';

export class SmallView implements DiscoveryView {
  readonly changes$ = new Subject<void>();
  master: string | undefined;
  readonly #specs = new Map<PathId, RunSpec>();
  readonly #instances = new Map<PathId, readonly Instance[]>();

  get root(): Group {
    return tree(...this.#specs.values());
  }

  instancesOf(id: PathId): readonly Instance[] {
    return this.#instances.get(id) ?? [];
  }

  specOf(instance: Instance): RunSpec {
    const spec = this.#specs.get(instance.runSpecId);
    if (spec === undefined) throw new Error(`${instance.runSpecId} is not there`);
    return spec;
  }

  /** From now on this is there, with these instances. */
  put(spec: RunSpec, ...instances: readonly Instance[]): this {
    this.#specs.set(spec.id, spec);
    this.#instances.set(spec.id, instances);
    this.changes$.next();
    return this;
  }

  remove(id: PathId): void {
    this.#specs.delete(id);
    this.#instances.delete(id);
    this.changes$.next();
  }
}

/** An app with these ports in the host's network, named or not. */
export function listening(
  ports: readonly (Partial<PortDefinition> | number)[],
  changes: Partial<AppDefinition> = {},
): AppDefinition {
  const portDefinitions = ports.map(
    (given): PortDefinition => ({
      port: 0,
      protocol: 'tcp',
      labels: {},
      ...(typeof given === 'number' ? { port: given } : given),
    }),
  );
  return app({ portDefinitions, ...changes });
}

/** An app whose containers have a network of their own. */
export function mapping(
  ports: readonly Partial<AppPortMapping>[],
  mode: 'container' | 'container/bridge',
  changes: Partial<AppDefinition> = {},
): AppDefinition {
  const portMappings = ports.map(
    (given): AppPortMapping => ({
      containerPort: 80,
      hostPort: 0,
      servicePort: 0,
      protocol: 'tcp',
      labels: {},
      networkNames: [],
      ...given,
    }),
  );
  return app({
    container: {
      type: 'DOCKER',
      docker: { image: 'web', forcePullImage: false, privileged: false, parameters: [] },
      volumes: [],
      portMappings,
    },
    networks: [{ mode, labels: {}, ...(mode === 'container' ? { name: 'net' } : {}) }],
    ...changes,
  });
}

/** Runs, healthy, on the host of this address. */
export function at(
  spec: RunSpec,
  name: string,
  hostname: string,
  hostPorts: readonly number[],
  more: Partial<InstanceTask> = {},
): Instance {
  const instance = running(spec, name, { ...place(`agents-S${hostname.split('.').at(-1)}`), hostname });
  return { ...instance, tasks: instance.tasks.map(task => ({ ...task, hostPorts, ...more })) };
}
