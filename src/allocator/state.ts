// What the parts of one allocator share. In: nothing. Out: its shape.
import type { Clients } from './clients/clients.js';
import type { FilterEras } from './filters/offer-filters.js';
import type { AgentPool } from './pool/agent-pool.js';
import type { Copies } from './pool/copies.js';
import type { QuotaBook } from './quota/quota-book.js';
import type { RoleTree } from './sorter/role-tree.js';

/** Everything a cycle works on. */
export interface AllocatorState {
  readonly tree: RoleTree;
  readonly clients: Clients;
  readonly pool: AgentPool;
  readonly eras: FilterEras;
  readonly quota: QuotaBook;
  readonly copies: Copies;
  /** The master's region, when it has one. */
  readonly region: string | undefined;
  /** Whether agents with gpus are kept for frameworks that can use them. */
  readonly filterGpus: boolean;
  /** The number of the run in progress; 0 between runs. */
  run: number;
  /** Batch runs begun so far. */
  batch: number;
}
