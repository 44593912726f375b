// Names of what runs: how they are made, what a zone answers, how messages are bounded, and a real resolver against the real server.
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import assert from 'node:assert/strict';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import * as packet from 'dns-packet';
import type { DecodedPacket, Packet } from 'dns-packet';
import { ProfferError } from 'proffer';
import { silentLogger } from '../../../../src/env/log.js';
import { VirtualClock } from '../../../../src/env/virtual-clock.js';
import { answerTo } from '../../../../frameworks/marathon/dns/answer.js';
import { labelOf, namesOf, taskNameOf } from '../../../../frameworks/marathon/dns/names.js';
import { replyTo } from '../../../../frameworks/marathon/dns/reply.js';
import { serveDns } from '../../../../frameworks/marathon/dns/serve.js';
import type { DnsOptions, RunningDns } from '../../../../frameworks/marathon/dns/serve.js';
import { hostPortOf, Zone, zoneOf } from '../../../../frameworks/marathon/dns/zone.js';
import type { ZoneOptions } from '../../../../frameworks/marathon/dns/zone.js';
import { holds } from '../../../support/property.js';
import { at, listening, mapping, SmallView } from '../discovery/small-view.js';
import { checked, container, noon, place, pod, running } from '../machine/samples.js';

const options = { ttlSeconds: 5, serial: 7, turn: 0, most: 100 };

test('labels are what Mesos-DNS makes of a text', t => {
  const cases: readonly (readonly [string, string])[] = [
    ['Web_Site.v2', 'web-site-v2'],
    ['--a--', 'a'],
    ['ünïcode', 'ncode'],
    ['', ''],
    ['-', ''],
    ['x'.repeat(70), 'x'.repeat(63)],
    // A dash where it is cut goes, and what stands behind it moves up.
    [`${'x'.repeat(62)}-yz`, `${'x'.repeat(62)}y`],
  ];
  for (const [text, label] of cases) t.is(labelOf(text), label, JSON.stringify(text));
});

test('each id has its own names: with dots, innermost first, and with dashes', t => {
  const names = (...ids: string[]): object => Object.fromEntries(namesOf(ids));
  t.deepEqual(names('/web', '/shop/db'), { '/web': ['web'], '/shop/db': ['db.shop', 'db-shop'] });
  t.deepEqual(names('/b/a', '/a-b', '/x/y.z', '/x/z/y', '/c-b/a', '/b/a-c', '/b/c/a'), {
    // a-b is spelled so; it is not also the name of another.
    '/b/a': ['a.b'],
    '/a-b': ['a-b'],
    // A segment may have dots: of two that come to the same the smaller id has it.
    '/x/y.z': ['y.z.x', 'y-z-x'],
    '/x/z/y': [],
    '/c-b/a': ['a.c-b'],
    '/b/a-c': ['a-c.b', 'a-c-b'],
    '/b/c/a': ['a.c.b'],
  });
});

test('a task has a name of its own, from its app, its id and its agent', t => {
  const name = taskNameOf('web-shop', 'web.1', '3f1c-S12');
  // The SHA-1 of `web.1` in zbase32.
  t.is(name, 'web-shop-e844k-s12');
  t.not(taskNameOf('web-shop', 'web.2', '3f1c-S12'), name);
  t.is(taskNameOf('x'.repeat(63), 'a', 'S1').length, 63);
});

test('where a master is can be said in several ways', t => {
  t.deepEqual(hostPortOf('ws://10.0.0.1:5050/api'), { host: '10.0.0.1', port: 5050 });
  t.deepEqual(hostPortOf('[::1]:5050'), { host: '::1', port: 5050 });
  t.deepEqual(hostPortOf('m1.example:5050'), { host: 'm1.example', port: 5050 });
  t.is(hostPortOf('m1.example'), undefined);
});

