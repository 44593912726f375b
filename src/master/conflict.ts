// Optimistic commit: when an accept has lost what it was offered, and what becomes of it then. In: the policy as the allocator tells it. Out: the rule.

/**
 * `test`: `fit`, it is not free any more; `sequence`, or anything was taken of the agent, or converted there, since the offer. `transaction`: whether an
 * accept that lost a part goes on with the rest (`incremental`) or not at all. Source: Schwarzkopf et al., "Omega" (EuroSys 2013).
 */
export interface ConflictRule {
  readonly test: 'fit' | 'sequence';
  readonly transaction: 'incremental' | 'all-or-nothing';
}

export const fitOrNot: ConflictRule = { test: 'fit', transaction: 'incremental' };

/** The rule in the words of a policy; what it does not say is as in `fitOrNot`. */
export function conflictRule(policy: { readonly [axis: string]: unknown }): ConflictRule {
  const said = policy['conflict'];
  if (typeof said !== 'object' || said === null) return fitOrNot;
  const { test, transaction } = said as Partial<ConflictRule>;
  return {
    test: test === 'sequence' ? test : 'fit',
    transaction: transaction === 'all-or-nothing' ? transaction : 'incremental',
  };
}
