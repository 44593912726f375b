// An executor program for tests: runs tasks named `wait…` until they are killed, all others in no time. Started by an agent as a real process.
import { connectExecutor } from '../../src/executor/connect-executor.js';

const driver = connectExecutor({
  onLaunch: ({ taskId, name, data }) => {
    driver.update({ taskId, state: 'TASK_RUNNING' });
    if (!name.startsWith('wait'))
      driver.update({ taskId, state: 'TASK_FINISHED', message: `worked on ${data} in process ${process.pid}` });
  },
  onKill: taskId => driver.update({ taskId, state: 'TASK_KILLED', message: 'stopped waiting' }),
  onMessage: data => driver.message(data),
  onShutdown: () => driver.stop(),
});
