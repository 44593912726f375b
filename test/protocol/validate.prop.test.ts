// Properties of the validators. Whatever comes in, they answer and never throw; what is valid survives unchanged; what is not gets problems that help.
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { errorCodes } from '../../src/base/errors.js';
import type { Problem } from '../../src/base/errors.js';
import { codecs, subprotocols } from '../../src/protocol/codec.js';
import { isResourceOperation, tasksOf } from '../../src/protocol/operations.js';
import type { Operation, ResourceOperation } from '../../src/protocol/scheduler-api.js';
import type { Checked, ValidatedSchedulerCall } from '../../src/protocol/validate.js';
import {
  agentInfoProblems,
  frameworkInfoProblems,
  offerConstraintsProblems,
  taskInfoProblems,
  validateAgentCall,
  validateAgentEvent,
  validateExecutorCall,
  validateExecutorEvent,
  validateOperatorCall,
  validateSchedulerCall,
  validateSchedulerEvent,
} from '../../src/protocol/validate.js';
import {
  arbitraryAgentCall,
  arbitraryAgentEvent,
  arbitraryAgentInfo,
  arbitraryExecutorCall,
  arbitraryExecutorEvent,
  arbitraryFrameworkInfo,
  arbitraryJunk,
  arbitraryNearMiss,
  arbitraryOperatorCall,
  arbitrarySchedulerCall,
  arbitrarySchedulerEvent,
  arbitraryTaskInfo,
} from '../support/arbitraries.js';
import { holds } from '../support/property.js';

const validators: readonly { name: string; validate: (raw: unknown) => Checked<unknown>; valid: Arbitrary<unknown> }[] =
  [
    { name: 'scheduler calls', validate: validateSchedulerCall, valid: arbitrarySchedulerCall() },
    { name: 'scheduler events', validate: validateSchedulerEvent, valid: arbitrarySchedulerEvent() },
    { name: 'agent calls', validate: validateAgentCall, valid: arbitraryAgentCall() },
    { name: 'agent events', validate: validateAgentEvent, valid: arbitraryAgentEvent() },
    { name: 'executor calls', validate: validateExecutorCall, valid: arbitraryExecutorCall() },
    { name: 'executor events', validate: validateExecutorEvent, valid: arbitraryExecutorEvent() },
    { name: 'operator calls', validate: validateOperatorCall, valid: arbitraryOperatorCall() },
  ];

const problemLists: readonly {
  name: string;
  problems: (raw: unknown) => readonly Problem[];
  valid: Arbitrary<unknown>;
}[] = [
  { name: 'tasks', problems: taskInfoProblems, valid: arbitraryTaskInfo() },
  { name: 'frameworks', problems: frameworkInfoProblems, valid: arbitraryFrameworkInfo() },
  { name: 'agents', problems: agentInfoProblems, valid: arbitraryAgentInfo() },
  {
    name: 'constraints',
    problems: offerConstraintsProblems,
    valid: fc.constant({ web: [[{ attribute: 'a', predicate: 'EXISTS' }]] }),
  },
];

for (const { name, validate, valid } of validators) {
  test(`valid ${name} come out as they went in`, t => {
    holds(
      t,
      fc.property(valid, message => {
        const before = structuredClone(message);
        const checked = validate(message);
        assert.deepEqual(checked, { ok: true, value: before });
        assert.deepEqual(message, before, 'the message itself is untouched');
      }),
      { numRuns: 200 },
    );
  });

  test(`${name} that are junk or near misses get an answer, never an exception`, t => {
    const anything = fc.oneof(
      { weight: 1, arbitrary: arbitraryJunk },
      { weight: 4, arbitrary: arbitraryNearMiss(valid) },
    );
    holds(
      t,
      fc.property(anything, raw => {
        const checked = validate(raw);
        if (!checked.ok) assertHelpful(checked.problems);
        else if (isAcceptWithFindings(checked.value)) assertStandIns(checked.value, raw);
        else assert.equal(checked.value, raw);
        assert.equal(({} as { polluted?: boolean }).polluted, undefined);
      }),
      { numRuns: 600 },
    );
  });
}

