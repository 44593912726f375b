// From one configuration to the next. In: both. Out: the servers that come and go in backends that stay as they are, and whether the rest needs a reload. Pure.
import type { Backend, Config } from './config.js';
import type { Server } from './services.js';

export interface ServerChange {
  readonly backend: Backend;
  readonly server: Server;
}

export interface Difference {
  readonly added: readonly ServerChange[];
  readonly removed: readonly ServerChange[];
  /** Whether something else changed, or a server comes where none can be added. */
  readonly reload: boolean;
}

export function differenceOf(from: Config, to: Config): Difference {
  const added: ServerChange[] = [];
  const removed: ServerChange[] = [];
  let reload = from.head !== to.head || from.tail !== to.tail;
  for (const backend of to.backends.values()) {
    const before = from.backends.get(backend.name);
    if (before === backend) continue;
    const same = before?.section === backend.section && before.suffix === backend.suffix;
    if (!same) reload = true;
    for (const server of backend.servers.values()) {
      if (before?.servers.has(server.name) === true) {
        if (differs(before.servers.get(server.name), server)) reload = true;
      } else if (same && backend.dynamic) added.push({ backend, server });
      else reload = true;
    }
  }
  for (const backend of from.backends.values()) {
    const after = to.backends.get(backend.name);
    if (after === backend) continue;
    if (after === undefined) reload = true;
    for (const server of backend.servers.values())
      if (after?.servers.has(server.name) !== true) removed.push({ backend, server });
  }
  return { added, removed, reload };
}

// The name is of one start of an instance: its address changes when a name is resolved anew.
function differs(a: Server | undefined, b: Server): boolean {
  return a?.address !== b.address || a.port !== b.port || a.checkPort !== b.checkPort;
}
