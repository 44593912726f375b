// From one message to the other. In: the bytes of a question, what answers it. Out: the bytes of a reply that fits, or nothing. Pure.
import * as packet from 'dns-packet';
import type { Answer, OptAnswer, Packet } from 'dns-packet';
import { answerTo, refusal, responseCodes } from './answer.js';
import type { AnswerOptions, Said } from './answer.js';
import type { Zone } from './zone.js';

/** A question has one name; what is longer is none. */
export const queryMax = 1024;
const headerBytes = 12;
/** What every path takes without cutting it in parts (as agreed on DNS flag day 2020). */
const datagramMax = 1232;
/** What those take who say nothing of it. */
const plainDatagramMax = 512;
const streamMax = 65_535;
/** No more records fit: an address takes 16 bytes and its name at least 10. */
const recordsMax = { udp: 50, tcp: 2500 } as const;
const responseFlag = 0x8000;
const queryOpcode = 0;
const badVersion = 1;

/**
 * The reply to a message; undefined when it deserves none: too short to be answered, or a reply itself. By UDP a reply that does not fit says so and ends early;
 * addresses that come beside services are left out first, without a word.
 */
export function replyTo(
  zone: Zone,
  message: Buffer,
  transport: 'udp' | 'tcp',
  options: Omit<AnswerOptions, 'most'>,
): Buffer | undefined {
  if (message.length < headerBytes) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & responseFlag) !== 0) return undefined;
  const bare = (code: number): Buffer => packet.encode({ ...headOf(message, refusal(code)), questions: [] });
  if (((flags >>> 11) & 15) !== queryOpcode) return bare(responseCodes.NOTIMP);
  // Read before anything is made of them: one question, nothing answered, and at most two that go with it (EDNS, a signature).
  const counts = [4, 6, 8].map(at => message.readUInt16BE(at));
  if (message.length > queryMax || counts.join() !== '1,0,0' || message.readUInt16BE(10) > 2)
    return bare(responseCodes.FORMERR);
  let query: Packet;
  try {
    query = packet.decode(message);
  } catch {
    return bare(responseCodes.FORMERR);
  }
  const question = query.questions?.[0];
  // Other bytes would not come back as they came.
  if (question === undefined || !/^[!-~]*$/.test(question.name)) return bare(responseCodes.FORMERR);
  const edns = query.additionals?.find((each): each is OptAnswer => each.type === 'OPT');
  const old = edns === undefined || edns.ednsVersion === 0;
  const said =
    old && (question.class ?? 'IN') === 'IN'
      ? answerTo(zone, question, { ...options, most: recordsMax[transport] })
      : refusal(old ? responseCodes.REFUSED : responseCodes.NOERROR);
  const opt: readonly Answer[] = edns === undefined ? [] : [optOf(old ? 0 : badVersion)];
  const most =
    transport === 'tcp'
      ? streamMax
      : Math.min(datagramMax, Math.max(plainDatagramMax, edns?.udpPayloadSize ?? plainDatagramMax));
  return fitted({ ...headOf(message, said), questions: [question] }, said, opt, most);
}

function fitted(head: Packet, said: Said, opt: readonly Answer[], most: number): Buffer {
  const { answers, authorities, additionals } = said;
  const base = { ...head, authorities: [...authorities] };
  let left = most - packet.encodingLength({ ...base, additionals: [...opt] });
  const kept = fitting(answers, left);
  left -= kept.bytes;
  if (said.more || kept.records.length < answers.length) {
    const flags = (head.flags ?? 0) | packet.TRUNCATED_RESPONSE;
    return packet.encode({ ...base, flags, answers: kept.records, additionals: [...opt] });
  }
  const beside = fitting(additionals, left);
  return packet.encode({ ...base, answers: kept.records, additionals: [...opt, ...beside.records] });
}

/** As many of the first records as fit. */
function fitting(records: readonly Answer[], most: number): { readonly records: Answer[]; readonly bytes: number } {
  const fit: Answer[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = packet.encodingLength({ answers: [record] }) - headerBytes;
    if (bytes + size > most) break;
    fit.push(record);
    bytes += size;
  }
  return { records: fit, bytes };
}

function headOf(message: Buffer, { code, authoritative }: Said): Packet {
  const asked = message.readUInt16BE(2);
  const flags =
    code |
    (asked & packet.RECURSION_DESIRED) |
    (authoritative ? packet.AUTHORITATIVE_ANSWER : 0) |
    // An operation that is not understood comes back as it came.
    (asked & 0x7800);
  return { type: 'response', id: message.readUInt16BE(0), flags };
}

function optOf(extendedRcode: number): OptAnswer {
  return {
    name: '.',
    type: 'OPT',
    udpPayloadSize: datagramMax,
    extendedRcode,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
}
