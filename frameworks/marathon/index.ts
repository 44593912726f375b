// The door of Marathon, published as `proffer/frameworks/marathon`: to run one, and what is known of it and can be asked of it.
export { runMarathon } from './run.js';
export type { RunMarathonOptions, RunningMarathon } from './run.js';
export { MarathonService } from './service/service.js';
export type {
  Answer,
  ChangeOptions,
  Denied,
  Deployed,
  Marathon,
  MarathonCommands,
  MarathonView,
} from './service/marathon.js';
export type { Router, ServiceOptions } from './service/options.js';
export { secretFiles } from './secrets/provider.js';
export type { SecretProvider } from './secrets/provider.js';
export { openLedger } from './records/ledger.js';
export type { Ledger, LedgerOptions } from './records/ledger.js';
export { serveApi } from './api/server.js';
export type { ApiOptions, ApiServer } from './api/server.js';
export { serveDns } from './dns/serve.js';
export type { DnsOptions, RunningDns } from './dns/serve.js';
export type { HaproxyOptions } from './haproxy/options.js';
export { runHaproxy } from './haproxy/run.js';
export type { RunningHaproxy } from './haproxy/run.js';
export { features } from './model/settings.js';
export type { Feature, ModelSettings } from './model/settings.js';
