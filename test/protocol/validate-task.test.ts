// What becomes of each kind of bad task in an ACCEPT. Each row changes one thing of a task that is right; its neighbours must not notice.
import { tasksOf } from '../../src/protocol/operations.js';
import test from 'ava';
import { validateSchedulerCall } from '../../src/protocol/validate.js';
import type { Expected, Fields, Row } from '../support/refusals.js';
import { differences, launch, task } from '../support/refusals.js';

const docker = (more: Fields): Fields => ({ container: { type: 'DOCKER', docker: { image: 'nginx', ...more } } });

const tasks: readonly Row<Fields>[] = [
  ['id ".."', { taskId: '..' }, ['taskId', 'INVALID_TASK', /".." is not allowed as an id/]],
  ['id with a slash', { taskId: 'a/b' }, ['taskId', 'INVALID_TASK', /must not contain slashes/]],
  ['no resources', { resources: {} }, ['resources', 'INVALID_TASK', /needs some resources/]],
  ['zero resources', { resources: { cpus: 0, ports: [] } }, ['resources', 'INVALID_TASK', /needs some resources/]],
  ['negative cpus', { resources: { cpus: -1 } }, ['resources.cpus', 'INVALID_RESOURCES', /-1 is negative/]],
  ['1e308 cpus', { resources: { cpus: 1e308 } }, ['resources.cpus', 'INVALID_RESOURCES', /too large/]],
  ['cpus as text', { resources: { cpus: '1.0' } }, ['resources.cpus', 'INVALID_RESOURCES', /"1.0" is not a number/]],
  ['too fine cpus', { resources: { cpus: 0.0005 } }, ['resources.cpus', 'INVALID_RESOURCES', /finer than 0.001/]],
  [
    'a port beyond 65535',
    { resources: { cpus: 1, ports: [[65_000, 70_000]] } },
    ['resources.ports[0]', 'INVALID_RESOURCES', /from 1 to 65535/],
  ],
  [
    'overlapping ports',
    {
      resources: {
        ports: [
          [1, 5],
          [5, 9],
        ],
      },
    },
    ['resources.ports[1]', 'INVALID_RESOURCES', /overlaps/],
  ],
  [
    'resources in a Map',
    { resources: new Map([['cpus', 1]]) },
    ['resources', 'INVALID_RESOURCES', /a Map is not an object of resources/],
  ],
  ['nothing to run', { command: undefined }, ['', 'INVALID_TASK', /says nothing to run/]],
  ['a command of an environment only', { command: { env: { A: 'b' } } }, ['', 'INVALID_TASK', /says nothing to run/]],
  [
    'command and executor',
    { executor: { executorId: 'e', command: { value: 'x' }, resources: {} } },
    ['', 'INVALID_TASK', /both command and executor are given/],
  ],
  [
    'executor and container',
    {
      command: undefined,
      executor: { executorId: 'e', command: { value: 'x' }, resources: {} },
      container: { type: 'PROCESS' },
    },
    ['container', 'INVALID_TASK', /does not go with an executor/],
  ],
  [
    'an executor without a command',
    { command: undefined, executor: { executorId: 'e', command: {}, resources: {} } },
    ['executor.command', 'INVALID_TASK', /says nothing to run/],
  ],
  [
    'shell line and argv',
    { command: { value: 'x', argv: ['x'] } },
    ['command', 'INVALID_TASK', /both value .* and argv/],
  ],
  ['an empty argv', { command: { argv: [] } }, ['command.argv', 'INVALID_TASK', /an empty list is not allowed/]],
  ['NUL in argv', { command: { argv: ['x', 'a\0b'] } }, ['command.argv[1]', 'INVALID_TASK', /must not contain NUL/]],
  [
    'an environment name with =',
    { command: { value: 'x', env: { 'A=B': 'c' } } },
    ['command.env["A=B"]', 'INVALID_TASK', /must not contain = or NUL/],
  ],
  [
    'an environment value that is no text',
    { command: { value: 'x', env: { A: 12_345 } } },
    ['command.env.A', 'INVALID_TASK', /the value \(a number\) is not a string/],
  ],
  [
    'a URI of another scheme',
    { command: { value: 'x', uris: [{ value: 'ftp://user:password@h/x' }] } },
    ['command.uris[0].value', 'INVALID_TASK', /^the value with ftp: is not a URI with http:, https: or file:/],
  ],
  [
    'a way out of the sandbox',
    { command: { value: 'x', uris: [{ value: 'http://h/x', outputFile: 'a/../../b' }] } },
    ['command.uris[0].outputFile', 'INVALID_TASK', /must not contain ".."/],
  ],
  [
    'an absolute output file',
    { command: { value: 'x', uris: [{ value: 'http://h/x', outputFile: '/etc/passwd' }] } },
    ['command.uris[0].outputFile', 'INVALID_TASK', /must be relative/],
  ],
  [
    'a user with a space',
    { command: { value: 'x', user: 'root root' } },
    ['command.user', 'INVALID_TASK', /is not a user: write a name or number/],
  ],
  [
    'a negative kill grace',
    { killPolicy: { gracePeriodMs: -1 } },
    ['killPolicy.gracePeriodMs', 'INVALID_TASK', /-1 is not/],
  ],
  ['no time to complete', { maxCompletionTimeMs: 0 }, ['maxCompletionTimeMs', 'INVALID_TASK', /0 is not .* above 0/]],
  [
    'a check without a port',
    { check: { probe: { type: 'TCP', port: 0 } } },
    ['check.probe.port', 'INVALID_TASK', /0 is not a port from 1 to 65535/],
  ],
  [
    'a check with no pause',
    { check: { probe: { type: 'TCP', port: 80 }, intervalMs: 0 } },
    ['check.intervalMs', 'INVALID_TASK', /0 is not/],
  ],
  [
    'a relative health path',
    { healthCheck: { probe: { type: 'HTTP', port: 80, path: 'health' } } },
    ['healthCheck.probe.path', 'INVALID_TASK', /must start with a slash/],
  ],
  [
    'a probe of nothing',
    { healthCheck: { probe: { type: 'COMMAND', command: {} } } },
    ['healthCheck.probe.command', 'INVALID_TASK', /says nothing to run/],
  ],
  [
    'an unknown probe',
    { check: { probe: { type: 'GRPC', port: 80 } } },
    ['check.probe.type', 'INVALID_TASK', /allowed: COMMAND, HTTP, TCP/],
  ],
  [
    'failures below zero',
    { healthCheck: { probe: { type: 'TCP', port: 80 }, consecutiveFailures: -1 } },
    ['healthCheck.consecutiveFailures', 'INVALID_TASK', /0 or more/],
  ],
  [
    'a further health check with a wrong path',
    { healthChecks: [{ probe: { type: 'HTTP', port: 80, path: 'health' } }] },
    ['healthChecks[0].probe.path', 'INVALID_TASK', /must start with a slash/],
  ],
  [
    'an image with a space',
    docker({ image: 'a b' }),
    ['container.docker.image', 'INVALID_TASK', /"a b" is not an image/],
  ],
  [
    'an image in capitals',
    docker({ image: 'library/Nginx' }),
    ['container.docker.image', 'INVALID_TASK', /lower-case/],
  ],
  [
    'no image',
    { container: { type: 'DOCKER' }, command: undefined },
    ['container.docker', 'INVALID_TASK', /needs an image/],
  ],
  [
    'docker on a process',
    { container: { type: 'PROCESS', docker: { image: 'nginx' } } },
    ['container.docker', 'INVALID_TASK', /goes only with containers of type DOCKER/],
  ],
  [
    'a host port that is not the task’s',
    docker({ portMappings: [{ hostPort: 80, containerPort: 80 }] }),
    ['container.docker.portMappings[0].hostPort', 'INVALID_TASK', /80 is not among the task’s ports \(31000-31005\)/],
  ],
  [
    'a host port bound twice',
    docker({
      portMappings: [
        { hostPort: 31_000, containerPort: 80 },
        { hostPort: 31_000, containerPort: 81 },
      ],
    }),
    ['container.docker.portMappings[1].hostPort', 'INVALID_TASK', /31000\/tcp is mapped twice/],
  ],
  [
    'the network of another container',
    docker({ network: 'container:0123abc' }),
    ['container.docker.network', 'INVALID_TASK', /"container:0123abc" is not a network/],
  ],
  [
    'ports mapped on the host’s network',
    docker({ network: 'HOST', portMappings: [{ hostPort: 31_000, containerPort: 80 }] }),
    ['container.docker.portMappings', 'INVALID_TASK', /cannot be mapped on the network HOST/],
  ],
  [
    'a volume that climbs',
    { container: { type: 'PROCESS', volumes: [{ containerPath: '/x/../../etc', mode: 'RO' }] } },
    ['container.volumes[0].containerPath', 'INVALID_TASK', /must not contain ".."/],
  ],
  [
    'a volume with a mode inside',
    { container: { type: 'PROCESS', volumes: [{ containerPath: 'x', hostPath: '/a:ro', mode: 'RW' }] } },
    ['container.volumes[0].hostPath', 'INVALID_TASK', /must not contain a colon/],
  ],
  [
    'two volumes in one place',
    {
      container: {
        type: 'PROCESS',
        volumes: [
          { containerPath: 'x', mode: 'RW' },
          { containerPath: 'x', mode: 'RO' },
        ],
      },
    },
    ['container.volumes[1].containerPath', 'INVALID_TASK', /mounted twice/],
  ],
  [
    'what processes cannot have',
    {
      container: {
        type: 'PROCESS',
        tty: true,
        volumes: [
          { containerPath: '/x', hostPath: '/y', mode: 'RW' },
          { containerPath: '/srv', hostPath: '/srv', mode: 'RW' },
          { containerPath: 'v', external: { driver: 'rexray', name: 'v' }, mode: 'RW' },
        ],
      },
    },
    ['container.tty', 'INVALID_TASK', /processes have no terminal/],
    ['container.volumes[0].containerPath', 'INVALID_TASK', /"\/x" is a path of the machine/],
    ['container.volumes[2].external', 'INVALID_TASK', /goes only with containers of type DOCKER/],
  ],
  [
    'a volume from two places, of a driver without a name',
    {
      container: {
        type: 'DOCKER',
        docker: { image: 'x' },
        volumes: [{ containerPath: '/x', hostPath: '/y', external: { driver: '', name: 'a b' }, mode: 'RW' }],
      },
    },
    ['container.volumes[0].external.driver', 'INVALID_TASK', /is not a name/],
    ['container.volumes[0].external.name', 'INVALID_TASK', /is not a name/],
  ],
  [
    'files outside, and one that is not base64',
    {
      command: {
        value: 'x',
        files: [
          { path: '../x', base64: '' },
          { path: 'y', base64: 'sécret' },
        ],
      },
    },
    ['command.files[0].path', 'INVALID_TASK', /must not contain ".."/],
    ['command.files[1].base64', 'INVALID_TASK', /^the value is not base64/],
  ],
  [
    'a probe by no IP protocol there is',
    { check: { probe: { type: 'TCP', port: 1, ipProtocol: 'IPX' } } },
    ['check.probe.ipProtocol', 'INVALID_TASK', /"IPX" is not an IP protocol/],
  ],
  [
    'a limit below the request',
    { limits: { mem: 32 } },
    ['limits.mem', 'INVALID_TASK', /32 is below the 64 requested/],
  ],
  [
    'a limit that is NaN',
    { limits: { cpus: Number.NaN } },
    ['limits.cpus', 'INVALID_TASK', /NaN is not a number above 0, or Infinity/],
  ],
  ['a misspelt field', { healthcheck: {} }, ['healthcheck', 'INVALID_TASK', /did you mean healthCheck\?/]],
  [
    'many things at once',
    { resources: {}, command: undefined, cmd: 'x', killPolicy: { gracePeriod: 3 } },
    ['killPolicy.gracePeriod', 'INVALID_TASK', /did you mean gracePeriodMs\?/],
    ['cmd', 'INVALID_TASK', /is not a field here/],
    ['', 'INVALID_TASK', /says nothing to run/],
    ['resources', 'INVALID_TASK', /needs some resources/],
  ],
];

for (const [story, more, ...expected] of tasks) {
  test(`task with ${story}: it alone is refused, the call goes on`, t => {
    const bad: Fields = { ...task, ...more };
    const call = launch({ ...task, taskId: 'before' }, bad, { ...task, taskId: 'after' });
    const checked = validateSchedulerCall(call);
    if (!checked.ok || checked.value.type !== 'ACCEPT') return t.fail(JSON.stringify(checked));
    const [entry, ...others] = checked.value.taskProblems ?? [];
    t.deepEqual([entry?.operation, entry?.task, others], [0, 1, []]);
    const at = 'accept.operations[0].tasks[1]';
    const full = expected.map(([path, code, says]): Expected => [path === '' ? at : `${at}.${path}`, code, says]);
    t.deepEqual(differences(entry?.problems ?? [], full), []);
    const [before, standIn, after] = checked.value.operations.flatMap(tasksOf);
    t.is(before?.taskId, 'before');
    t.deepEqual(standIn, { taskId: bad['taskId'] as string, name: 'web', resources: {} });
    t.is(after?.command?.value, 'sleep 1');
  });
}
