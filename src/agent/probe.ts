// One look at a task, as an Observable of one result. In: the probe, the container, where the task is. Out: what was seen.
import { Observable, of, timeout } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { assertNever } from '../base/assert.js';
import type { Container, NetworkProber } from '../containerizer/containerizer.js';
import type { CheckStatus, ContainerInfo, IpProtocol, Probe } from '../protocol/entities.js';

/** What one look gave: the status as frameworks get it, and whether it counts as healthy. */
export interface ProbeResult {
  readonly status: CheckStatus;
  readonly ok: boolean;
  readonly message: string;
}

/** A task to look at. */
export interface ProbeSubject {
  readonly container: Container;
  /** Its own addresses, where it has some. */
  readonly ip?: string;
  readonly ip6?: string;
  readonly info?: ContainerInfo;
  readonly prober: NetworkProber;
}

/** The result before any look. */
export function emptyResult(probe: Probe): CheckStatus {
  return { type: probe.type };
}

// A prober that forgets to answer must not keep a sick task alive.
const answerSlackMs = 1000;

/** Looks once when subscribed to. `timeoutMs` 0: waits for ever. A late answer is none: an empty status. */
export function look(
  probe: Probe,
  subject: ProbeSubject,
  timeoutMs: number,
  scheduler: SchedulerLike,
): Observable<ProbeResult> {
  const late: ProbeResult = { status: emptyResult(probe), ok: false, message: `no answer within ${timeoutMs} ms` };
  const once$ = new Observable<ProbeResult>(subscriber => {
    const since = scheduler.now();
    const isLate = (): boolean => timeoutMs > 0 && scheduler.now() - since >= timeoutMs;
    start(probe, subject, timeoutMs, result => {
      subscriber.next(isLate() ? late : result);
      subscriber.complete();
    });
  });
  if (timeoutMs === 0) return once$;
  return once$.pipe(timeout({ first: timeoutMs + answerSlackMs, scheduler, with: () => of(late) }));
}

function start(probe: Probe, subject: ProbeSubject, timeoutMs: number, done: (result: ProbeResult) => void): void {
  switch (probe.type) {
    case 'COMMAND':
      subject.container.exec(probe.command, timeoutMs, ({ exitCode, timedOut, output }) => {
        const said = output === '' ? '' : `: ${output}`;
        const status: CheckStatus =
          exitCode === undefined || timedOut ? { type: 'COMMAND' } : { type: 'COMMAND', exitCode };
        const message = timedOut
          ? 'the command took too long'
          : `the command exited with ${exitCode ?? 'no code'}${said}`;
        done({ status, ok: !timedOut && exitCode === 0, message });
      });
      return;
    case 'HTTP': {
      const { host, port } = addressOf(probe.port, subject, probe.ipProtocol);
      if (host === undefined)
        return done({ status: { type: 'HTTP' }, ok: false, message: noAddress(probe.ipProtocol) });
      const url = `${probe.scheme ?? 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}${probe.path ?? '/'}`;
      subject.prober.http(url, timeoutMs, ({ statusCode, error }) => {
        const ok = statusCode !== undefined && statusCode >= 200 && statusCode <= 399;
        const status: CheckStatus = statusCode === undefined ? { type: 'HTTP' } : { type: 'HTTP', statusCode };
        done({ status, ok, message: `${url} answered ${statusCode ?? error ?? 'nothing'}` });
      });
      return;
    }
    case 'TCP': {
      const { host, port } = addressOf(probe.port, subject, probe.ipProtocol);
      if (host === undefined) return done({ status: { type: 'TCP' }, ok: false, message: noAddress(probe.ipProtocol) });
      subject.prober.tcp(host, port, timeoutMs, ({ connected, error }) => {
        const message = connected
          ? `${host}:${port} accepts connections`
          : `${host}:${port}: ${error ?? 'no connection'}`;
        done({ status: { type: 'TCP', succeeded: connected }, ok: connected, message });
      });
      return;
    }
    default:
      assertNever(probe, 'probe');
  }
}

/**
 * Where a port of the task is, seen from the agent. A task on the host's network is on 127.0.0.1, or ::1. With an address of its own, a port that its
 * mappings know as a host port only is looked at on the host, any other one at its address. `host` is undefined when it has addresses, and none of this protocol.
 */
export function addressOf(
  port: number,
  { ip, ip6, info }: Pick<ProbeSubject, 'ip' | 'ip6' | 'info'>,
  ipProtocol: IpProtocol = 'IPv4',
): { readonly host: string | undefined; readonly port: number } {
  const mappings = info?.docker?.portMappings ?? [];
  const inside = mappings.find(mapping => mapping.containerPort === port);
  const [local, own] = ipProtocol === 'IPv6' ? ['::1', ip6] : ['127.0.0.1', ip];
  if (ip === undefined && ip6 === undefined) return { host: local, port: inside?.hostPort ?? port };
  if (inside === undefined && mappings.some(mapping => mapping.hostPort === port)) return { host: local, port };
  return { host: own, port };
}

function noAddress(ipProtocol: IpProtocol = 'IPv4'): string {
  return `the container has no ${ipProtocol} address`;
}