function sampleView(): SmallView {
  const view = new SmallView();
  view.master = 'http://10.0.0.9:5050';
  const web = listening([{ name: 'http' }, { name: 'admin', protocol: 'udp,tcp' }, {}], { id: '/shop/web' });
  view.put(
    web,
    at(web, 'i1', '10.0.0.1', [31_001, 31_002, 31_003]),
    at(web, 'i2', '10.0.0.2', [31_004, 31_005, 31_006]),
  );
  return view;
}

function sampleZone(view = sampleView()): Zone {
  return zoneOf(view, {
    domain: 'mesos',
    framework: 'marathon',
    serverAddresses: ['127.0.0.1'],
    frameworkAt: { addresses: ['10.0.0.8'], port: 8080 },
    addressesOf: host => (host.includes('example') ? [] : [host]),
  });
}

/** The data of answers, services as `target:port`. */
function told(zone: Zone, name: string, type: string, turn = 0): unknown {
  const { code, answers, authorities } = answerTo(zone, { name, type }, { ...options, turn });
  if (answers.length === 0) return authorities[0]?.type === 'SOA' ? (code === 3 ? 'NXDOMAIN' : 'NODATA') : code;
  return answers.map(answer => {
    if (answer.type === 'SRV') return `${answer.data.target}:${answer.data.port}`;
    return answer.type === 'A' || answer.type === 'AAAA' || answer.type === 'NS' ? answer.data : answer.type;
  });
}

test('a zone answers for apps, ports, tasks, agents, the master and itself', t => {
  const zone = sampleZone();
  const one = taskNameOf('web-shop', 'shop/web.instance-i1._app.1', 'agents-S1');
  const two = taskNameOf('web-shop', 'shop/web.instance-i2._app.1', 'agents-S2');
  const both = ['10.0.0.1', '10.0.0.2'];
  const targets = (end: string, ...ports: [number, number][]): string[] => [
    ...ports.map(([port]) => `${one}.${end}:${port}`),
    ...ports.map(([, port]) => `${two}.${end}:${port}`),
  ];
  const all: [number, number][] = [
    [31_001, 31_004],
    [31_002, 31_005],
    [31_003, 31_006],
  ];
  const cases: readonly (readonly [string, string, unknown])[] = [
    ['web.shop.marathon.mesos', 'A', both],
    ['WEB-shop.Marathon.mesos.', 'A', both],
    ['web-shop.marathon.slave.mesos', 'A', both],
    ['web.shop.marathon.mesos', 'AAAA', 'NODATA'],
    ['web.shop.marathon.mesos', 'TXT', 'NODATA'],
    ['shop.marathon.mesos', 'A', 'NODATA'],
    ['web.marathon.mesos', 'A', 'NXDOMAIN'],
    [`${one}.marathon.mesos`, 'A', ['10.0.0.1']],
    [`${two}.marathon.slave.mesos`, 'A', ['10.0.0.2']],
    ['_web-shop._tcp.marathon.mesos', 'SRV', targets('marathon.mesos', ...all)],
    ['_web.shop._tcp.marathon.mesos', 'SRV', targets('marathon.mesos', ...all)],
    ['_web-shop._udp.marathon.mesos', 'SRV', targets('marathon.mesos', [31_002, 31_005])],
    ['_http._web-shop._tcp.marathon.mesos', 'SRV', targets('marathon.mesos', [31_001, 31_004])],
    ['_http._web.shop._tcp.marathon.mesos', 'SRV', targets('marathon.mesos', [31_001, 31_004])],
    ['_admin._web-shop._udp.marathon.mesos', 'SRV', targets('marathon.mesos', [31_002, 31_005])],
    ['_http._web-shop._udp.marathon.mesos', 'SRV', 'NXDOMAIN'],
    ['_web-shop._tcp.marathon.slave.mesos', 'SRV', targets('marathon.slave.mesos', ...all)],
    ['_tcp.marathon.mesos', 'SRV', 'NODATA'],
    ['leader.mesos', 'A', ['10.0.0.9']],
    ['master.mesos', 'A', ['10.0.0.9']],
    ['master0.mesos', 'A', ['10.0.0.9']],
    ['_leader._tcp.mesos', 'SRV', ['leader.mesos:5050']],
    ['_master._tcp.mesos', 'SRV', ['master.mesos:5050']],
    ['marathon.mesos', 'A', ['10.0.0.8']],
    ['_framework._tcp.marathon.mesos', 'SRV', ['marathon.mesos:8080']],
    ['mesos', 'SOA', ['SOA']],
    ['mesos', 'NS', ['ns1.mesos']],
    ['mesos', 'A', 'NODATA'],
    ['ns1.mesos', 'A', ['127.0.0.1']],
    ['web.shop.marathon.mesos', 'SOA', 'NODATA'],
    ['web.shop.marathon.mesos', 'ANY', ['HINFO']],
    // Refused, code 5: what is not ours, and all at once.
    ['example.com', 'A', 5],
    ['notmesos', 'A', 5],
    ['mesos', 'AXFR', 5],
    ['mesos', 'IXFR', 5],
  ];
  for (const [name, type, expected] of cases) t.deepEqual(told(zone, name, type), expected, `${name} ${type}`);
  t.deepEqual(told(zone, 'web.shop.marathon.mesos', 'A', 1), ['10.0.0.2', '10.0.0.1'], 'the next begins with the next');
  const { additionals } = answerTo(zone, { name: '_http._web-shop._tcp.marathon.mesos', type: 'SRV' }, options);
  t.deepEqual(
    additionals.map(each => (each.type === 'A' ? `${each.name} ${each.data}` : each.type)),
    [`${one}.marathon.mesos 10.0.0.1`, `${two}.marathon.mesos 10.0.0.2`],
  );
});

