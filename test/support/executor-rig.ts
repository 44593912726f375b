// An agent under virtual time that executors can reach, and an executor program on a driver. In: what the program does. Out: what it heard.
import { ExecutorDriver } from '../../src/executor/executor-driver.js';
import type { ExecutorHandler } from '../../src/executor/executor-driver.js';
import { executorSettings } from '../../src/executor/executor-settings.js';
import type { ExecutorInfo, TaskInfo } from '../../src/protocol/entities.js';
import { validateExecutorCall } from '../../src/protocol/validate.js';
import { LocalNetwork } from '../../src/transport/local-transport.js';
import { acceptSession } from '../../src/transport/session.js';
import { AgentRig, task } from './agent-rig.js';
import type { RigOptions } from './agent-rig.js';

export const executor: ExecutorInfo = {
  executorId: 'worker',
  command: { value: './worker' },
  resources: { cpus: 0.1, mem: 32 },
};

/** A task of the executor. */
export function own(taskId: string, more: Partial<TaskInfo> = {}): TaskInfo {
  const { command: _command, ...rest } = task(taskId, more);
  return { executor, ...rest };
}

/** An agent that executors can reach, and a program that runs on a driver and notes what it hears. */
export class ExecutorRig extends AgentRig {
  readonly network: LocalNetwork;
  readonly heard: string[] = [];
  readonly launched: TaskInfo[] = [];
  driver: ExecutorDriver | undefined;

  constructor(options: RigOptions = {}) {
    super({ ...options, options: { executorEndpoint: 'ws://agent:5051/v1/executor', ...options.options } });
    const { before } = options;
    this.network =
      before instanceof ExecutorRig
        ? before.network
        : new LocalNetwork(this.clock, { latencyMs: () => 1, encode: 'msgpack' });
    this.network.listen('agent:5051', link =>
      acceptSession(this.env, link, { kind: 'executor', validate: validateExecutorCall }, peer =>
        this.agent.acceptExecutor(peer),
      ),
    );
  }

  override crash(): void {
    super.crash();
    this.network.crash('agent');
  }

  /** The program starts, as its container would start it. */
  startProgram(handler: Partial<ExecutorHandler> = {}): ExecutorDriver {
    const settings = executorSettings(this.containers.of('worker').spec.env);
    this.driver = new ExecutorDriver(
      // It outlives its agent.
      { ...this.env, clock: this.clock },
      { ...settings, dialer: this.network.dialer('program'), version: '0.1.0' },
      {
        onRegistered: registration => this.heard.push(`registered at ${registration.agentId}`),
        onLaunch: one => {
          this.heard.push(`launch ${one.taskId}`);
          this.launched.push(one);
          this.driver?.update({ taskId: one.taskId, state: 'TASK_RUNNING' });
        },
        onKill: (taskId, policy) => this.heard.push(`kill ${taskId} ${policy?.gracePeriodMs}`),
        onMessage: data => this.heard.push(`message ${data}`),
        onShutdown: why => this.heard.push(`shutdown: ${why}`),
        onError: problems => this.heard.push(...problems.map(problem => `error ${problem.code} ${problem.path}`)),
        ...handler,
      },
    );
    this.clock.advance(100);
    return this.driver;
  }

  /** Its program runs, and the first task with it. */
  static running(options: RigOptions = {}): ExecutorRig & { driver: ExecutorDriver } {
    const rig = new ExecutorRig(options);
    rig.launch([own('a', { role: 'ads' })]);
    rig.startProgram();
    return rig as ExecutorRig & { driver: ExecutorDriver };
  }
}
