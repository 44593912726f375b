// Regular expressions of offer constraints: RE2's syntax, linear time, bounded size. In: a pattern from a peer. Out: why it is refused, or nothing.
import { RE2JS } from 're2js';
import { messageOf } from '../base/errors.js';

/** Longest pattern, in bytes of UTF-8. */
export const regexBytesMax = 4096;
/** Instructions of the longest compiled pattern; matching costs this times the length of the text. Mesos allows 100. */
export const regexProgramMax = 256;

/** Why `pattern` cannot be used in TEXT_MATCHES and TEXT_NOT_MATCHES, to follow the pattern in a message; undefined when it can. */
export function regexProblem(pattern: string): string | undefined {
  const bytes = Buffer.byteLength(pattern);
  if (bytes > regexBytesMax) return `is too long: it has ${bytes} bytes, at most ${regexBytesMax} are allowed`;
  try {
    const size = RE2JS.compile(pattern).programSize();
    if (size <= regexProgramMax) return undefined;
    return `is too large: it compiles to ${size} instructions, at most ${regexProgramMax} are allowed`;
  } catch (error) {
    // The library's messages end with the pattern, however long.
    const why = messageOf(error).replace(/^error parsing regexp: /, '');
    return `is not a regular expression of RE2: ${why.length > 160 ? `${why.slice(0, 160)}…` : why}`;
  }
}
