// What drills need of the machine, each found out once by trying. Out: why a drill cannot run here, or nothing.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Need } from './drill.js';

/** Why this machine lacks it; undefined when it is there. */
export function lacking(need: Need): string | undefined {
  const known = found.get(need);
  if (known !== undefined) return known === '' ? undefined : known;
  const reason = tries[need]();
  found.set(need, reason ?? '');
  return reason;
}

const found = new Map<Need, string>();

const tries: Readonly<Record<Need, () => string | undefined>> = {
  root: () => (process.getuid?.() === 0 ? undefined : 'needs root'),
  netns: () =>
    lacking('root') ??
    failure('network namespaces, veth links and iptables', [
      'unshare',
      '--net',
      'sh',
      '-ec',
      'ip link add name drill0 type veth peer name drill1; iptables -A INPUT -i drill0 -j DROP; nsenter --version >/dev/null',
    ]),
  mount: () =>
    lacking('root') ??
    failure('a mount namespace with a tmpfs', ['unshare', '--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']),
  cc: () => failure('a C compiler', ['cc', '--version']),
  docker: () =>
    lacking('root') ??
    (existsSync('/usr/sbin/dockerd') || existsSync('/usr/bin/dockerd')
      ? undefined
      : 'needs a Docker engine to start (.ci/docker-engine install)'),
};

function failure(what: string, [command = '', ...args]: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: 10_000 });
  if (status === 0) return undefined;
  return `needs ${what}: ${error?.message ?? stderr.trim().split('\n')[0] ?? ''}`;
}
