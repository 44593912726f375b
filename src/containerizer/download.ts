// One HTTP download. In: a URL. Out: its bytes as a stream; redirects followed within the same scheme, silence and refused addresses are errors.
import { lookup as dnsLookup } from 'node:dns';
import type { IncomingMessage } from 'node:http';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { shown } from '../base/errors.js';
import type { Clock } from '../env/clock.js';

export interface DownloadOptions {
  readonly signal: AbortSignal;
  /** Longest time without a byte. */
  readonly stallMs: number;
  readonly refuseAddress: (ip: string) => boolean;
}

const redirectsMax = 5;

/**
 * Asks for `url`. `bytes` is the length the server announced.
 * @throws Error with a reason for people: no answer, a status other than 200, too many redirects or one to another scheme.
 */
export async function download(
  clock: Clock,
  url: URL,
  options: DownloadOptions,
): Promise<{ stream: Readable; bytes: number | undefined }> {
  let at = url;
  for (let redirects = 0; ; redirects++) {
    const response = await ask(clock, at, options);
    const { statusCode = 0, headers } = response;
    if ([301, 302, 303, 307, 308].includes(statusCode) && headers.location !== undefined) {
      response.destroy();
      if (redirects === redirectsMax) throw new Error(`it redirects more than ${redirectsMax} times`);
      if (!URL.canParse(headers.location, at.href))
        throw new Error(`it redirects to ${shown(headers.location)}, which is no URL`);
      const next = new URL(headers.location, at);
      if (next.protocol !== at.protocol) throw new Error(`it redirects from ${at.protocol} to ${next.protocol}`);
      at = next;
      continue;
    }
    if (statusCode !== 200) {
      response.destroy();
      throw new Error(`the server answered ${statusCode} ${response.statusMessage ?? ''}`.trimEnd());
    }
    const length = Number(headers['content-length']);
    return { stream: response, bytes: Number.isSafeInteger(length) ? length : undefined };
  }
}

function ask(clock: Clock, url: URL, { signal, stallMs, refuseAddress }: DownloadOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && refuseAddress(host)) {
      reject(refused(host));
      return;
    }
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const headers = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'proffer' };
    // The address that was checked is the one connected to.
    const asked = request(url, { signal, headers, agent: false, lookup: checkedLookup(refuseAddress) });
    let body: IncomingMessage | undefined;
    const stalled = (): void => {
      (body ?? asked).destroy(new Error(`the server sent nothing for ${stallMs / 1000} s`));
    };
    let timer = clock.after(stallMs, stalled);
    asked.once('error', error => {
      timer.cancel();
      reject(error);
    });
    asked.once('close', () => timer.cancel());
    asked.once('response', response => {
      body = response;
      response.on('data', () => {
        timer.cancel();
        timer = clock.after(stallMs, stalled);
      });
      response.pause();
      response.once('end', () => timer.cancel());
      response.once('close', () => timer.cancel());
      resolve(response);
    });
    asked.end();
  });
}

function checkedLookup(refuseAddress: (ip: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    dnsLookup(hostname, options, (error, address, family) => {
      const addresses = Array.isArray(address) ? address : [{ address, family: family ?? 0 }];
      const bad = error === null ? addresses.find(found => refuseAddress(found.address)) : undefined;
      if (bad === undefined) callback(error, address, family);
      else callback(refused(bad.address), address, family);
    });
  };
}

function refused(address: string): Error {
  return new Error(`the address ${address} is not allowed to be fetched from`);
}
