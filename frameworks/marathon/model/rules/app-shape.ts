// Rules that only the JSON as written can break: alternatives given together or not at all. In: the parsed app. Out: reports.
import type { Report } from '../refusal.js';
import { within } from '../refusal.js';
import { legacyProblems } from '../read/legacy.js';
import type { RawApp, RawVolume } from '../schema/app.js';
import { each } from './parts.js';

export function appShapeProblems(raw: RawApp, report: Report): void {
  legacyProblems(raw, report);
  each(raw.constraints ?? [], '/constraints', report, constraintShape);
  each(raw.healthChecks ?? [], '/healthChecks', report, ({ protocol, command }, here) => {
    if (protocol === 'COMMAND' && command === undefined) here('/command', 'is missing');
    if (protocol !== 'COMMAND' && command !== undefined)
      here('/command', `is for protocol COMMAND, this check's is ${protocol}`);
  });
  if (raw.autoscaling !== undefined && raw.autoscaling !== 'disabled') {
    const { target } = raw.autoscaling;
    for (const member of ['portIndex', 'path', 'counter'] as const) {
      if (target.metric !== 'requests' && target[member] !== undefined)
        report(`/autoscaling/target/${member}`, `is for metric requests, this target's is ${target.metric}`);
    }
  }
  if (raw.check !== undefined) probeShape(raw.check, within(report, '/check'));
  each(raw.container?.volumes ?? [], '/container/volumes', report, volumeShape);
  if (raw.acceptedResourceRoles?.length === 0)
    report('/acceptedResourceRoles', 'must not be empty; leave it away to accept what the framework does by default');
}

/** Exactly one way to look, and one way to say the command. */
export function probeShape(
  { http, tcp, exec }: { readonly http?: object; readonly tcp?: object; readonly exec?: { readonly command: Command } },
  report: Report,
): void {
  const given = [http, tcp, exec].filter(probe => probe !== undefined).length;
  if (given !== 1) report('/', `must have exactly one of http, tcp and exec, this has ${given}`);
  if (exec !== undefined) commandShape(exec.command, within(report, '/exec/command'));
}

interface Command {
  readonly shell?: string;
  readonly argv?: readonly string[];
}

export function commandShape({ shell, argv }: Command, report: Report): void {
  if ((shell === undefined) === (argv === undefined)) report('/', 'must have exactly one of shell and argv');
}

function constraintShape(constraint: readonly string[], report: Report): void {
  if (constraint.length < 2 || constraint.length > 3)
    report('/', `must be [field, operator] or [field, operator, value], this has ${constraint.length} items`);
}

function volumeShape(volume: RawVolume, report: Report): void {
  const kinds = ['hostPath', 'persistent', 'external', 'secret'] as const;
  const given = kinds.filter(kind => volume[kind] !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? 'this has none' : `this has ${given.join(' and ')}`;
    report('/', `must have exactly one of ${kinds.join(', ')}, ${found}`);
  }
  each(volume.persistent?.constraints ?? [], '/persistent/constraints', report, constraintShape);
}
