// Bugs of agents that take over what an earlier process of theirs left. In: nothing. Out: bugs.
import type { Bug } from '../bug.js';

export const recovery: readonly Bug[] = [
  {
    name: 'statuses are lost with the agent process',
    class: 'lost work',
    breaks: 'T5',
    file: 'src/agent/runner.ts',
    find: 'if (acknowledged !== true) outbox.restore(record, status);',
    replace: '',
  },
  {
    name: 'a status is told before it is on disk',
    class: 'durability',
    breaks: 'A3',
    file: 'src/agent/outbox.ts',
    find: 'this.#keeper.after(() => this.#enqueue(record, status, ways.replaceable));',
    replace: 'this.#enqueue(record, status, ways.replaceable);',
  },
  {
    name: 'what tasks of the earlier agent process hold is free',
    class: 'accounting',
    breaks: 'R1',
    evidence: 'MESOS-1718',
    file: 'src/agent/runner.ts',
    find: 'ledger.retake(record.resources);',
    replace: '',
  },
];
