// `/ui/`: a web UI made for Marathon, which calls the API at `../`. In: a directory of the operator's. Out: its files as they are, and nothing beside them.
import { readFile, realpath, stat } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { notFound } from '../errors.js';
import { empty } from '../route.js';
import type { ApiRequest, Reply, Route } from '../route.js';

/** Without a directory nothing is there. */
export function uiRoutes(directory: string | undefined): readonly Route[] {
  if (directory === undefined) return [];
  return [
    {
      path: '/ui',
      on: {
        // Links of its pages are relative to the directory.
        GET: ({ uri }) => (uri.endsWith('/') ? file(directory, 'index.html') : empty(302, { location: '/ui/' })),
      },
    },
    { path: '/ui/{id}', on: { GET: (request: ApiRequest) => file(directory, request.id.slice(1)) } },
  ];
}

const types: { readonly [extension: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.gif': 'image/gif',
  '.jpg': 'image/jpeg',
  '.ico': 'image/x-icon',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.ttf': 'font/ttf',
  '.eot': 'application/vnd.ms-fontobject',
  '.txt': 'text/plain; charset=utf-8',
};

/** More is no part of a UI. */
const fileBytesMax = 32 * 1024 * 1024;

async function file(directory: string, path: string): Promise<Reply> {
  const bytes = path.includes('\0') ? undefined : await read(directory, path);
  if (bytes === undefined) throw notFound('URI not found');
  const contentType = types[extname(path).toLowerCase()] ?? 'application/octet-stream';
  return { type: 'BODY', status: 200, contentType, content: bytes };
}

/** Undefined for what is no file there; a link that leads out of the directory is none. */
async function read(directory: string, path: string): Promise<Uint8Array | undefined> {
  try {
    const inside = `${await realpath(directory)}${sep}`;
    const found = await realpath(join(directory, path));
    if (!found.startsWith(inside)) return undefined;
    const about = await stat(found);
    return about.isFile() && about.size <= fileBytesMax ? await readFile(found) : undefined;
  } catch {
    return undefined;
  }
}
