// Who this is and how it is set: `/v2/info` and `/config`. In: the view, what the process was started with. Out: Marathon's JSON, no member missing.
import { version } from 'proffer';
import { defaultInstanceTimes } from '../../machine/events.js';
import { defaultTokenOptions } from '../../queue/tokens.js';
import type { MarathonView } from '../../service/marathon.js';

type Section = { readonly [name: string]: unknown };

/** What the process was started with, under Marathon's names of its flags. */
export interface ConfigSections {
  readonly marathon: Section;
  readonly zookeeper: Section;
  readonly http: Section;
}

/** The release of Marathon whose API this is; clients ask for it to know what they may use. */
export const compatibleVersion = '1.11.24';

export function infoJson(view: MarathonView, config: ConfigSections, leader: string | undefined, self: string): object {
  return {
    name: 'marathon',
    version: compatibleVersion,
    buildref: `proffer-${version}`,
    elected: leader === self,
    leader: leader ?? null,
    frameworkId: view.frameworkId ?? null,
    marathon_config: marathonConfig(view, config),
    zookeeper_config: { ...unset(zookeeperNames), ...config.zookeeper },
    http_config: { http_port: Number(self.slice(self.lastIndexOf(':') + 1)), https_port: null, ...config.http },
  };
}

export function configJson(view: MarathonView, config: ConfigSections): object {
  return { marathon: marathonConfig(view, config), http: config.http, zookeeper: config.zookeeper };
}

function marathonConfig({ settings, master }: MarathonView, config: ConfigSections): object {
  return {
    ...unset(marathonNames),
    checkpoint: true,
    default_network_name: settings.defaultNetworkName ?? null,
    features: [...settings.features],
    launch_token: defaultTokenOptions.tokens,
    launch_token_refresh_interval: defaultTokenOptions.refillMs,
    local_port_max: settings.servicePorts.max,
    local_port_min: settings.servicePorts.min,
    mesos_bridge_name: settings.mesosBridgeName,
    mesos_role: settings.mesosRole,
    new_group_enforce_role: settings.newGroupEnforceRole,
    task_launch_confirm_timeout: defaultInstanceTimes.launchConfirmMs,
    task_launch_timeout: defaultInstanceTimes.launchMs,
    ...config.marathon,
    mesos_leader_ui_url: master === undefined ? null : pageOf(master),
  };
}

function pageOf(master: string): string {
  return /^https?:/.test(master) ? master : `http://${master.replace(/^\w+:\/\//, '')}/`;
}

function unset(names: readonly string[]): Section {
  return Object.fromEntries(names.map(name => [name, null]));
}

const marathonNames = [
  'access_control_allow_origin',
  'checkpoint',
  'decline_offer_duration',
  'default_network_name',
  'env_vars_prefix',
  'executor',
  'failover_timeout',
  'features',
  'framework_name',
  'ha',
  'hostname',
  'launch_token',
  'launch_token_refresh_interval',
  'leader_proxy_connection_timeout_ms',
  'leader_proxy_read_timeout_ms',
  'local_port_max',
  'local_port_min',
  'maintenance_mode',
  'master',
  'max_instances_per_offer',
  'mesos_bridge_name',
  'mesos_heartbeat_failure_threshold',
  'mesos_heartbeat_interval',
  'mesos_leader_ui_url',
  'mesos_role',
  'mesos_user',
  'min_revive_offers_interval',
  'new_group_enforce_role',
  'offer_matching_timeout',
  'on_elected_prepare_timeout',
  'reconciliation_initial_delay',
  'reconciliation_interval',
  'scale_apps_initial_delay',
  'scale_apps_interval',
  'store_cache',
  'task_launch_confirm_timeout',
  'task_launch_timeout',
  'task_lost_expunge_initial_delay',
  'task_lost_expunge_interval',
  'task_reservation_timeout',
  'webui_url',
];

const zookeeperNames = [
  'zk',
  'zk_compression',
  'zk_compression_threshold',
  'zk_connection_timeout',
  'zk_max_node_size',
  'zk_max_versions',
  'zk_session_timeout',
  'zk_timeout',
];
