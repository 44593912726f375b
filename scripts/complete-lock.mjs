// Completes package-lock.json with the optional packages for other platforms that a registry mirror lacks: npm leaves out what it cannot
// look up, and `npm ci` then refuses the lock everywhere. Run it after `npm install` behind such a mirror,
// then `npm install --package-lock-only` to have npm put it in order. In, out: package-lock.json.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = join(dirname(dirname(fileURLToPath(import.meta.url))), 'package-lock.json');
const lock = JSON.parse(readFileSync(path, 'utf8'));
const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const processors = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];
let added = 0;

for (const [from, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`;
    if (place in lock.packages || `${from}/${place}` in lock.packages) continue;
    const platform = platformOf(name);
    // What is optional for another reason than the platform is not ours to guess.
    if (platform === undefined || !/^\d+\.\d+\.\d+$/.test(version)) continue;
    lock.packages[place] = { version, ...platform, ...(entry.dev === true ? { dev: true } : {}), optional: true };
    added += 1;
  }
}
if (added > 0) writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`package-lock.json: ${added} platform packages added\n`);

/** By the naming habit of such packages: …darwin-arm64, …linux-x64-musl. */
function platformOf(name) {
  const words = name.split('/').at(-1).split('-');
  const system = systems.find(word => words.includes(word));
  const processor = processors.find(word => words.includes(word));
  if (system === undefined || processor === undefined) return undefined;
  const libc = words.some(word => word.startsWith('musl'))
    ? 'musl'
    : words.some(word => word.startsWith('gnu'))
      ? 'glibc'
      : undefined;
  return { cpu: [processor], ...(libc === undefined ? {} : { libc: [libc] }), os: [system] };
}