test('a zone that follows changes is the one that is made anew', t => {
  const ids = ['/web', '/shop', '/shop/web', '/web-shop', '/a/b.c', '/a/c/b'];
  const where = ['10.0.0.1', '10.0.0.2', 'known.example'];
  const change = fc.record({
    id: fc.constantFrom(...ids),
    there: fc.boolean(),
    instances: fc.uniqueArray(fc.record({ name: fc.constantFrom('i', 'j', 'k'), host: fc.constantFrom(...where) }), {
      selector: ({ name }) => name,
    }),
    address: fc.constantFrom('10.0.1.1', '10.0.1.2', undefined),
  });
  holds(
    t,
    fc.property(fc.array(change, { maxLength: 12 }), changes => {
      const view = new SmallView();
      let address: string | undefined;
      const zoneOptions: ZoneOptions = {
        domain: 'mesos',
        framework: 'marathon',
        serverAddresses: [],
        addressesOf: host => (host.includes('example') ? (address === undefined ? [] : [address]) : [host]),
      };
      const zone = new Zone(zoneOptions);
      const asked = new Set<string>();
      for (const each of changes) {
        ({ address } = each);
        const app = listening([{ name: 'http' }, {}], { id: each.id });
        if (each.there) view.put(app, ...each.instances.map(({ name, host }) => at(app, name, host, [31_000, 31_001])));
        else view.remove(each.id);
        zone.bring(view, address);
        const fresh = new Zone(zoneOptions).bring(view, address);
        assert.equal(zone.size, fresh.size);
        for (const name of fresh.names()) asked.add(name).add(name.slice(name.indexOf('.') + 1));
        for (const name of asked) assert.deepEqual(zone.at(name), fresh.at(name), name);
      }
    }),
  );
});

