// What becomes of an operation that an agent carries out. In: the master's answer to the call. Out: the outcome, told; the exit code.
import { setTimeout as delay } from 'node:timers/promises';
import { ProfferError } from '../base/errors.js';
import { formatDurationMs } from '../base/units.js';
import type { AcceptedView, OperationView } from '../protocol/operator-api.js';
import type { Client } from './client.js';
import type { Terminal } from './command.js';
import { exitCodes } from './command.js';
import { usage } from './flags.js';
import { printable } from './table.js';

const lookEveryMs = 100;
const waitDefaultMs = 30_000;

/** Of commands with `outcomeFlags`. */
export interface OutcomeChoice {
  readonly wait: boolean | undefined;
  readonly timeout: number | undefined;
  readonly json: boolean;
}

/** What is said of it: `reserving cpus:1 on A-S0`, then `reserved …`. */
export interface Doing {
  readonly begun: string;
  readonly done: string;
}

/**
 * Posts the call, and waits for the agent's word unless that is not wanted. Failed operations are told as an error of the exit code 1.
 * @throws (rejects) ProfferError as the master said it; TIMED_OUT, after which the operation goes on.
 */
export async function operate(
  master: Client,
  terminal: Terminal,
  choice: OutcomeChoice,
  doing: Doing,
  path: string,
  body: object,
): Promise<number> {
  const { wait = true, timeout, json } = choice;
  if (!wait && timeout !== undefined) throw usage('--timeout: with --no-wait nothing is waited for');
  const text = await master.post(path, body);
  const { operation: uuid } = JSON.parse(text) as AcceptedView;
  if (!wait || uuid === undefined) {
    const look = uuid === undefined ? '' : `; proffer operations shows what becomes of ${printable(uuid)}`;
    terminal.out(json ? text : `${doing.begun}${look}\n`);
    return exitCodes.ok;
  }
  const outcome = await ended(master, uuid, timeout ?? waitDefaultMs);
  if (json) terminal.out(outcome.text);
  if (outcome.value.state === 'OPERATION_FINISHED') {
    if (!json) terminal.out(`${doing.done}\n`);
    return exitCodes.ok;
  }
  if (!json) terminal.err(`error: ${doing.begun} failed: ${whyNot(outcome.value)}\n`);
  return exitCodes.failure;
}

function whyNot({ state, message }: OperationView): string {
  return printable(message === undefined ? state : `${message} (${state})`);
}

async function ended(
  master: Client,
  uuid: string,
  timeoutMs: number,
): Promise<{ readonly text: string; readonly value: OperationView }> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const found = await master.get<OperationView>(`/operations/${encodeURIComponent(uuid)}`);
    const { state, message } = found.value;
    if (state !== 'OPERATION_PENDING') return found;
    if (performance.now() + lookEveryMs > endMs) {
      const why = message === undefined ? 'the agent has not answered' : message;
      throw new ProfferError(
        'TIMED_OUT',
        `operation ${uuid} has no outcome after ${formatDurationMs(timeoutMs)}: ${why}`,
        {
          hint: 'it goes on; proffer operations shows what becomes of it',
        },
      );
    }
    await delay(lookEveryMs);
  }
}
