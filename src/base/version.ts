// The release, read once from package.json: it is what the CLI prints and what peers tell each other.
import { readFileSync } from 'node:fs';

/** The version of this package. */
export const version: string = readVersion();

// The compiled file lies at dist/src/base; a copy bundled elsewhere does not know.
function readVersion(): string {
  try {
    const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
    return (JSON.parse(text) as { version: string }).version;
  } catch {
    return 'unknown';
  }
}
