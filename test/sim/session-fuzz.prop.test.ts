// Strangers at the door: arbitrary bytes, arbitrary values and arbitrary well-formed messages reach the sessions of the master, of agents and of
// schedulers. Nothing throws, the checkers stay quiet, and the honest ones are connected and at work when the strangers have left.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { messageOf } from '../../src/base/errors.js';
import { codecs } from '../../src/protocol/codec.js';
import type { Framework } from '../../src/scheduler/framework.js';
import { BatchTenant, SimulationFailure, World } from '../../src/sim/index.js';
import type { CloseCode, Link, LinkHandler } from '../../src/transport/transport.js';
import { closeCodes } from '../../src/transport/transport.js';
import {
  arbitraryAgentCall,
  arbitraryAgentEvent,
  arbitraryJunk,
  arbitraryNearMiss,
  arbitrarySchedulerCall,
  arbitrarySchedulerEvent,
  smallPools,
} from '../support/arbitraries.js';
import { holds } from '../support/property.js';

/** Ids as the master of these worlds gives them, so that strangers hit what is there. Agents are named by strangers' own ids and made-up ones. */
const pools = { ...smallPools, frameworks: ['m-0000', 'm-0001', 'm-0002'], agents: ['m-S0', 'm-S1', 'm-S2', 'm-S3'] };
/** An agent with another's id would be that agent: who may say so is for authentication to settle. */
const strangerPools = { ...pools, agents: ['m-S2', 'm-S3', 'm-S9'] };
/** The same goes for the id of the honest framework, m-0000. */
const otherFrameworks = { ...pools, frameworks: ['m-0001', 'm-0002'] };

type Act =
  | { readonly do: 'message'; readonly message: unknown }
  | { readonly do: 'bytes'; readonly bytes: Uint8Array }
  | { readonly do: 'hello'; readonly hello: unknown }
  | { readonly do: 'reconnect' }
  | { readonly do: 'wait'; readonly ms: number };

/** What a stranger does, one thing after another. `valid` are messages it may know of. */
function acts(valid: Arbitrary<unknown>, first: unknown): Arbitrary<readonly Act[]> {
  const hello = fc.constant<Act>({ do: 'hello', hello: first });
  return fc.array(
    fc.oneof(
      { weight: 12, arbitrary: valid.map((message): Act => ({ do: 'message', message })) },
      { weight: 4, arbitrary: arbitraryNearMiss(valid).map((message): Act => ({ do: 'message', message })) },
      { weight: 2, arbitrary: arbitraryJunk.map((message): Act => ({ do: 'message', message })) },
      { weight: 2, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes): Act => ({ do: 'bytes', bytes })) },
      { weight: 2, arbitrary: hello },
      {
        weight: 1,
        arbitrary: arbitraryNearMiss(fc.constant(first)).map((message): Act => ({ do: 'hello', hello: message })),
      },
      { weight: 1, arbitrary: fc.constant<Act>({ do: 'reconnect' }) },
      { weight: 4, arbitrary: fc.nat({ max: 8000 }).map((ms): Act => ({ do: 'wait', ms })) },
    ),
    { minLength: 1, maxLength: 40 },
  );
}

const helloOf = (kind: string): object => ({ type: '$HELLO', protocol: 1, kind, version: 'stranger' });
const welcome = { type: '$WELCOME', protocol: 1, epoch: 0, heartbeatIntervalMs: 15_000 };

/** A cluster that works: two agents, one framework with a few services. */
function honestWorld(seed: number): { world: World; framework: () => Framework | undefined } {
  const world = new World({ seed, scenario: 'session-fuzz', auditEverySteps: 32 });
  world.addMaster({ id: 'm', master: { agentPingTimeoutMs: 5000 } });
  addHonest(world, 2);
  return { world, framework: () => world.schedulers.get('honest')?.framework };
}

function addHonest(world: World, agents: number): void {
  for (let i = 0; i < agents; i += 1) world.addAgent();
  const wishes = Array.from({ length: 4 }, (_, i) => ({
    key: `service-${i}`,
    kind: 'service' as const,
    tasks: [{ resources: { cpus: 0.5, mem: 64 }, behaviour: {} }] as const,
    atMs: i * 3000,
  }));
  const tenant = new BatchTenant(wishes);
  world.addScheduler(
    'honest',
    { info: { name: 'honest', roles: ['*'], failoverTimeoutMs: 3_600_000 } },
    (framework, env) => tenant.program(framework, env),
  );
}

let linkIds = 2_000_000_000;

/** A stranger at the master: links outside the network, so that also values no codec carries arrive. */
class Stranger {
  #handler: LinkHandler | undefined;
  readonly #world: World;
  readonly #path: string;

  constructor(world: World, path: string) {
    this.#world = world;
    this.#path = path;
    this.#connect();
  }