test('only what runs and is healthy has records; its app is known all the same', t => {
  const view = new SmallView();
  const web = checked({ portDefinitions: [{ port: 0, protocol: 'tcp', labels: {} }] });
  const where = { ...place(), hostname: '10.0.0.1' };
  const sick = running(web, 'i2', where, noon, false);
  const going = { ...running(web, 'i3', where), goal: 'Stopped' as const };
  t.is(told(sampleZone(view.put(web, sick, going)), 'web.marathon.mesos', 'A'), 'NODATA');
  t.is(told(sampleZone(view), '_web._tcp.marathon.mesos', 'SRV'), 'NXDOMAIN');
  t.deepEqual(told(sampleZone(view.put(web, sick, running(web, 'i1', where))), 'web.marathon.mesos', 'A'), [
    '10.0.0.1',
  ]);
  const unknown = running(web, 'i1', { ...place(), hostname: 'a1.example' });
  t.is(
    told(sampleZone(view.put(web, unknown)), 'web.marathon.mesos', 'A'),
    'NODATA',
    'an agent without an address yet',
  );
});

test('a container is where its ports are reached: at its own address in a container network, else at its host', t => {
  const view = new SmallView();
  const ports = [
    { containerPort: 80, name: 'http' },
    { containerPort: 0, name: 'any' },
    { containerPort: 9, name: 'in' },
  ];
  const [http, any, inside] = ports;
  const mappings = [http ?? {}, any ?? {}].map(port => ({ ...port, hostPort: 0 }));
  const own = mapping([...mappings, inside ?? {}], 'container', { id: '/own' });
  const first = own.container?.portMappings[2];
  t.truthy(first);
  const bridged = mapping([{ containerPort: 80, name: 'http' }], 'container/bridge', { id: '/bridged' });
  view.put(own, at(own, 'i1', '10.0.0.1', [31_001, 31_002, 31_003], { ip: '172.16.0.5' }));
  view.put(bridged, at(bridged, 'i1', '10.0.0.1', [31_009], { ip: '172.17.0.2' }));
  const zone = sampleZone(view);
  const portOf = (name: string): unknown => String((told(zone, name, 'SRV') as string[])[0]).split(':')[1];
  t.deepEqual(told(zone, 'own.marathon.mesos', 'A'), ['172.16.0.5']);
  t.deepEqual(told(zone, 'own.marathon.slave.mesos', 'A'), ['10.0.0.1']);
  t.is(portOf('_http._own._tcp.marathon.mesos'), '80');
  t.is(portOf('_any._own._tcp.marathon.mesos'), '31002', 'the same inside and outside');
  t.is(portOf('_own._tcp.marathon.slave.mesos'), '31001');
  t.deepEqual(told(zone, 'bridged.marathon.mesos', 'A'), ['10.0.0.1']);
  t.is(portOf('_http._bridged._tcp.marathon.mesos'), '31009');
});

test('endpoints of a pod are found at the task of their container', t => {
  const endpoint = (name: string): object => ({ name, hostPort: 0, protocol: [], networkNames: [], labels: {} });
  const duo = pod({
    containers: [
      container('one', { endpoints: [endpoint('web')] as never }),
      container('two', { endpoints: [endpoint('log'), endpoint('raw')] as never }),
    ],
  });
  const instance = running(duo, 'i1', { ...place(), hostname: '10.0.0.1' });
  const [one, two] = instance.tasks;
  const tasks = [
    { ...one, hostPorts: [31_001] },
    { ...two, hostPorts: [31_002, 31_003] },
  ] as typeof instance.tasks;
  const zone = sampleZone(new SmallView().put(duo, { ...instance, tasks }));
  const ports = (name: string): string[] => (told(zone, name, 'SRV') as string[]).map(each => each.split(':')[1] ?? '');
  t.deepEqual(ports('_web._duo._tcp.marathon.mesos'), ['31001']);
  t.deepEqual(ports('_raw._duo._tcp.marathon.mesos'), ['31003']);
  t.deepEqual(ports('_duo._tcp.marathon.mesos'), ['31001', '31002', '31003']);
});

function query(name: string, type: string, more: Partial<Packet> = {}): Buffer {
  const questions = [{ type: type as 'A', class: 'IN' as const, name }];
  return packet.encode({ type: 'query', id: 77, flags: packet.RECURSION_DESIRED, questions, ...more });
}

