// The fourth axis of a policy: whether an offer books what it offers. Pessimistic: nobody else is offered it meanwhile. Optimistic: several are,
// and the accept decides.

/**
 * When an offer takes its resources. `pessimistic`: when it is made. `optimistic`: when it is accepted, as far as there is no conflict
 * then. `test`: what a
 * conflict is: `fit`, something is not free any more; `sequence`, anything changed on the agent since the offer. `transaction`: what
 * becomes of an accept
 * with a conflict: `incremental`, what fits is done; `all-or-nothing`, nothing is. `copies`: how many clients have an
 * offer of one agent at once at most.
 * Source: Schwarzkopf et al., "Omega" (EuroSys 2013).
 */
export type Commit =
  | { readonly kind: 'pessimistic' }
  | {
      readonly kind: 'optimistic';
      readonly test: 'fit' | 'sequence';
      readonly transaction: 'incremental' | 'all-or-nothing';
      readonly copies: number;
    };

/** As it is written in flags. */
export function commitName(commit: Commit): string {
  return commit.kind === 'pessimistic'
    ? commit.kind
    : `optimistic:${commit.test},${commit.transaction},copies=${commit.copies}`;
}
