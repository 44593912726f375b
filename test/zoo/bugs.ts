// All bugs of the zoo. In: one list per class. Out: one list.
import type { Bug } from './bug.js';
import { accounting } from './bugs/accounting.js';
import { doubleLaunch } from './bugs/double-launch.js';
import { durability } from './bugs/durability.js';
import { ghosts } from './bugs/ghosts.js';
import { healthyWork } from './bugs/healthy-work.js';
import { lostWork } from './bugs/lost-work.js';
import { recovery } from './bugs/recovery.js';
import { stuck } from './bugs/stuck.js';
import { unfair } from './bugs/unfair.js';
import { wrongState } from './bugs/wrong-state.js';

export const bugs: readonly Bug[] = [
  ...doubleLaunch,
  ...lostWork,
  ...ghosts,
  ...stuck,
  ...healthyWork,
  ...wrongState,
  ...accounting,
  ...unfair,
  ...durability,
  ...recovery,
];