  act(act: Act): void {
    switch (act.do) {
      case 'message':
        return this.#handler?.onMessage(act.message);
      case 'hello':
        return this.#handler?.onMessage(act.hello);
      case 'bytes':
        return this.#bytes(act.bytes);
      case 'reconnect':
        this.leave();
        return this.#connect();
      case 'wait':
        return this.#world.run(act.ms);
    }
  }

  leave(): void {
    const handler = this.#handler;
    this.#handler = undefined;
    handler?.onEnd({ code: closeCodes.lost, reason: 'left' });
  }

  // As the WebSocket adapter does: a frame that cannot be decoded ends the link.
  #bytes(bytes: Uint8Array): void {
    let messages: readonly unknown[];
    try {
      messages = codecs['proffer.v1.msgpack'].decoder().decode(bytes);
    } catch (error) {
      assert.match(messageOf(error), /byte|frame|empty|ends|item/i);
      return this.leave();
    }
    for (const message of messages) this.#handler?.onMessage(message);
  }

  #connect(): void {
    linkIds += 1;
    let open = true;
    const link: Link = {
      id: linkIds,
      remote: 'stranger',
      send: () => {},
      close: (code: CloseCode, reason: string) => {
        if (!open) return;
        open = false;
        this.#world.clock.soon(() => {
          if (this.#handler !== handler) return;
          this.#handler = undefined;
          handler?.onEnd({ code, reason });
        });
      },
    };
    const handler = this.#world.master.accept(link, this.#path);
    this.#handler = handler;
  }
}

function reported(run: () => void): void {
  try {
    run();
  } catch (error) {
    throw error instanceof SimulationFailure ? new Error(error.describe()) : error;
  }
}

for (const [kind, path, valid] of [
  ['scheduler', '/v1/scheduler', arbitrarySchedulerCall(otherFrameworks)],
  ['agent', '/v1/agent', arbitraryAgentCall(strangerPools)],
] as const) {
  test(`a stranger ${kind} at the master harms nobody`, t => {
    const property = fc.property(acts(valid, helloOf(kind)), fc.nat({ max: 1000 }), (list, seed) =>
      reported(() => {
        const { world, framework } = honestWorld(seed);
        world.run(500);
        const stranger = new Stranger(world, path);
        stranger.act({ do: 'hello', hello: helloOf(kind) });
        for (const act of list) {
          stranger.act(act);
          world.run(20);
        }
        stranger.leave();
        world.run(60_000);
        world.audit();
        assert.equal(framework()?.connected, true);
        assert.deepEqual(
          [...world.agents.values()].map(({ agent }) => agent?.view().registered),
          [true, true],
        );
      }),
    );
    holds(t, property, { numRuns: 120, includeErrorInReport: true });
  });
}

test('a master that says anything at all harms neither agents nor schedulers, and an honest one takes over from it', t => {
  const property = fc.property(
    acts(arbitraryAgentEvent(pools), welcome),
    acts(arbitrarySchedulerEvent(pools), welcome),
    fc.nat({ max: 1000 }),
    (toAgents, toSchedulers, seed) =>
      reported(() => {
        const world = new World({ seed, scenario: 'session-fuzz', auditEverySteps: 32 });
        const links: { link: Link; path: string }[] = [];
        const listener = world.network.local.listen('master', (link, path) => {
          links.push({ link, path });
          link.send(welcome);
          return { onMessage: () => {}, onEnd: () => {} };
        });
        addHonest(world, 1);
        world.run(50);
        for (let i = 0; i < Math.max(toAgents.length, toSchedulers.length); i += 1) {
          for (const { link, path } of links.slice(-6))
            say(world, link, path === '/v1/agent' ? toAgents[i] : toSchedulers[i]);
          world.run(20);
        }
        listener.close();
        world.run(100);
        world.addMaster({ id: 'm', master: { agentPingTimeoutMs: 5000 } });
        world.run(180_000);
        world.audit();
        // An agent that was refused or told to end, and a framework that was told that it is over, did as they were told.
        for (const { agent } of world.agents.values()) assert.equal(typeof agent?.view().registered, 'boolean');
      }),
  );
  holds(t, property, { numRuns: 80, includeErrorInReport: true });
});

/** What no codec carries does not get this far: it is the codec's to refuse. */
function say(world: World, link: Link, act: Act | undefined): void {
  if (act === undefined || act.do === 'bytes') return;
  if (act.do === 'wait') return world.run(Math.min(act.ms, 1000));
  if (act.do === 'reconnect') return link.close(closeCodes.goingAway, 'as it likes');
  const message = act.do === 'hello' ? act.hello : act.message;
  if (typeof message !== 'object' || message === null) return;
  try {
    structuredClone(message);
    const sent = JSON.parse(JSON.stringify(message)) as object;
    link.send(sent);
  } catch {
    // Bigints, functions, circles.
  }
}
