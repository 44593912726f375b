// Rules of networks and of what refers to them. In: normalised networks. Out: reports.
import type { Report } from '../refusal.js';
import { shown } from '../refusal.js';
import type { Network } from '../spec.js';

export function networkProblems(networks: readonly Network[], report: Report): void {
  const at = '/networks';
  const modes = new Set(networks.map(({ mode }) => mode));
  networks.forEach(({ mode, name, labels }, index) => {
    const here = `${at}(${index})`;
    if (mode === 'container' && name === undefined)
      report(here, 'must have a name: the framework has no default network');
    if (mode !== 'container' && name !== undefined) report(here, `must not have a name in mode ${mode}`);
    if (mode === 'host' && Object.keys(labels).length > 0) report(here, 'must not have labels in mode host');
  });
  const names = networks.flatMap(({ name }) => name ?? []);
  if (new Set(names).size < names.length) report(at, 'must not name the same network twice');
  if (modes.size > 1 || (networks.length > 1 && !modes.has('container')))
    report(at, 'must be one host network, one bridge network, or one or more container networks');
}

/** Rules of one mapped port: `networkNames` exist, and say which network a host port leads to. */
export function networkNameProblems(
  mapping: { readonly networkNames: readonly string[]; readonly hostPort?: number },
  networks: readonly Network[],
  report: Report,
): void {
  const names = networks.flatMap(({ name }) => name ?? []);
  mapping.networkNames.forEach((name, index) => {
    if (!names.includes(name)) {
      const known = names.length === 0 ? 'there is none with a name' : `known are ${names.map(shown).join(', ')}`;
      report(`/networkNames(${index})`, `${shown(name)} is not one of the networks; ${known}`);
    }
  });
  if (networks.length > 1 && mapping.hostPort !== undefined && mapping.networkNames.length !== 1)
    report('/networkNames', 'must be a list of one where there are several networks and hostPort is given');
}