for (const subprotocol of subprotocols) {
  test(`valid messages are still valid when they come out of ${subprotocol}`, t => {
    const codec = codecs[subprotocol];
    for (const { validate, valid } of validators) {
      const encoder = codec.encoder();
      const decoder = codec.decoder();
      holds(
        t,
        fc.property(valid, message => {
          // JSON has no Infinity, which only limits may be.
          fc.pre(codec.binary || !hasInfinity(message));
          const decoded: unknown[] = [];
          encoder.encode([message as object], frame => {
            decoded.push(...decoder.decode(typeof frame === 'string' ? frame : frame.slice()));
          });
          assert.equal(decoded.length, 1);
          const checked = validate(decoded[0]);
          assert.ok(checked.ok, JSON.stringify(checked));
          assert.ok(!isAcceptWithFindings(checked.value), JSON.stringify(checked));
        }),
        { numRuns: 60 },
      );
    }
  });
}

for (const { name, problems, valid } of problemLists) {
  test(`nothing is wrong with valid ${name}, something with the others`, t => {
    holds(
      t,
      fc.property(valid, value => assert.deepEqual(problems(value), [])),
    );
    holds(
      t,
      fc.property(fc.oneof(arbitraryJunk, arbitraryNearMiss(valid)), value => {
        const found = problems(value);
        if (found.length > 0) assertHelpful(found);
      }),
    );
  });
}

/** Problems a person can act on, and few enough for one frame. */
function assertHelpful(problems: readonly Problem[]): void {
  assert.ok(problems.length >= 1, 'there is a problem');
  assert.ok(problems.length <= 101, 'not more than fit into an answer');
  for (const { path, code, message, hint } of problems) {
    assert.equal(typeof path, 'string');
    assert.ok(code in errorCodes, code);
    assert.ok(message.length > 0 && message.length < 1500, message);
    assert.ok(hint === undefined || hint.length > 0);
  }
}

function hasInfinity(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).some(hasInfinity);
  return value === Number.POSITIVE_INFINITY;
}

function isAcceptWithFindings(value: unknown): value is Extract<ValidatedSchedulerCall, { type: 'ACCEPT' }> {
  return typeof value === 'object' && value !== null && ('taskProblems' in value || 'operationProblems' in value);
}

/** Each bad task or operation is told of and replaced by something harmless of the same name; all others are the very objects that came. */
function assertStandIns(value: Extract<ValidatedSchedulerCall, { type: 'ACCEPT' }>, raw: unknown): void {
  const before = raw as typeof value;
  const told = new Map(value.taskProblems?.map(entry => [`${entry.operation} ${entry.task}`, entry.problems]));
  const dropped = new Map(value.operationProblems?.map(entry => [entry.operation, entry.problems]));
  assert.ok(told.size + dropped.size > 0);
  for (const [o, operation] of value.operations.entries()) {
    const cameWith = before.operations[o] as Operation;
    const path = `accept.operations[${o}]`;
    const problems = dropped.get(o);
    dropped.delete(o);
    if (isResourceOperation(operation)) {
      if (problems === undefined) assert.equal(operation, cameWith);
      else assertOperationStandIn(operation, cameWith, problems, path);
      continue;
    }
    assert.equal(problems, undefined);
    for (const [i, task] of operation.tasks.entries()) {
      const taskProblems = told.get(`${o} ${i}`);
      const came = tasksOf(cameWith)[i];
      if (taskProblems === undefined) assert.equal(task, came);
      else {
        assertHelpful(taskProblems);
        const mine = (at: string): boolean => at.startsWith(`${path}.tasks[${i}]`) || at === `${path}.id`;
        assert.ok(taskProblems.every(problem => mine(problem.path)));
        assert.equal(task.taskId, came?.taskId);
        assert.deepEqual(task.resources, {});
        assert.deepEqual(Object.keys(task), ['taskId', 'name', 'resources']);
      }
      told.delete(`${o} ${i}`);
    }
  }
  assert.equal(told.size + dropped.size, 0, 'nothing is told of what is not there');
}

function assertOperationStandIn(
  operation: ResourceOperation,
  came: Operation,
  problems: readonly Problem[],
  path: string,
): void {
  assertHelpful(problems);
  assert.ok(problems.every(problem => problem.path.startsWith(path)));
  assert.equal(operation.type, came.type);
  assert.ok(operation.id === undefined || operation.id === came.id);
  const again = validateSchedulerCall({ type: 'ACCEPT', offerIds: [], operations: [operation] });
  assert.ok(again.ok && again.value.type === 'ACCEPT');
  assert.equal(again.value.operationProblems?.length, 1, 'a stand-in can never be carried out');
}
