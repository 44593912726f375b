// The orders of agents by name.
import type { AgentOrder } from './agent-order.js';
import { bestFit } from './best-fit.js';
import { binpack } from './binpack.js';
import { dotProduct } from './dot-product.js';
import { firstFit } from './first-fit.js';
import { iid } from './iid.js';
import { joint } from './joint.js';
import { nextFit } from './next-fit.js';
import { shuffle } from './shuffle.js';
import { spread } from './spread.js';

export const agentOrders = {
  shuffle,
  iid,
  'first-fit': firstFit,
  'next-fit': nextFit,
  'best-fit': bestFit,
  'dot-product': dotProduct,
  spread,
  binpack,
  joint,
} as const satisfies { readonly [name: string]: () => AgentOrder };