function asked(
  t: ExecutionContext,
  zone: Zone,
  message: Buffer,
  transport: 'udp' | 'tcp' = 'udp',
): DecodedPacket & { bytes: number } {
  const reply = replyTo(zone, message, transport, options);
  if (reply === undefined) throw new Error('no reply');
  const decoded = packet.decode(reply);
  t.is(decoded.id, message.readUInt16BE(0));
  t.is(decoded.type, 'response');
  return { ...decoded, bytes: reply.length };
}

const codeOf = ({ flags = 0 }: Packet): number => flags & 15;

test('replies say whose they are, and refuse what is not understood', t => {
  const zone = sampleZone();
  const good = asked(t, zone, query('wEb.shop.marathon.mesos', 'A'));
  t.is(codeOf(good), 0);
  t.true(good.flag_aa);
  t.true(good.flag_rd);
  t.false(good.flag_ra, 'it asks nobody else');
  t.is(good.questions?.[0]?.name, 'wEb.shop.marathon.mesos', 'the question comes back as it was written');
  t.is(good.answers?.length, 2);
  t.is(codeOf(asked(t, zone, query('nothing.marathon.mesos', 'A'))), 3);
  const outside = asked(t, zone, query('example.com', 'A'));
  t.is(codeOf(outside), 5);
  t.false(outside.flag_aa);
  const chaos = query('version.bind', 'TXT', {
    questions: [{ type: 'TXT', class: 'CH', name: 'web.shop.marathon.mesos' }],
  });
  t.is(codeOf(asked(t, zone, chaos)), 5);

  const update = query('mesos', 'SOA');
  update.writeUInt16BE(5 << 11, 2);
  t.is(codeOf(asked(t, zone, update)), 4, 'other operations are not implemented');
  const two = query('mesos', 'SOA');
  two.writeUInt16BE(2, 4);
  t.is(codeOf(asked(t, zone, two)), 1, 'more than one question');
  t.is(codeOf(asked(t, zone, query('mesos', 'SOA').subarray(0, 15))), 1, 'cut off');
  t.is(codeOf(asked(t, zone, Buffer.concat([query('mesos', 'SOA'), Buffer.alloc(1024)]))), 1, 'too long');
  const loop = Buffer.concat([query('', 'A').subarray(0, 12), Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])]);
  t.is(codeOf(asked(t, zone, loop)), 1, 'a name that points at itself');
  const strange = Buffer.concat([query('', 'A').subarray(0, 12), Buffer.from([2, 0xff, 0xfe, 0, 0, 1, 0, 1])]);
  t.is(codeOf(asked(t, zone, strange)), 1, 'a name that would not come back as it came');
  t.is(replyTo(zone, Buffer.alloc(11), 'udp', options), undefined, 'no header');
  const reply = replyTo(zone, query('mesos', 'SOA'), 'udp', options);
  t.is(replyTo(zone, reply ?? Buffer.alloc(0), 'udp', options), undefined, 'replies are not replied to');
});

test('no message is too strange to be answered or left', t => {
  const zone = sampleZone();
  const head = query('', 'A').subarray(0, 12);
  holds(
    t,
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, withHead) => {
      const message = Buffer.concat([withHead ? head : Buffer.alloc(0), bytes]);
      const reply = replyTo(zone, message, 'udp', options);
      assert.ok(reply === undefined || reply.readUInt16BE(0) === message.readUInt16BE(0));
    }),
    { numRuns: 1000 },
  );
});

