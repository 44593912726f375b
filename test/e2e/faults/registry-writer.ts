// An operator who never rests: changes the registry of a master from eight sides at once, and knows what was acknowledged. In: a scene. Out: what must be there.
import type { QuotaView, WeightView } from '../../../src/protocol/operator-api.js';
import type { Scene } from './scene.js';

const sides = 8;

export class RegistryWriter {
  readonly #scene: Scene;
  /** Role → value: acknowledged with 200. */
  readonly #acknowledged = new Map<string, number>();
  #written = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** How many changes were acknowledged so far. */
  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  /** Sets weights and quota of ever new roles until one of its calls finds no master; gives the statuses that were neither 200 nor that. */
  async writeUntilGone(): Promise<readonly number[]> {
    let over = false;
    const others: number[] = [];
    await Promise.all(
      Array.from({ length: sides }, async () => {
        while (!over) {
          const status = await this.writeOne();
          if (status === 200) continue;
          over = true;
          if (status !== 0) others.push(status);
        }
      }),
    );
    return others;
  }

  /** One change; gives the status of the answer, 0 when there was none. */
  async writeOne(): Promise<number> {
    const n = (this.#written += 1);
    const role = `role-${n}`;
    const status =
      n % 2 === 0
        ? await this.#scene.post('/weights', { weights: [{ role, weight: n }] })
        : await this.#scene.post('/quota', { quotas: [{ role, limits: { cpus: n } }] });
    if (status === 200) this.#acknowledged.set(role, n);
    return status;
  }

  /** Checks that all of it is there, and nothing that was never asked for. */
  async check(when: string): Promise<void> {
    const weights = await this.#scene.get<WeightView[]>('/weights');
    const quota = await this.#scene.get<QuotaView[]>('/quota');
    const found = [
      ...weights.map(({ role, weight }) => `${role}=${weight}`),
      ...quota.map(({ role, limits }) => `${role}=${limits['cpus']}`),
    ];
    const expected = [...this.#acknowledged].map(([role, value]) => `${role}=${value}`);
    const { report } = this.#scene;
    report.nothingLost(`acknowledged changes (${when})`, expected, found);
    const strange = found.filter(one => {
      const [role = '', value] = one.split('=');
      return role !== `role-${value}` || Number(value) > this.#written;
    });
    report.check(`nothing is there that nobody asked for (${when})`, strange.length === 0, strange.slice(0, 5).join());
  }
}
