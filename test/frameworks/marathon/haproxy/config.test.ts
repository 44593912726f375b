// What HAProxy is told: labels and what they may say, services out of a view, the text, and what of it can change without a reload. Without HAProxy.
import test from 'ava';
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { configOf, shapeOf, textOf } from '../../../../frameworks/marathon/haproxy/config.js';
import type { Config, ConfigOptions } from '../../../../frameworks/marathon/haproxy/config.js';
import { processesIn, sessionsIn } from '../../../../frameworks/marathon/haproxy/control.js';
import { differenceOf } from '../../../../frameworks/marathon/haproxy/difference.js';
import { settingsOf } from '../../../../frameworks/marathon/haproxy/labels.js';
import { settled } from '../../../../frameworks/marathon/haproxy/options.js';
import { routingOf } from '../../../../frameworks/marathon/haproxy/services.js';
import type { Routing, RoutingOptions } from '../../../../frameworks/marathon/haproxy/services.js';
import type { AppHealthCheck } from '../../../../frameworks/marathon/model/app.js';
import { silentLogger } from '../../../../src/env/log.js';
import { VirtualClock } from '../../../../src/env/virtual-clock.js';
import { holds } from '../../../support/property.js';
import { at, listening, mapping, SmallView } from '../discovery/small-view.js';
import { pod, running } from '../machine/samples.js';

const times = { gracePeriodMs: 3000, intervalMs: 2000, timeoutMs: 1500, delayMs: 0, maxConsecutiveFailures: 3 };
const http: AppHealthCheck = {
  protocol: 'MESOS_HTTP',
  path: '/health',
  ignoreHttp1xx: false,
  ipProtocol: 'IPv4',
  ...times,
};

test('labels are taken as marathon-lb takes them, those of a port before those of all', t => {
  const { settings, problems } = settingsOf(
    {
      HAPROXY_GROUP: 'external, internal',
      HAPROXY_0_VHOST: 'Shop.example,www.shop.example',
      HAPROXY_0_PATH: '-i /a /b',
      HAPROXY_0_MODE: 'http',
      HAPROXY_0_PORT: '80',
      HAPROXY_0_STICKY: 'true',
      HAPROXY_0_BALANCE: 'leastconn',
      HAPROXY_0_REDIRECT_TO_HTTPS: '1',
      HAPROXY_0_USE_HSTS: 'yes',
      HAPROXY_0_BACKEND_NETWORK_ALLOWED_ACL: '10.1.0.0/16 ::1',
      HAPROXY_0_BACKEND_HEALTHCHECK_PORT_INDEX: '1',
      HAPROXY_0_AUTH: 'realm:anna:$5$salt$hash/.',
      HAPROXY_1_GROUP: 'other',
      HAPROXY_1_MODE: 'nonsense of another port',
      HAPROXY_DEPLOYMENT_COLOUR: 'blue; whatever',
      team: 'shop',
    },
    0,
  );
  t.deepEqual(problems, []);
  t.deepEqual(settings, {
    groups: ['external', 'internal'],
    enabled: true,
    vhosts: ['shop.example', 'www.shop.example'],
    paths: ['/a', '/b'],
    pathsInAnyCase: true,
    weight: 1,
    mode: 'http',
    port: 80,
    sticky: true,
    balance: 'leastconn',
    redirectToHttps: true,
    hsts: true,
    allowed: ['10.1.0.0/16', '::1'],
    healthPortIndex: 1,
    auth: { realm: 'realm', user: 'anna', password: '$5$salt$hash/.' },
  });
  t.deepEqual(settingsOf({ HAPROXY_GROUP: 'a', HAPROXY_1_GROUP: 'b' }, 1).settings.groups, ['b']);
  t.deepEqual(settingsOf({}, 0).settings.weight, 0);
});

test('what a label cannot say is named, all at once, and so is a label that is none', t => {
  const bad: Readonly<Record<string, string>> = {
    HAPROXY_0_VHOST: 'a.example }\n  http-request deny',
    HAPROXY_0_PATH: '/a"b',
    HAPROXY_0_MODE: 'http\nbind :1',
    HAPROXY_0_PORT: '70000',
    HAPROXY_0_BALANCE: 'static-rr',
    HAPROXY_0_STICKY: 'maybe',
    HAPROXY_0_BACKEND_NETWORK_ALLOWED_ACL: '10.0.0.0/33',
    HAPROXY_0_BACKEND_WEIGHT: '-1',
    HAPROXY_0_AUTH: 'realm:anna',
    HAPROXY_0_BACKEND_HEAD: 'backend {backend}\n  mode tcp',
    HAPROXY_0_constructor: 'x',
    HAPROXY_WHATEVER: 'x',
    HAPROXY_GROUP: ' , ',
  };
  const { problems } = settingsOf(bad, 0);
  t.deepEqual(problems.map(({ label }) => label).sort(), Object.keys(bad).sort());
  t.is(problems.find(({ label }) => label === 'HAPROXY_0_MODE')?.allowed, 'tcp or http');
});