test('a reply by UDP keeps to the size its reader takes; by TCP all of it comes', t => {
  const view = new SmallView();
  const web = listening([{ name: 'http' }]);
  view.put(web, ...Array.from({ length: 200 }, (_, n) => at(web, `i${n}`, `10.0.1.${n}`, [31_000 + n])));
  const zone = sampleZone(view);
  const opt = (udpPayloadSize: number, ednsVersion = 0): Partial<Packet> => ({
    additionals: [
      { name: '.', type: 'OPT', udpPayloadSize, extendedRcode: 0, ednsVersion, flags: 0, flag_do: false, options: [] },
    ],
  });
  const plain = asked(t, zone, query('web.marathon.mesos', 'A'));
  t.true(plain.flag_tc);
  t.true(plain.bytes <= 512 && plain.bytes > 400);
  const wide = asked(t, zone, query('web.marathon.mesos', 'A', opt(4096)));
  t.true(wide.flag_tc);
  t.true(wide.bytes <= 1232 && wide.bytes > 1100, 'and never so large that it is sent in parts');
  t.is(wide.additionals?.[0]?.type, 'OPT');
  const stream = asked(t, zone, query('web.marathon.mesos', 'A'), 'tcp');
  t.false(stream.flag_tc);
  t.is(stream.answers?.length, 200);

  const instances = Array.from({ length: 5 }, (_, n) => at(web, `i${n}`, `10.0.1.${n}`, [31_000]));
  const few = sampleZone(view.put(web, ...instances));
  const services = asked(t, few, query('_web._tcp.marathon.mesos', 'SRV'));
  t.is(services.answers?.length, 5);
  t.true((services.additionals?.length ?? 0) < 5, 'addresses beside services are left out');
  t.false(services.flag_tc, 'which is nothing to ask again for');
  const badVersion = asked(t, few, query('mesos', 'SOA', opt(1232, 1)));
  t.is(codeOf(badVersion), 0);
  const [said] = badVersion.additionals ?? [];
  t.is(said?.type === 'OPT' ? said.extendedRcode : -1, 1, 'BADVERS');
});

interface Served {
  readonly view: SmallView;
  readonly clock: VirtualClock;
  readonly dns: RunningDns;
  readonly resolver: Resolver;
}

async function serving(t: ExecutionContext, more: Partial<DnsOptions> = {}): Promise<Served> {
  const view = sampleView();
  const clock = new VirtualClock();
  const dns = await serveDns(view, { clock, log: silentLogger, port: 0, ...more });
  t.teardown(() => dns.stop());
  const resolver = new Resolver({ tries: 2, timeout: 5000 });
  resolver.setServers([`127.0.0.1:${dns.port}`]);
  return { view, clock, dns, resolver };
}

test('a resolver of the system finds what runs, and what has changed', async t => {
  const { view, clock, resolver } = await serving(t);
  t.deepEqual((await resolver.resolve4('web.shop.marathon.mesos')).sort(), ['10.0.0.1', '10.0.0.2']);
  t.deepEqual(await resolver.resolve4('leader.mesos', { ttl: true }), [{ address: '10.0.0.9', ttl: 5 }]);
  const [service] = await resolver.resolveSrv('_http._web-shop._tcp.marathon.mesos');
  t.true(service?.port === 31_001 || service?.port === 31_004);
  const [address] = await resolver.resolve4(service?.name ?? '');
  t.is(address, service?.port === 31_001 ? '10.0.0.1' : '10.0.0.2');
  const soa = await resolver.resolveSoa('mesos');
  t.is(soa.nsname, 'ns1.mesos');
  await t.throwsAsync(resolver.resolve4('nothing.marathon.mesos'), { code: 'ENOTFOUND' });
  await t.throwsAsync(resolver.resolve6('web.shop.marathon.mesos'), { code: 'ENODATA' });
  await t.throwsAsync(resolver.resolve4('example.com'), { code: 'EREFUSED' });

  const api = listening([{}], { id: '/api' });
  view.put(api, ...Array.from({ length: 300 }, (_, n) => at(api, `i${n}`, `10.1.${n >> 8}.${n & 255}`, [31_000])));
  view.remove('/shop/web');
  clock.advance(200);
  t.is((await resolver.resolve4('api.marathon.mesos')).length, 300, 'too many for UDP: it has come back by TCP');
  await t.throwsAsync(resolver.resolve4('web.shop.marathon.mesos'), { code: 'ENOTFOUND' });
  t.true((await resolver.resolveSoa('mesos')).serial > soa.serial);
});

