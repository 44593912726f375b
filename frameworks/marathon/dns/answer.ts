// What a zone says to a question. In: zone, name and type. Out: a code and records. Pure; the sizes of messages are for reply.ts.
import type { Answer } from 'dns-packet';
import type { Node } from './records.js';
import type { Zone } from './zone.js';

/** How answers are dated. */
export interface AnswerOptions {
  /** Seconds that answers, also negative ones, may be kept. */
  readonly ttlSeconds: number;
  /** The version of the zone. */
  readonly serial: number;
  /** Counts questions: each answer begins with another of the records, so that who takes the first spreads its work. */
  readonly turn: number;
  /** More records than this are not made. */
  readonly most: number;
}

/** What is asked. */
export interface Question {
  readonly name: string;
  /** Such as `A`; those without a name are `UNKNOWN_99`. */
  readonly type: string;
}

/** RFC 1035, section 4.1.1. */
export const responseCodes = { NOERROR: 0, FORMERR: 1, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

export interface Said {
  readonly code: number;
  /** Whether this server is the one to ask. */
  readonly authoritative: boolean;
  /** Whether there are more answers than were made. */
  readonly more: boolean;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
  readonly additionals: readonly Answer[];
}

/** An answer without records. */
export function refusal(code: number): Said {
  return { code, authoritative: false, more: false, answers: [], authorities: [], additionals: [] };
}

const noRecords: Node = { a: [], aaaa: [], srv: [] };

/** What the zone says. Names outside it, and the zone as a whole, are refused. */
export function answerTo(zone: Zone, { name: asked, type }: Question, options: AnswerOptions): Said {
  const name = asked.toLowerCase().replace(/\.$/, '');
  const { domain } = zone;
  const inside = name === domain || name.endsWith(`.${domain}`);
  if (!inside || type === 'AXFR' || type === 'IXFR') return refusal(responseCodes.REFUSED);
  const node = zone.at(name);
  const soa = soaOf(zone, options);
  const negative = { authoritative: true, more: false, answers: [], authorities: [soa], additionals: [] };
  if (node === undefined) return { code: responseCodes.NXDOMAIN, ...negative };
  const { answers, additionals } = recordsOf(zone, asked, name === domain, node, type, options);
  const more = answers.length === options.most && countOf(node, type) > options.most;
  if (answers.length === 0) return { code: responseCodes.NOERROR, ...negative };
  return { code: responseCodes.NOERROR, authoritative: true, more, answers, authorities: [], additionals };
}

function recordsOf(
  zone: Zone,
  // As it was written, since some check that they get it back.
  asked: string,
  atTop: boolean,
  node: Node,
  type: string,
  options: AnswerOptions,
): { readonly answers: Answer[]; readonly additionals: Answer[] } {
  const { ttlSeconds } = options;
  const common = { name: asked, ttl: ttlSeconds };
  const only = (...answers: Answer[]): { answers: Answer[]; additionals: Answer[] } => ({ answers, additionals: [] });
  switch (type) {
    case 'A':
      return only(...turned(node.a, options).map((data): Answer => ({ ...common, type: 'A', data })));
    case 'AAAA':
      return only(...turned(node.aaaa, options).map((data): Answer => ({ ...common, type: 'AAAA', data })));
    case 'SRV': {
      const services = turned(node.srv, options);
      return {
        answers: services.map(
          ({ target, port }): Answer => ({ ...common, type: 'SRV', data: { priority: 0, weight: 1, port, target } }),
        ),
        additionals: [...new Set(services.map(({ target }) => target))].flatMap(target =>
          addressesOf(target, zone.at(target) ?? noRecords, ttlSeconds),
        ),
      };
    }
    case 'SOA':
      return atTop ? only(soaOf(zone, options)) : only();
    case 'NS':
      return atTop
        ? {
            answers: [{ ...common, type: 'NS', data: zone.server }],
            additionals: addressesOf(zone.server, zone.at(zone.server) ?? noRecords, ttlSeconds),
          }
        : only();
    case 'ANY':
      // RFC 8482: everything at once serves those best who have it sent to somebody else.
      return only({ ...common, type: 'HINFO', data: { cpu: 'RFC8482', os: '' } });
    default:
      return only();
  }
}

function addressesOf(name: string, { a, aaaa }: Node, ttl: number): Answer[] {
  return [
    ...a.map((data): Answer => ({ name, ttl, type: 'A', data })),
    ...aaaa.map((data): Answer => ({ name, ttl, type: 'AAAA', data })),
  ];
}

function soaOf({ domain, server }: Zone, { ttlSeconds, serial }: AnswerOptions): Answer {
  return {
    name: domain,
    type: 'SOA',
    ttl: ttlSeconds,
    data: {
      mname: server,
      rname: `root.${server}`,
      serial,
      refresh: 60,
      retry: 600,
      expire: 86_400,
      minimum: ttlSeconds,
    },
  };
}

function countOf({ a, aaaa, srv }: Node, type: string): number {
  return type === 'A' ? a.length : type === 'AAAA' ? aaaa.length : type === 'SRV' ? srv.length : 0;
}

function turned<T>(all: readonly T[], { turn, most }: AnswerOptions): readonly T[] {
  if (all.length < 2) return all;
  const first = turn % all.length;
  const head = all.slice(first, first + most);
  return [...head, ...all.slice(0, Math.min(first, most - head.length))];
}
