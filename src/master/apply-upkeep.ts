// How changes of activity, maintenance and inverse offers are carried out. In: the state, the allocator, the change. Out: both changed.
import { assertNever, must } from '../base/assert.js';
import type { FrameworkId } from '../base/ids.js';
import type { Allocator } from '../allocator/allocator.js';
import type { Change } from './changes.js';
import type { ClusterState } from './state.js';
import { agentOf } from './state.js';
import type { InverseRecord } from './upkeep-state.js';

export type UpkeepChange = Extract<
  Change,
  {
    type:
      | 'AGENT_PLANNED'
      | 'AGENT_ADMIN_CHANGED'
      | 'MAINTENANCE_PLANNED'
      | 'MAINTENANCE_CHANGED'
      | 'INVERSE_OFFER_MADE'
      | 'INVERSE_OFFER_EXPIRED'
      | 'INVERSE_OFFER_ANSWERED'
      | 'INVERSE_OFFER_FORGOTTEN';
  }
>;

export function applyUpkeep(state: ClusterState, allocator: Allocator, change: UpkeepChange): void {
  switch (change.type) {
    case 'AGENT_PLANNED':
      agentOf(state, change.agentId).plan = change.plan;
      return;
    case 'AGENT_ADMIN_CHANGED': {
      const agent = agentOf(state, change.agentId);
      // Nothing else is being written: what another record of the agent left to be written holds for this one.
      if (agent.plan === agent.admin) agent.plan = change.admin;
      agent.admin = change.admin;
      if (agent.state !== 'REGISTERED') return;
      if (change.admin.activity === 'ACTIVE') allocator.activateAgent(agent.id);
      else allocator.deactivateAgent(agent.id);
      return;
    }
    case 'MAINTENANCE_PLANNED':
      state.maintenancePlan = change.maintenance;
      state.maintenanceWrites.push(change.maintenance);
      return;
    case 'MAINTENANCE_CHANGED':
      must(state.maintenanceWrites.shift(), 'the schedule that was being written');
      state.maintenance = change.maintenance;
      return;
    case 'INVERSE_OFFER_MADE': {
      const { agentId, frameworkId, inverseOfferId } = change;
      const { inverse } = agentOf(state, agentId);
      const record = inverse.get(frameworkId) ?? newInverse(agentId, frameworkId);
      inverse.set(frameworkId, record);
      record.outstanding = inverseOfferId;
      record.expiresAtMs = change.expiresAtMs;
      state.inverseOffers.set(inverseOfferId, record);
      state.nextInverseOffer += 1;
      return;
    }
    case 'INVERSE_OFFER_EXPIRED': {
      const record = must(state.inverseOffers.get(change.inverseOfferId), 'the inverse offer that expires');
      close(state, record);
      record.refuseUntilMs = change.refuseUntilMs;
      return;
    }
    case 'INVERSE_OFFER_ANSWERED': {
      const record = must(state.inverseOffers.get(change.inverseOfferId), 'the inverse offer that is answered');
      close(state, record);
      record.answer = change.answer;
      record.atMs = change.wallMs;
      record.refuseUntilMs = change.refuseUntilMs;
      return;
    }
    case 'INVERSE_OFFER_FORGOTTEN': {
      const { inverse } = agentOf(state, change.agentId);
      close(state, must(inverse.get(change.frameworkId), 'what a framework was asked'));
      inverse.delete(change.frameworkId);
      return;
    }
    default:
      assertNever(change, 'change');
  }
}

/** A framework that comes or goes is asked anew; what it answered holds. */
export function discardInverse(state: ClusterState, frameworkId: FrameworkId): void {
  for (const record of state.inverseOffers.values()) if (record.frameworkId === frameworkId) close(state, record);
}

/** REVIVE: its filters end. */
export function clearInverseFilters(state: ClusterState, frameworkId: FrameworkId): void {
  if (state.maintenance.byHost.size === 0) return;
  for (const agent of state.agents.values()) {
    const record = agent.inverse.get(frameworkId);
    if (record !== undefined) record.refuseUntilMs = 0;
  }
}

/** The framework has ended. */
export function forgetInverse(state: ClusterState, frameworkId: FrameworkId): void {
  if (state.maintenance.byHost.size === 0) return;
  discardInverse(state, frameworkId);
  for (const agent of state.agents.values()) agent.inverse.delete(frameworkId);
}

function close(state: ClusterState, record: InverseRecord): void {
  if (record.outstanding !== undefined) state.inverseOffers.delete(record.outstanding);
  record.outstanding = undefined;
}

function newInverse(agentId: InverseRecord['agentId'], frameworkId: FrameworkId): InverseRecord {
  return {
    agentId,
    frameworkId,
    outstanding: undefined,
    expiresAtMs: 0,
    answer: 'UNKNOWN',
    atMs: undefined,
    refuseUntilMs: 0,
  };
}