test('agents known by name are looked up, again when it failed and from time to time', async t => {
  let answers: readonly string[] | undefined = ['10.0.0.7', '2001:db8::7'];
  const looked: string[] = [];
  const { view, clock, resolver } = await serving(t, {
    lookup: host => {
      looked.push(host);
      return answers === undefined ? Promise.reject(new Error('no such name')) : Promise.resolve(answers);
    },
  });
  // All that is due, and what follows from it.
  const pass = async (ms: number): Promise<void> => {
    for (let turn = 0; turn < 4; turn += 1) {
      clock.advance(turn === 0 ? ms : 200);
      await new Promise(resolve => setImmediate(resolve));
    }
  };
  const api = listening([{}], { id: '/api' });
  view.put(api, at(api, 'i1', 'agent.example', [31_000]));
  await pass(200);
  t.deepEqual(await resolver.resolve4('api.marathon.mesos'), ['10.0.0.7']);
  t.deepEqual(await resolver.resolve6('api.marathon.mesos'), ['2001:db8::7']);
  t.deepEqual(looked, ['agent.example']);
  answers = undefined;
  await pass(60_000);
  t.deepEqual(await resolver.resolve4('api.marathon.mesos'), ['10.0.0.7'], 'what was true is kept');
  answers = ['10.0.0.70'];
  await pass(5000);
  t.deepEqual(await resolver.resolve4('api.marathon.mesos'), ['10.0.0.70']);
  t.is(looked.length, 3);
  view.put(api, at(api, 'i1', '10.0.0.1', [31_000]));
  await pass(120_000);
  t.is(looked.length, 3, 'a name that is not used is not looked up');
});

test('several questions follow each other on one connection; one too long ends it', async t => {
  const { dns } = await serving(t);
  const framed = (message: Buffer): Buffer => packet.streamEncode(packet.decode(message));
  const socket = connect(dns.port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.setNoDelay(true);
  const all = Buffer.concat([framed(query('leader.mesos', 'A')), framed(query('mesos', 'NS'))]);
  socket.write(all.subarray(0, 20));
  socket.write(all.subarray(20));
  let got = Buffer.alloc(0);
  const replies: DecodedPacket[] = [];
  while (replies.length < 2) {
    const [data] = (await once(socket, 'data')) as [Buffer];
    got = Buffer.concat([got, data]);
    while (got.length >= 2 && got.length >= 2 + got.readUInt16BE(0)) {
      replies.push(packet.decode(got.subarray(2, 2 + got.readUInt16BE(0))));
      got = got.subarray(2 + got.readUInt16BE(0));
    }
  }
  t.deepEqual(
    replies.map(({ answers }) => answers?.map(({ type }) => type)),
    [['A'], ['NS']],
  );
  socket.write(Buffer.from([0xff, 0xff]));
  await once(socket, 'close');
  t.pass();
});

test('junk by UDP is no end of it', async t => {
  const { dns, resolver } = await serving(t);
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  for (const junk of [Buffer.alloc(0), Buffer.alloc(5, 255), Buffer.alloc(600, 1), Buffer.alloc(12)])
    await new Promise(resolve => socket.send(junk, dns.port, '127.0.0.1', resolve));
  t.deepEqual(await resolver.resolve4('leader.mesos'), ['10.0.0.9']);
});

test('what cannot be a domain, a framework or a port is said', async t => {
  const bad = async (more: Partial<DnsOptions>): Promise<ProfferError | undefined> =>
    t.throwsAsync<ProfferError>(() => serving(t, more), { instanceOf: ProfferError });
  t.is((await bad({ domain: 'a..b' }))?.path, 'domain');
  t.is((await bad({ domain: 'x y' }))?.path, 'domain');
  t.is((await bad({ framework: 'Leader' }))?.path, 'framework');
  const { dns } = await serving(t);
  t.is((await bad({ port: dns.port }))?.code, 'ADDRESS_IN_USE');
});
