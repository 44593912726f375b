// `proffer reserve|unreserve` and `proffer volumes …`: resources of agents kept for roles, and volumes made of them.
import { ProfferError, shown } from '../../base/errors.js';
import type { VolumeLine } from '../../compose/operator-text.js';
import { readResources, reservedResources, volumeLines } from '../../compose/operator-text.js';
import type { AgentView } from '../../protocol/operator-api.js';
import { masterClient } from '../client.js';
import type { RunCommand } from '../command.js';
import { exitCodes } from '../command.js';
import { findAgent } from '../find-agent.js';
import { usage } from '../flags.js';
import { operate } from '../outcome.js';
import type {
  CreateVolumeFlags,
  OperatorFlags,
  ReserveFlags,
  ResizeVolumeFlags,
  UnreserveFlags,
  VolumeFlags,
} from '../operator-flags.js';
import { table } from '../table.js';

export const reserve: RunCommand<ReserveFlags> = async ({ flags, args: [given = '', text = ''], terminal }) => {
  const resources = readResources(text);
  const role = required(flags.role, '--role', 'the role to reserve for');
  const master = masterClient(flags.master);
  const agent = await findAgent(master, given);
  const reservation = {
    role,
    ...(flags.principal === undefined ? {} : { principal: flags.principal }),
    ...(flags.label.length === 0 ? {} : { labels: Object.fromEntries(flags.label.map(pair)) }),
  };
  const doing = {
    begun: `reserving ${text} on ${agent.id} for ${role}`,
    done: `reserved ${text} on ${agent.id} for ${role}`,
  };
  return operate(master, terminal, flags, doing, '/reserve', { agentId: agent.id, resources, reservation });
};

function pair(text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
}

export const unreserve: RunCommand<UnreserveFlags> = async ({ flags, args: [given = '', text = ''], terminal }) => {
  const master = masterClient(flags.master);
  const agent = await findAgent(master, given);
  const resources = reservedResources(text, flags.role, agent.total);
  const what = `${Object.keys(resources).join(', ')} on ${agent.id}`;
  const doing = { begun: `giving back ${what}`, done: `gave back ${what}` };
  return operate(master, terminal, flags, doing, '/unreserve', { agentId: agent.id, resources });
};

export const listVolumes: RunCommand<OperatorFlags> = async ({ flags, args: [given], terminal }) => {
  const master = masterClient(flags.master);
  const agents =
    given === undefined ? (await master.get<AgentView[]>('/agents')).value : [await findAgent(master, given)];
  const found = agents.flatMap(agent =>
    volumeLines(agent.total).map(volume => ({ agentId: agent.id, hostname: agent.hostname, ...volume })),
  );
  if (flags.json) {
    terminal.out(`${JSON.stringify(found)}\n`);
    return exitCodes.ok;
  }
  const rows = found.map(({ id, role, disk, containerPath, mode, shared, agentId, hostname }) => [
    id,
    role,
    String(disk),
    containerPath,
    mode + (shared ? ', shared' : ''),
    agentId,
    hostname,
  ]);
  const columns = [
    { title: 'VOLUME', least: 8 },
    { title: 'ROLE', least: 4 },
    { title: 'MIB', right: true },
    { title: 'PATH', least: 8 },
    { title: 'MODE' },
    { title: 'AGENT', least: 12 },
    { title: 'HOST', least: 8 },
  ];
  terminal.out(table(terminal, columns, rows, 'no volumes'));
  return exitCodes.ok;
};

export const createVolume: RunCommand<CreateVolumeFlags> = async ({ flags, args: [given = '', id = ''], terminal }) => {
  const role = required(flags.role, '--role', 'the role whose disk it is made of');
  const disk = required(flags.disk, '--disk', 'its size in MiB');
  const containerPath = required(flags.path, '--path', 'where tasks find it');
  const master = masterClient(flags.master);
  const agent = await findAgent(master, given);
  const volume = {
    id,
    disk,
    containerPath,
    ...(flags.mode === 'ro' ? { mode: 'RO' } : {}),
    ...(flags.shared ? { shared: true } : {}),
    ...(flags.from === undefined ? {} : { from: flags.from }),
  };
  const doing = { begun: `making volume ${id} on ${agent.id}`, done: `made volume ${id} on ${agent.id}` };
  return operate(master, terminal, flags, doing, '/volumes/create', { agentId: agent.id, role, volumes: [volume] });
};

export const destroyVolume: RunCommand<VolumeFlags> = async ({ flags, args: [given = '', id = ''], terminal }) => {
  const master = masterClient(flags.master);
  const agent = await findAgent(master, given);
  const { role } = volumeOn(agent, id, flags.role);
  const what = `volume ${id} on ${agent.id}, and what is in it`;
  const doing = { begun: `removing ${what}`, done: `removed ${what}` };
  return operate(master, terminal, flags, doing, '/volumes/destroy', { agentId: agent.id, role, volumeIds: [id] });
};

export const growVolume = resize('/volumes/grow', 'growing', 'grew');
export const shrinkVolume = resize('/volumes/shrink', 'shrinking', 'shrank');

function resize(path: string, doing: string, did: string): RunCommand<ResizeVolumeFlags> {
  return async ({ flags, args: [given = '', id = ''], terminal }) => {
    const disk = required(flags.disk, '--disk', 'how many MiB');
    const master = masterClient(flags.master);
    const agent = await findAgent(master, given);
    const { role } = volumeOn(agent, id, flags.role);
    const what = `volume ${id} on ${agent.id} by ${disk} MiB`;
    const said = { begun: `${doing} ${what}`, done: `${did} ${what}` };
    return operate(master, terminal, flags, said, path, { agentId: agent.id, role, volumeId: id, disk });
  };
}

/** The role may be left out where only one has a volume of this id. */
function volumeOn(agent: AgentView, id: string, role: string | undefined): VolumeLine {
  const found = volumeLines(agent.total).filter(volume => volume.id === id && (role ?? volume.role) === volume.role);
  const [volume, second] = found;
  if (volume === undefined) {
    throw new ProfferError('UNKNOWN_VOLUME', `no volume ${shown(id)} is on ${agent.id}`, {
      hint: `proffer volumes list ${agent.id}`,
    });
  }
  if (second !== undefined)
    throw usage(
      `volumes ${id} of ${found.map(one => one.role).join(', ')} are on ${agent.id}`,
      'say whose with --role',
    );
  return volume;
}

function required<T>(value: T | undefined, name: string, what: string): T {
  if (value === undefined) throw usage(`${name} is missing`, `it says ${what}`);
  return value;
}
