// What of the agent's resources is in use, so that nothing is given twice. In: what tasks and executors take and give back. Out: shortages.
import type { Bag, Resource, Shortage } from '../resources/index.js';
import { add, addDisjoint, bagOf, emptyBag, fromBag, quantities, shortages, subtract } from '../resources/index.js';
import type { Resources } from '../resources/index.js';
import { differenceRanges, unionRanges } from '../resources/ranges.js';
import type { Range } from '../resources/index.js';

export { fromBag };
