// What finding services needs of Marathon. Types only.
import type { MarathonView } from '../service/marathon.js';

/** The part of Marathon's view that names and routes are made from. */
export type DiscoveryView = Pick<MarathonView, 'root' | 'instancesOf' | 'specOf' | 'master' | 'changes$'>;
