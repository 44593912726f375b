// What is wanted of the master: roles, and offers for them. In: definitions, what waits. Out: UPDATE_FRAMEWORK, SUPPRESS, REVIVE.
import type { Framework, Role } from 'proffer';
import { runSpecsOf } from '../model/group.js';
import type { Group } from '../model/group.js';
import type { Core } from './core.js';
import type { Releasing } from './releasing.js';
import type { Ledger } from '../records/ledger.js';

/** The roles that definitions and instances have, the default one first. They stay as long as this process: a role may be needed again. */
export function rolesOf({ root, instances }: Pick<Ledger, 'root' | 'instances'>, byDefault: Role): Set<Role> {
  const roles = new Set([byDefault]);
  for (const { role } of runSpecsOf(root)) roles.add(role);
  for (const { role } of instances.values()) roles.add(role);
  return roles;
}

export class Wanting {
  readonly #core: Core;
  readonly #framework: Framework;
  readonly #releasing: Releasing;
  #root: Group | undefined;
  /** Roles of run specs with one instance on each agent: new agents show themselves by offers. */
  #everywhere: ReadonlySet<Role> = new Set();
  #roles: ReadonlySet<Role> = new Set();
  #asking = false;
  #revivedAt = Number.NEGATIVE_INFINITY;
  #isReviveWanted = false;

  constructor(core: Core, framework: Framework, releasing: Releasing) {
    this.#core = core;
    this.#framework = framework;
    this.#releasing = releasing;
  }

  /** At the end of a turn. */
  tell(): void {
    const { book, ledger, now, options } = this.#core;
    if (this.#root !== ledger.root) {
      this.#root = ledger.root;
      this.#roles = rolesOf(ledger, options.settings.mesosRole);
      this.#everywhere = new Set(
        Array.from(runSpecsOf(ledger.root), ({ role, instances }) => (instances === '*' ? role : '')),
      );
    }
    this.#subscribe();
    const demand = book.demand(now);
    for (const role of [...this.#everywhere, ...this.#releasing.roles()]) {
      if (role !== '' && !demand.has(role)) demand.set(role, 1);
    }
    this.#framework.setDemand(demand);
    if (this.#isReviveWanted && now >= this.#revivedAt + reviveMs) this.#revive([...demand.keys()]);
  }

  /** Offers that were refused are wanted again: by now they may be taken. */
  revive(): void {
    this.#isReviveWanted = true;
  }

  /** When they are asked for again. */
  nextAt(): number | undefined {
    return this.#isReviveWanted ? this.#revivedAt + reviveMs : undefined;
  }

  #revive(waiting: readonly Role[]): void {
    this.#isReviveWanted = false;
    const { connected, roles } = this.#framework;
    const wanted = waiting.filter(role => roles.includes(role));
    if (!connected || wanted.length === 0) return;
    this.#revivedAt = this.#core.now;
    this.#framework.revive(wanted);
  }

  #subscribe(): void {
    const { roles, connected } = this.#framework;
    if (this.#asking || !connected) return;
    const missing = [...this.#roles].filter(role => !roles.includes(role));
    if (missing.length === 0) return;
    this.#asking = true;
    this.#framework.update({ roles: [...roles, ...missing] }).then(
      () => {
        this.#asking = false;
        this.tell();
      },
      (error: unknown) => {
        this.#asking = false;
        this.#core.env.log.warn('the roles of the framework could not be changed', {
          roles: missing,
          why: String(error),
        });
      },
    );
  }
}

/** Refused offers are asked for again at most this often. */
const reviveMs = 5000;
