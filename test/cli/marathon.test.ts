// `proffer marathon`: what its flags come to.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { marathonOptionsOf } from '../../src/cli/commands/marathon.js';
import { marathonFlags } from '../../src/cli/marathon-flags.js';
import { settle } from '../../src/cli/settings.js';
import type { FlagValues } from '../../src/cli/flags.js';

type Values = FlagValues<typeof marathonFlags>;

function optionsOf(given: { readonly [key: string]: readonly string[] }): ReturnType<typeof marathonOptionsOf> {
  const known = { command: 'marathon', flagsOf: { marathon: marathonFlags } };
  return marathonOptionsOf(settle(marathonFlags, { given, variables: {} }, known) as Values);
}

test('flags come to be options, and what is not said is left to Marathon', t => {
  const plain = optionsOf({});
  t.like(plain, { httpPort: 8080, storeDir: '.proffer/marathon', frameworkName: 'marathon' });
  t.is(plain.settings?.mesosRole, 'marathon');
  t.false('versionsMax' in plain);
  const more = optionsOf({
    enableFeatures: ['secrets,gpu_resources'],
    localPortMin: ['3000'],
    localPortMax: ['3001'],
    killRetryTimeout: ['5s'],
    store: ['/var/m'],
    secretsDir: ['/run/secrets'],
    accessControlAllowOrigin: ['*'],
    uiDir: ['/srv/ui'],
  });
  t.deepEqual(more.settings?.features, new Set(['secrets', 'gpu_resources'] as const));
  t.deepEqual(more.settings?.servicePorts, { min: 3000, max: 3001 });
  t.is(more.service?.times?.killRetryMs, 5000);
  t.is(more.storeDir, '/var/m');
  t.is(more.secretsDir, '/run/secrets');
  t.deepEqual(more.api?.allowedOrigins, ['*']);
  t.is(more.api?.uiDir, '/srv/ui');
  t.throws(() => optionsOf({ enableFeatures: ['task_killing'] }), { message: /is not one of gpu_resources/ });
  t.throws(() => optionsOf({ localPortMin: ['30000'] }), { message: /above --local-port-max 20000/ });
});

test('the token of the webhook is in a file', t => {
  const dir = mkdtempSync(join(tmpdir(), 'proffer-token-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'token');
  writeFileSync(file, 'a-long-secret\n');
  t.is(optionsOf({ webhookToken: [file] }).api?.webhookToken, 'a-long-secret');
  writeFileSync(file, 'two words');
  t.throws(() => optionsOf({ webhookToken: [file] }), { code: 'USAGE', message: /without blanks/ });
  t.throws(() => optionsOf({ webhookToken: [join(dir, 'none')] }), {
    code: 'USAGE',
    message: /cannot be read: ENOENT/,
  });
});
