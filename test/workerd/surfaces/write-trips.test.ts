import { beforeAll, describe, expect, test } from 'vitest';
import { type CountedClients, countedClients, HOST } from '../support/counted-clients.ts';
import type { CountedAnswer } from '../support/counted-service.ts';

/** What a write waits for, one trip after the other: the list of docs/consistency.md#what-a-write-waits-for. */

const BODY = 'x'.repeat(1024);
const HEADERS = { 'Content-Length': String(BODY.length), 'Content-Type': 'text/plain' };
const LOCK = `<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>
  <D:locktype><D:write/></D:locktype></D:lockinfo>`;

let clients: CountedClients;
/** One with metadata of files, as S3 leaves it, and one without. */
let uuid: string;
let plain: string;
let locked: string;
let serial = 0;

/** Never the same content twice: that would only be compared. */
const body = (headers: Record<string, string> = {}) => ({
  body: String(++serial).padEnd(BODY.length, 'x'),
  headers: { ...HEADERS, ...headers },
});
const to = (path: string) => ({ headers: { Destination: `${HOST}/c=${path}` } });

beforeAll(async () => {
  clients = await countedClients();
  uuid = await clients.collectionOf('');
  plain = await clients.collectionOf('');
  for (const key of ['there', 'to-move', 'to-delete', 'of-s3']) await clients.s3('PUT', `${uuid}/${key}`, body());
  for (const key of ['there', 'to-move', 'to-delete']) await clients.web('PUT', `${plain}/${key}`, body());
  locked = await clients.collectionOf('');
  // The first request of an isolate makes what is there without being made.
  await clients.api('PATCH', `collections/${locked}`, { collection: {} });
});

const MAY_WRITE = 'D1: 1';
const BLOCK = ['BLOCKS: put', 'BLOCKS: put'];
/** Row, token, roles, level; quotas for what may grow. */
const STATE = 'D1: 4';
const STATE_AND_QUOTAS = 'D1: 5';
const BACKUP = 'MANIFESTS: put';
const ROW = 'D1: 1';
const FILES_BACKUP = 'MANIFESTS: put';

const each: [string, string[], () => Promise<CountedAnswer>][] = [
  [
    'PutObject of a new key',
    // The row, the metadata, and what of metadata is to be backed up.
    [MAY_WRITE, ...BLOCK, 'object: edit', STATE_AND_QUOTAS, BACKUP, 'D1: 3', FILES_BACKUP],
    () => clients.s3('PUT', `${uuid}/new`, body()),
  ],
  [
    'PutObject of a key that must not be there',
    [MAY_WRITE, ...BLOCK, 'object: edit', STATE_AND_QUOTAS, BACKUP, 'D1: 3', FILES_BACKUP],
    () => clients.s3('PUT', `${uuid}/new-too`, body({ 'If-None-Match': '*' })),
  ],
  [
    'PutObject over a key',
    [MAY_WRITE, ...BLOCK, 'object: edit', STATE_AND_QUOTAS, BACKUP, 'D1: 4', FILES_BACKUP],
    () => clients.s3('PUT', `${uuid}/there`, body()),
  ],
  ['DeleteObject', ['object: edit', STATE, BACKUP, 'D1: 3', FILES_BACKUP], () => clients.s3('DELETE', `${uuid}/of-s3`)],
  [
    'PUT by WebDAV of a new file',
    [MAY_WRITE, ...BLOCK, 'object: edit', STATE_AND_QUOTAS, BACKUP, ROW],
    () => clients.web('PUT', `${plain}/new`, body()),
  ],
  [
    'PUT by WebDAV over a file',
    [MAY_WRITE, ...BLOCK, 'object: edit', STATE_AND_QUOTAS, BACKUP, ROW],
    () => clients.web('PUT', `${plain}/there`, body()),
  ],
  ['MOVE', ['object: edit', STATE, BACKUP, ROW], () => clients.web('MOVE', `${plain}/to-move`, to(`${plain}/moved`))],
  ['DELETE by WebDAV', ['object: edit', STATE, BACKUP, ROW], () => clients.web('DELETE', `${plain}/to-delete`)],
  [
    'MOVE of a file with metadata',
    ['object: edit', STATE, BACKUP, 'D1: 5', FILES_BACKUP],
    () => clients.web('MOVE', `${uuid}/to-move`, to(`${uuid}/moved`)),
  ],
  [
    'DELETE by WebDAV of a file with metadata',
    ['object: edit', STATE, BACKUP, 'D1: 3', FILES_BACKUP],
    () => clients.web('DELETE', `${uuid}/to-delete`),
  ],
  [
    'COPY from another collection',
    // Whether it may be read, and its text.
    ['D1: 1', 'object: edit', STATE_AND_QUOTAS, 'D1: 1', BACKUP, ROW],
    () => clients.web('COPY', `${uuid}/there`, to(`${plain}/copied`)),
  ],
  [
    'an update of a collection by the API',
    // The level is told with the record; roles are those of when the token was looked up.
    [MAY_WRITE, 'object: change', 'D1: 3', BACKUP, ROW, 'D1: 1'],
    () => clients.api('PATCH', `collections/${plain}`, { collection: { description: 'x' } }),
  ],
  [
    'replace_files of the API',
    [MAY_WRITE, 'object: edit', STATE_AND_QUOTAS, BACKUP, ROW, 'D1: 1'],
    () => clients.api('PATCH', `collections/${plain}`, { collection: {}, replace_files: { '/copy': 'current/there' } }),
  ],
  [
    'a collection that goes to the trash',
    [MAY_WRITE, 'object: change', 'D1: 3', BACKUP, ROW, 'D1: 1'],
    () => clients.api('DELETE', `collections/${plain}`, {}),
  ],
];

describe('a write waits for no more than', () => {
  test.each(each)('%s', async (_, trips, ask) => {
    expect((await ask()).trips).toEqual(trips);
  });

  test('an upload in parts', async () => {
    const created = await clients.s3('POST', `${uuid}/in-parts?uploads`);
    expect(created.trips).toEqual([MAY_WRITE, 'D1: 1']);
    const id = /<UploadId>(.*?)</.exec(created.text)?.[1];
    const part = await clients.s3('PUT', `${uuid}/in-parts?uploadId=${id}&partNumber=1`, body());
    const isOpen = 'D1: 1';
    expect(part.trips).toEqual([MAY_WRITE, isOpen, ...BLOCK, 'object: addPart', isOpen]);
  });

  test('LOCK and UNLOCK', async () => {
    const lock = await clients.web('LOCK', `${locked}/`, { body: LOCK });
    expect(lock.trips).toEqual(['object: lock', STATE]);
    const token = /opaquelocktoken:[^<]+/.exec(lock.text)?.[0];
    const unlock = await clients.web('UNLOCK', `${locked}/`, { headers: { 'Lock-Token': `<${token}>` } });
    expect(unlock.trips).toEqual([MAY_WRITE, 'object: unlock']);
  });
});
