// However agents come, go, and come again while the disk is busy, and wherever a master crashes: at rest the registry holds what the master knows of
// them, and who was told REGISTERED is in it. In: random stories over a store that is as slow as it likes.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type { AgentId } from '../../src/base/ids.js';
import type { OperatorCall } from '../../src/protocol/operator-api.js';
import type { FakeAgent } from '../support/master-rig.js';
import { MasterRig } from '../support/master-rig.js';
import { holds } from '../support/property.js';
import { SlowStore } from '../support/slow-store.js';

const who = fc.nat({ max: 2 });
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('sync' as const), writes: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('register' as const),
      who,
      version: fc.constantFrom('0.1.0', '0.1.0', '0.2.0'),
      pong: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('lose' as const), who }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('leave' as const), who }) },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('advance' as const),
      ms: fc.constantFrom(1_000, 15_000, 76_000, 100_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('operate' as const),
      who,
      what: fc.constantFrom('DRAIN_AGENT', 'DEACTIVATE_AGENT', 'MARK_AGENT_GONE', 'DOWN', 'UP'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('crash' as const), survivors: fc.nat({ max: 4 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

test('at rest the registry holds what the master knows of its agents', t => {
  const seen = { forgotten: 0, failed: 0, raced: 0 };
  holds(
    t,
    fc.property(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), steps => {
      const story = new Story();
      for (const each of steps) story.tell(each);
      story.rest();
      seen.forgotten += story.forgotten;
      seen.failed += story.failed;
      seen.raced += story.raced;
    }),
    { numRuns: 600, includeErrorInReport: true },
  );
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 20, `${count} ${what}`);
  t.pass();
});

interface Host {
  id: AgentId | undefined;
  peer: FakeAgent | undefined;
  heard: number;
}

class Story {
  forgotten = 0;
  /** Admissions whose session ended before they were durable. */
  failed = 0;
  /** Writes under way about the same agent. */
  raced = 0;
  readonly #store = new SlowStore();
  readonly #hosts: Host[] = [0, 1, 2].map(() => ({ id: undefined, peer: undefined, heard: 0 }));
  #masters = 0;
  #rig = this.#start();

  tell(each: Step): void {
    if (each.type === 'sync') this.#store.sync(each.writes);
    else if (each.type === 'advance') this.#rig.advance(each.ms);
    else if (each.type === 'crash') this.#crash(each.survivors);
    else this.#do(each);
    this.#rig.settle();
    for (const host of this.#hosts) this.#listen(host);
  }

  /** All writes and what they lead to are durable. */
  rest(): void {
    while (this.#store.waiting > 0) {
      this.#store.sync();
      this.#rig.settle();
    }
    const { agents, goneAgents, registeringAgents, goingAgents } = this.#rig.master.view;
    const known = [...agents.values()].map(({ id, state, info }) => {
      return [id, state === 'UNREACHABLE' ? 'UNREACHABLE' : 'ADMITTED', info.version];
    });
    const gone = [...goneAgents.keys()].map(id => [id, 'GONE', undefined]);
    const held = this.#store.load('agent/').map(({ key, value }) => {
      const entry = value as { readonly state: string; readonly info?: { readonly version: string } };
      return [key.slice('agent/'.length), entry.state, entry.info?.version];
    });
    assert.deepEqual(held.toSorted(byId), [...known, ...gone].toSorted(byId));
    for (const { key } of this.#store.load('drain/')) assert.ok(agents.has(key.slice('drain/'.length)), key);
    assert.deepEqual([registeringAgents.size, goingAgents.size], [0, 0]);
    for (const { leaving, id } of agents.values()) assert.equal(leaving, false, id);
  }

  #start(): MasterRig {
    const rig = new MasterRig({
      store: this.#store,
      masterId: `M${this.#masters}`,
      options: {
        unreachableAgentsMax: 1,
        absentAgentsKeptMs: 400_000,
        forgetIntervalMs: 100_000,
        agentReregisterTimeoutMs: 60_000,
      },
    });
    this.#masters += 1;
    return rig;
  }

  #crash(survivors: number): void {
    this.#store.crash(survivors);
    this.#rig.master.close();
    for (const host of this.#hosts) host.peer = undefined;
    this.#rig = this.#start();
  }

  #do(each: Exclude<Step, { type: 'sync' | 'advance' | 'crash' }>): void {
    const host = this.#hosts[each.who] as Host;
    switch (each.type) {
      case 'register': {
        if (host.id !== undefined && this.#store.waiting > 0) this.raced += 1;
        const info = { hostname: `h${each.who}`, version: each.version };
        host.peer = this.#rig.connectAgent();
        host.heard = 0;
        const { id: agentId } = host;
        const resources = { cpus: 4, mem: 4_096 };
        host.peer.register(resources, { info, pong: each.pong, ...(agentId === undefined ? {} : { agentId }) });
        return;
      }
      case 'lose':
        if (host.peer?.closed === undefined && this.#rig.master.view.registeringAgents.size > 0) this.failed += 1;
        host.peer?.disconnect();
        return;
      case 'leave':
        if (host.peer?.closed === undefined) host.peer?.raw({ type: 'UNREGISTER', message: 'bye' });
        return;
      case 'operate':
        return this.#operate(each.what, `h${each.who}`, host.id);
    }
  }

  #operate(what: Extract<Step, { type: 'operate' }>['what'], hostname: string, agentId: AgentId | undefined): void {
    const calls: OperatorCall[] = [];
    if (what === 'DOWN') {
      calls.push({ type: 'UPDATE_MAINTENANCE', windows: [{ hostnames: [hostname], unavailability: { startMs: 5 } }] });
      calls.push({ type: 'START_MAINTENANCE', hostnames: [hostname] });
    } else if (what === 'UP') {
      calls.push({ type: 'STOP_MAINTENANCE', hostnames: [hostname] });
    } else if (agentId !== undefined) {
      calls.push({ type: what, agentId });
    }
    for (const call of calls) this.#rig.master.operate(call, () => {});
  }

  #listen(host: Host): void {
    const { peer } = host;
    if (peer === undefined) return;
    for (const event of peer.events.slice(host.heard)) {
      if (event.type === 'REGISTERED') {
        host.id = event.agentId;
        const held = this.#store.load(`agent/${event.agentId}`);
        assert.equal(
          (held[0]?.value as { state?: string } | undefined)?.state,
          'ADMITTED',
          'told before it is durable',
        );
      }
      if (event.type === 'SHUTDOWN') host.id = undefined;
    }
    host.heard = peer.events.length;
    if (host.id !== undefined && !this.#rig.master.view.agents.has(host.id)) this.forgotten += 1;
  }
}

function byId([a]: readonly unknown[], [b]: readonly unknown[]): number {
  return String(a) < String(b) ? -1 : 1;
}