const options: ConfigOptions = { bind: '127.0.0.1', statsSocket: '/run/pfr/haproxy.sock', hardStopMs: 60_000 };

function routed(view: SmallView, more: Partial<RoutingOptions> = {}): Routing {
  const addressesOf = (host: string): string[] => (host === 'six.example' ? ['::1'] : [host]);
  return routingOf(view, { groups: ['*'], taken: new Map(), leaving: new Set(), addressesOf, ...more });
}

function config(view: SmallView, more: Partial<RoutingOptions> = {}, of: Partial<ConfigOptions> = {}): Config {
  return configOf(routed(view, more).services, { ...options, ...of });
}

/** The lines of one section, trimmed. */
function section(text: string, title: string): string[] {
  const lines = text.split('\n').map(line => line.trim());
  const from = lines.indexOf(title);
  const length = lines.slice(from).indexOf('');
  return from === -1 ? [] : lines.slice(from + 1, from + length);
}

test('no label gets a line, a word or a quote of its own into the configuration', t => {
  const nasty = fc.string({
    unit: fc.constantFrom('a', '1', '/', '.', ',', ' ', '-', '\n', '\r', '"', "'", '\\', '#', '$', '{', '}', '\t', 'é'),
  });
  const names = [
    'VHOST',
    'PATH',
    'MODE',
    'PORT',
    'BALANCE',
    'GROUP',
    'AUTH',
    'BACKEND_NETWORK_ALLOWED_ACL',
    'BACKEND_WEIGHT',
    'STICKY',
  ];
  holds(
    t,
    fc.property(fc.constantFrom(...names), nasty, (name, value) => {
      const web = listening([10_001], { labels: { [`HAPROXY_0_${name}`]: value } });
      const { services, refused } = routed(new SmallView().put(web));
      assert.ok(services.length + refused.length <= 1);
      const text = textOf(configOf(services, { ...options, httpPort: 8081 }));
      // Every line is one that this generator knows how to begin.
      for (const line of text.split('\n').slice(1)) {
        assert.match(
          line,
          /^$|^(?:global|defaults|frontend|backend|userlist)\b[\w -]*$|^ {2}(?:stats|hard-stop-after|mworker-max-reloads|timeout|option|retries|retry-on|bind|mode|default_backend|balance|hash-type|http-request|http-response|tcp-request|cookie|use_backend|server|user)\b[\x20-\x7e]*$/,
        );
        assert.doesNotMatch(line, /["'\\#]/);
      }
    }),
  );
});

test('each service port of an app has a frontend and a backend with its healthy instances', t => {
  const view = new SmallView();
  const web = listening([{ port: 10_001 }, { port: 10_002, protocol: 'udp' }, { port: 10_003 }], {
    id: '/shop/web',
    healthChecks: [http],
  });
  const sick = { ...at(web, 'c', '10.0.0.3', [1, 2, 3]), healthy: false };
  view.put(
    web,
    ...[at(web, 'b', '10.0.0.2', [31_004, 31_005, 31_006]), at(web, 'a', '10.0.0.1', [31_001, 31_002, 31_003])].map(
      instance => ({ ...instance, healthy: true }),
    ),
    sick,
  );
  const text = textOf(config(view));
  t.deepEqual(section(text, 'frontend shop_web_10001_in'), [
    'bind 127.0.0.1:10001',
    'mode http',
    'option idle-close-on-response',
    'default_backend shop_web_10001',
  ]);
  const backend = section(text, 'backend shop_web_10001');
  t.true(backend.includes('option httpchk GET /health'));
  t.true(backend.includes('timeout check 1500ms'));
  const check =
    'check inter 2000ms fastinter 500ms downinter 500ms rise 1 fall 3 observe layer4 error-limit 2 on-error mark-down';
  t.deepEqual(backend.slice(-2), [`server a.1 10.0.0.1:31001 ${check}`, `server b.1 10.0.0.2:31004 ${check}`]);
  t.deepEqual(
    section(text, 'backend shop_web_10003').at(-1),
    'server b.1 10.0.0.2:31006 check inter 1000ms fastinter 250ms downinter 250ms rise 1 fall 3 observe layer4 error-limit 2 on-error mark-down',
  );
  t.is(section(text, 'frontend shop_web_10003_in')[1], 'mode tcp', 'without a check by HTTP');
  t.false(text.includes('10002'));
  t.is(textOf(config(view)), text, 'the same view, the same text');
});

test('host names, paths, TLS, cookies, networks and passwords', t => {
  const view = new SmallView();
  const shop = listening([10_001], {
    id: '/shop',
    labels: {
      HAPROXY_0_VHOST: 'shop.example',
      HAPROXY_0_STICKY: 'true',
      HAPROXY_0_AUTH: 'members:anna:$5$a$b',
      HAPROXY_0_BACKEND_NETWORK_ALLOWED_ACL: '10.0.0.0/8',
      HAPROXY_0_REDIRECT_TO_HTTPS: 'true',
    },
  });
  const api = listening([10_002], { id: '/api', labels: { HAPROXY_0_VHOST: 'shop.example', HAPROXY_0_PATH: '/api' } });
  const raw = listening([10_003], {
    id: '/raw',
    labels: { HAPROXY_0_BACKEND_NETWORK_ALLOWED_ACL: '10.0.0.0/8', HAPROXY_0_BALANCE: 'source' },
  });
  view
    .put(shop, at(shop, 'a', '10.0.0.1', [31_001]))
    .put(api)
    .put(raw, at(raw, 'r', 'six.example', [31_003]));
  const of = { httpPort: 80, https: { port: 443, certificates: '/etc/certs' } };
  const text = textOf(config(view, {}, of));
  const condition = '{ hdr(host),field(1,:) -i shop.example }';
  const routes = [`use_backend api_10002 if ${condition} { path_beg /api }`, `use_backend shop_10001 if ${condition}`];
  t.deepEqual(section(text, 'frontend marathon_http_in'), [
    'bind 127.0.0.1:80',
    'mode http',
    'option idle-close-on-response',
    `http-request redirect scheme https code 301 if ${condition}`,
    ...routes,
  ]);
  t.deepEqual(section(text, 'frontend marathon_https_in').slice(-2), routes, 'paths come before what is everywhere');
  t.is(section(text, 'frontend marathon_https_in')[0], 'bind 127.0.0.1:443 ssl crt /etc/certs alpn h2,http/1.1');
  const backend = section(text, 'backend shop_10001');
  for (const line of [
    'cookie proffer_server insert indirect nocache',
    'http-request auth realm members unless { http_auth(shop_10001) }',
    'http-request deny unless { src 10.0.0.0/8 }',
  ])
    t.true(backend.includes(line), line);
  t.true(backend.at(-1)?.endsWith(' cookie a.1'));
  t.deepEqual(section(text, 'userlist shop_10001'), ['user anna password $5$a$b']);
  const plain = section(text, 'backend raw_10003');
  t.true(plain.includes('tcp-request content reject unless { src 10.0.0.0/8 }'));
  t.true(plain.includes('hash-type consistent'));
  t.true(plain.at(-1)?.startsWith('server r.1 [::1]:31003 '));
});

test('what is not routed is said, and by whose fault', t => {
  const view = new SmallView();
  const one = listening([10_001], { id: '/a/one' });
  view
    .put(one)
    .put(listening([10_002], { id: '/b', labels: { HAPROXY_0_PORT: '10001' } }))
    .put(listening([10_003], { id: '/c', labels: { HAPROXY_0_MODE: 'udp', HAPROXY_0_BALANCE: 'luck' } }))
    .put(listening([10_004], { id: '/d' }))
    .put(listening([10_005], { id: '/e', labels: { HAPROXY_0_ENABLED: 'false', HAPROXY_0_MODE: 'udp' } }))
    .put(pod({ id: '/f' }), running(pod({ id: '/f' })));
  const { services, refused } = routed(view, { taken: new Map([[10_004, 'is taken by another program']]) });
  t.deepEqual(
    services.map(({ name }) => name),
    ['a_one_10001'],
  );
  t.deepEqual(
    refused.map(({ appId, why }) => `${appId}: ${why}`),
    [
      '/b: port 10001 is the one of /a/one',
      '/c: label HAPROXY_0_MODE is "udp"; allowed: tcp or http; label HAPROXY_0_BALANCE is "luck"; allowed: roundrobin, leastconn, first, random, source, uri',
      '/d: port 10004 is taken by another program',
    ],
  );
});

test('groups say which apps are routed', t => {
  const view = new SmallView();
  view
    .put(listening([10_001], { id: '/in', labels: { HAPROXY_GROUP: 'internal' } }))
    .put(listening([10_002], { id: '/out', labels: { HAPROXY_GROUP: 'external' } }))
    .put(listening([10_003], { id: '/none' }));
  const names = (groups: string[]): string[] => routed(view, { groups }).services.map(({ name }) => name);
  t.deepEqual(names(['external']), ['out_10002']);
  t.deepEqual(names(['*']), ['in_10001', 'none_10003', 'out_10002']);
});

test('servers are where the version they were started with has its ports; those that leave are not there', t => {
  const view = new SmallView();
  const web = mapping(
    [
      { servicePort: 10_001, containerPort: 80 },
      { servicePort: 10_002, containerPort: 81 },
    ],
    'container',
  );
  const checkedElsewhere = {
    ...web,
    labels: { HAPROXY_0_BACKEND_HEALTHCHECK_PORT_INDEX: '1' },
    healthChecks: [{ ...http, portIndex: 1 }],
  };
  const here = { ...at(web, 'a', '10.0.0.1', [31_001, 31_002], { ip: '172.16.0.9' }), healthy: true };
  view.put(checkedElsewhere, here);
  const line = section(textOf(config(view)), 'backend web_10001').at(-1) ?? '';
  t.regex(line, /^server a\.1 172\.16\.0\.9:80 check .* port 81$/);
  t.is(config(view, { leaving: new Set([here.id]) }).backends.get('web_10001')?.servers.size, 0);
});

test('servers come and go without a reload; everything else needs one', t => {
  const web = listening([10_001]);
  const with_ = (...names: string[]): Config =>
    config(new SmallView().put(web, ...names.map(name => at(web, name, '10.0.0.1', [31_001]))));
  const { added, removed, reload } = differenceOf(with_('a', 'b'), with_('b', 'c'));
  t.deepEqual(
    added.map(({ server }) => server.name),
    ['c.1'],
  );
  t.deepEqual(
    removed.map(({ server }) => server.name),
    ['a.1'],
  );
  t.false(reload);
  t.deepEqual(differenceOf(with_('a'), with_('a')), { added: [], removed: [], reload: false });
  const moved = config(new SmallView().put(web, at(web, 'a', '10.0.0.2', [31_001])));
  t.true(differenceOf(with_('a'), moved).reload, 'an address that changed its mind');
  const other = config(new SmallView().put(listening([10_001], { healthChecks: [http] })));
  t.true(differenceOf(with_(), other).reload);
  const sticky = listening([10_001], { labels: { HAPROXY_0_STICKY: 'true' } });
  const stuck = (...names: string[]): Config =>
    config(new SmallView().put(sticky, ...names.map(name => at(sticky, name, '10.0.0.1', [31_001]))));
  t.true(differenceOf(stuck('a'), stuck('a', 'b')).reload, 'cookies cannot be added to one that runs');
  t.false(differenceOf(stuck('a', 'b'), stuck('a')).reload);
  const gone = differenceOf(with_('a'), config(new SmallView()));
  t.true(gone.reload);
  t.is(gone.removed.length, 1);
  t.not(shapeOf(with_('a')), shapeOf(other));
});

test('what HAProxy says of itself is read', t => {
  const text = `#<PID>          <type>          <reloads>       <uptime>        <version>
26647           master          2 [failed: 0]   0d00h00m02s     2.6.12
# workers
26779           worker          0               0d00h00m01s     2.6.12
# old workers
26700           worker          1               0d00h00m05s     2.6.12
# programs
`;
  t.deepEqual(processesIn(text), { master: 26_647, reloads: 2, workers: [26_779], oldWorkers: [26_700] });
  t.is(processesIn('Unknown command'), undefined);
  const stat = '# pxname,svname,qcur,qmax,scur,smax,\nb,one,1,0,2,0,\nb,two,0,0,0,0,\n\n';
  t.deepEqual(
    [...sessionsIn(stat)],
    [
      ['one', 3],
      ['two', 0],
    ],
  );
  t.is(sessionsIn('No such proxy').size, 0);
});

test('options that cannot be are refused', t => {
  const base = { clock: new VirtualClock(), log: silentLogger, dir: '/tmp/x' };
  t.is(settled(base).drainMs, 30_000);
  t.throws(() => settled({ ...base, bind: 'everywhere' }), { message: /not an address/ });
  t.throws(() => settled({ ...base, https: { port: 443, certificates: '/a b' } }), { message: /certificates/ });
});
