// The orders of frameworks by name, with what their parameters mean.
import type { Problem } from '../../../base/errors.js';
import { problem, shown } from '../../../base/errors.js';
import { parseResources } from '../../../resources/index.js';
import { asset } from './asset.js';
import { cdrf } from './cdrf.js';
import { demand } from './demand.js';
import { drf } from './drf.js';
import { fifo } from './fifo.js';
import { hdrf } from './hdrf.js';
import { leastAlloc } from './least-alloc.js';
import { lottery } from './lottery.js';
import type { FrameworkOrder } from './order.js';
import { prio } from './prio.js';
import { psDsf } from './ps-dsf.js';
import { random } from './random.js';
import { parseRoleNumbers } from './role-numbers.js';
import { rpsDsf } from './rps-dsf.js';
import { rr } from './rr.js';
import { stride } from './stride.js';
import { tsf } from './tsf.js';

/** Where parameters were written, and who hears what is wrong with them. */
interface Place {
  readonly path: string;
  readonly problems: Problem[];
  /** Reads another order, for those that contain one. */
  readonly read: (text: string) => FrameworkOrder | undefined;
}

type Maker = (parameters: string | undefined, place: Place) => FrameworkOrder | undefined;

export const frameworkOrders = {
  drf: plain('drf', drf),
  wdrf: plain('wdrf', drf),
  'hdrf-naive': plain('hdrf-naive', drf),
  hdrf: plain('hdrf', hdrf),
  random: plain('random', random),
  rr: plain('rr', rr),
  fifo: (parameters, place) => {
    if (parameters === undefined) return fifo();
    if (parameters === 'blocking') return fifo(true);
    return wrong(place, `${shown(parameters)} is not a parameter of fifo`, 'write fifo or fifo:blocking');
  },
  prio: (parameters, place) => {
    if (parameters === undefined || parameters === '') {
      return wrong(
        place,
        'prio needs classes',
        'write for example prio:ads=2,web=1, the highest first; roles not named have 0',
      );
    }
    // The colon after a number ends the classes; names of roles may have colons, too.
    const found = /=[^,:]*:/.exec(parameters);
    const at = found === null ? -1 : found.index + found[0].length - 1;
    const classes = parseRoleNumbers(
      at < 0 ? parameters : parameters.slice(0, at),
      place.path,
      value => (Number.isSafeInteger(value) ? undefined : 'a class is a whole number'),
      place.problems,
    );
    if (at >= 0 && /^prio(:|$)/.test(parameters.slice(at + 1))) {
      return wrong(
        place,
        'prio cannot contain another prio',
        'write all classes in one list, for example prio:ads=2,web=1',
      );
    }
    const inner = at < 0 ? drf() : place.read(parameters.slice(at + 1));
    if (inner?.factor !== undefined) {
      return wrong(
        place,
        `prio cannot contain ${inner.name}, which compares frameworks on agents`,
        'write for example prio:ads=2:fifo',
      );
    }
    return inner === undefined ? undefined : prio(classes, inner);
  },
  'least-alloc': (parameters, place) => {
    if (parameters === undefined) return leastAlloc();
    const { bag, problems } = parseResources(`${parameters}:1`);
    if (problems.length === 0 && bag.length === 1 && bag[0]?.name === parameters) return leastAlloc(parameters);
    return wrong(
      place,
      `${shown(parameters)} is not the name of a resource`,
      'write for example least-alloc:mem; what is reserved counts with the rest',
    );
  },
  lottery: (parameters, place) => {
    if (parameters === undefined) return lottery();
    return lottery(
      parseRoleNumbers(
        parameters,
        place.path,
        value => (value > 0 && Number.isFinite(value) ? undefined : 'the tickets of a role are a number above 0'),
        place.problems,
      ),
    );
  },
  stride: plain('stride', stride),
  asset: plain('asset', asset),
  tsf: plain('tsf', tsf),
  cdrf: plain('cdrf', cdrf),
  'ps-dsf': plain('ps-dsf', psDsf),
  'rps-dsf': plain('rps-dsf', rpsDsf),
  demand: (parameters, place) => {
    if (parameters === undefined) return demand();
    const k = /^\d*\.?\d+$/.test(parameters) ? Number(parameters) : Number.NaN;
    if (k >= 0 && k <= 1) return demand(k);
    return wrong(place, `${shown(parameters)} is not a number from 0 to 1`, 'write for example demand:0.5');
  },
} as const satisfies { readonly [name: string]: Maker };

// One without parameters.
function plain(name: string, make: () => FrameworkOrder): Maker {
  return (parameters, place) =>
    parameters === undefined
      ? make()
      : wrong(place, `${name} has no parameters, got ${shown(parameters)}`, `write ${name}`);
}

function wrong({ path, problems }: Place, message: string, hint: string): undefined {
  problems.push(problem(path, 'USAGE', message, hint));
  return undefined;
}
