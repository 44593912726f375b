// The checkers of scenarios beside those every world has: they go by what tenants and operators asked for, and by what one master leaves to the next.
// In: nothing. Out: one of each, for one run.
import type { Checker } from './checker.js';
import { AgentBooksChecker } from './agent-books.js';
import { AnswersChecker } from './answers.js';
import { BoundsChecker } from './bounds.js';
import { DurabilityChecker } from './durability.js';
import { EndsChecker } from './ends.js';
import { EpochsChecker } from './epochs.js';
import { GoneChecker } from './gone.js';
import { InheritanceChecker } from './inheritance.js';
import { KillsChecker } from './kills.js';
import { LeadershipChecker } from './leadership.js';
import { OrdersChecker } from './orders.js';
import { PatienceChecker } from './patience.js';
import { ProvenanceChecker } from './provenance.js';
import { ReconciliationChecker } from './reconciliation.js';
import { RegistrationsChecker } from './registrations.js';
import { RemovalsChecker } from './removals.js';
import { RepeatsChecker } from './repeats.js';
import { RetriesChecker } from './retries.js';
import { RecoveryChecker } from './recovery.js';
import { SilenceChecker } from './silence.js';
import { SingleSessionChecker } from './single-session.js';
import { StandingOffersChecker } from './standing-offers.js';
import { SteadyChecker } from './steady.js';
import { TrackersChecker } from './trackers.js';
import { StormsChecker } from './storms.js';
import { TakenBackChecker } from './taken-back.js';

/** Made anew for each run. */
export function scenarioCheckers(): readonly Checker[] {
  return [
    new DurabilityChecker(),
    new EndsChecker(),
    new KillsChecker(),
    new InheritanceChecker(),
    new LeadershipChecker(),
    new ReconciliationChecker(),
    new SilenceChecker(),
    new StandingOffersChecker(),
    new GoneChecker(),
    new SteadyChecker(),
    new AgentBooksChecker(),
    new OrdersChecker(),
    new ProvenanceChecker(),
    new RepeatsChecker(),
    new RetriesChecker(),
    new TrackersChecker(),
    new RecoveryChecker(),
    new EpochsChecker(),
    new SingleSessionChecker(),
    new TakenBackChecker(),
    new RemovalsChecker(),
    new StormsChecker(),
    new AnswersChecker(),
    new BoundsChecker(),
    new PatienceChecker(),
    new RegistrationsChecker(),
  ];
}
