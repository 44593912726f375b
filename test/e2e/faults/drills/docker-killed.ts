// F8: the Docker engine stops answering, then is killed and started again. That is no end of any container: tasks run on, and what ended is told when it answers.
import { testImage } from '../../../support/docker.js';
import { eventually } from '../../../support/cli.js';
import { DockerEngine } from '../docker-engine.js';
import type { Drill } from '../drill.js';
import type { TaskOrder } from '../scheduler-program.js';
import { pause, startTimeOf } from '../scene.js';

const stoppedMs = 12_000;
const downMs = 4000;

export const dockerKilled: Drill = {
  name: 'docker-killed',
  rows: 'F8',
  about: 'the Docker engine is stopped for 12 s, then killed and started again',
  needs: ['root', 'docker'],
  limitMs: 180_000,
  run: async scene => {
    const { report } = scene;
    const engine = new DockerEngine(scene);
    await scene.startMaster();
    scene.startAgent('node-1', { containerizer: 'docker', env: engine.env });
    await scene.untilAgent('node-1', 'REGISTERED');
    const tenant = await scene.startTenant();
    const ids = ['box-1', 'box-2', 'ending'];
    tenant.launch(...ids.map(container));
    await tenant.until('TASK_RUNNING', ids);
    const processes = engine.processes(ids);
    const { pid: endingPid = 0 } = processes.get('ending') ?? {};
    const untouched = new Map([...processes].filter(([id]) => id.startsWith('box')));
    report.check('the containers have processes', processes.size === ids.length, [...processes.keys()].join());

    report.fault('SIGSTOP of the engine');
    engine.signal('SIGSTOP');
    tenant.launch(container('meanwhile'));
    const begun = performance.now();
    let slowestMs = 0;
    while (performance.now() - begun < stoppedMs) {
      const asked = performance.now();
      const agent = await scene.agent('node-1');
      const health = await fetch(`http://127.0.0.1:${agent?.port}/health`);
      slowestMs = Math.max(slowestMs, performance.now() - asked);
      report.check('stopped: the agent is healthy and registered', health.ok && agent?.liveness === 'REGISTERED');
      await pause(1000);
    }
    report.check('stopped: the agent answers within 1 s', slowestMs < 1000, `${Math.round(slowestMs)} ms`);
    engine.signal('SIGCONT');
    await report.within('continued: a task launched meanwhile runs, or is told why not', 30_000, () =>
      eventually(
        'the task has a state',
        () => !['', 'TASK_STAGING', 'TASK_STARTING'].includes(tenant.state('meanwhile') ?? ''),
      ),
    );
    scene.alive(untouched, 'after the stop');

    report.fault('kill -9 of the engine');
    await engine.kill();
    process.kill(endingPid, 'SIGUSR1');
    await pause(downMs);
    report.check('killed: the container ended with nobody looking', startTimeOf(endingPid) === undefined);
    report.check('killed: no end is told', tenant.endedFalsely(ids).length === 0, tenant.endedFalsely(ids).join('; '));
    scene.alive(untouched, 'without an engine');
    await engine.restart();
    await report.within('back: the task that ended meanwhile is told to have', 30_000, () =>
      tenant.until('TASK_FAILED', ['ending']),
    );
    const { exitCode } = tenant.last('ending') ?? {};
    report.check('back: its exit code is right', exitCode === 5, String(exitCode));
    scene.alive(untouched, 'with the engine back');
    scene.noFalseEnd(tenant, untouched);
    await report.within('back: a new container runs', 30_000, () => {
      tenant.launch(container('afterwards'));
      return tenant.until('TASK_RUNNING', ['afterwards']);
    });
    await tenant.teardown();
    await scene.allGone(untouched);
  },
};

/** A container that ends with 5 when it gets SIGUSR1. */
function container(taskId: string): TaskOrder {
  return {
    name: taskId,
    taskId,
    image: testImage,
    command: 'trap "exit 5" USR1; while :; do sleep 0.2; done',
    resources: { cpus: 0.1, mem: 32 },
  };
}
