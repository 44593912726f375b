// A machine of its own for a process: a network namespace with a link to ours, over which packets can be dropped. In: a name. Out: how to start things there.
// Masters listen on loopback addresses only; here one of 127/8 lies on the link, which the kernel allows with route_localnet. The drill itself runs in a fresh namespace.
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { eventually } from '../../support/cli.js';

/** The address of this side of the link of host number `n`: what the processes over there dial. */
export function ownAddress(n: number): string {
  return `127.50.${n}.1`;
}

/** Makes loopback reach this namespace's own addresses only, so that others of 127/8 can be routed. Once, before anything listens. */
export function prepareNetwork(): void {
  run('ip link set lo up', 'ip addr del 127.0.0.1/8 dev lo', 'ip addr add 127.0.0.1/32 dev lo');
}

/** A host at the end of a link. */
export class FarHost {
  /** Put before a command to run it there. */
  readonly through: readonly string[];
  readonly #holder: ChildProcess;
  readonly #link: string;

  private constructor(holder: ChildProcess, link: string) {
    this.#holder = holder;
    this.#link = link;
    this.through = ['nsenter', '--net', '--target', String(holder.pid)];
  }

  /** Makes host number `n` (1 to 250), which reaches us at `masterAddress` over its own link. */
  static async make(n: number, masterAddress: string): Promise<FarHost> {
    const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
    const pid = holder.pid ?? 0;
    const ours = readlinkSync('/proc/self/ns/net');
    await eventually('the far namespace is there', () => {
      const theirs = readlinkSync(`/proc/${pid}/ns/net`);
      return theirs !== ours && readlinkSync(`/proc/${pid}/exe`).endsWith('sleep');
    });
    const host = new FarHost(holder, `link${n}`);
    try {
      host.#connect(n, pid, masterAddress);
    } catch (error) {
      await host.remove();
      throw error;
    }
    return host;
  }

  #connect(n: number, pid: number, masterAddress: string): void {
    const there = this.through.join(' ');
    run(
      `ip link add link${n} type veth peer name far netns ${pid}`,
      `sysctl -qw net.ipv4.conf.link${n}.route_localnet=1`,
      `ip addr add 127.50.${n}.1/24 dev link${n}`,
      `ip link set link${n} up`,
      `${there} ip link set lo up`,
      `${there} ip addr del 127.0.0.1/8 dev lo`,
      `${there} ip addr add 127.0.0.1/32 dev lo`,
      `${there} sysctl -qw net.ipv4.conf.far.route_localnet=1`,
      `${there} ip addr add 127.50.${n}.2/24 dev far`,
      `${there} ip link set far up`,
    );
    if (masterAddress !== ownAddress(n)) run(`${there} ip route add ${masterAddress}/32 via 127.50.${n}.1`);
  }

  /** Drops what comes from there, what goes there, or both, without a word. */
  cut(way: 'fromThere' | 'toThere' | 'both'): void {
    if (way !== 'toThere') run(`iptables -A INPUT -i ${this.#link} -j DROP`);
    if (way !== 'fromThere') run(`iptables -A OUTPUT -o ${this.#link} -j DROP`);
  }

  heal(): void {
    for (const rule of [`INPUT -i ${this.#link}`, `OUTPUT -o ${this.#link}`]) {
      // It may be cut one way only.
      spawnSync('iptables', ['-D', ...rule.split(' '), '-j', 'DROP']);
    }
  }

  async remove(): Promise<void> {
    const ended = once(this.#holder, 'exit');
    this.#holder.kill('SIGKILL');
    await ended;
  }
}

function run(...lines: readonly string[]): void {
  for (const line of lines) {
    const [command = '', ...args] = line.split(' ');
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${line}: ${stderr.trim()}`);
  }
}
