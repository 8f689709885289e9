import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, createUser, type TestUser } from '../support/api.ts';
import { createCollection, stored } from '../support/collections.ts';
import { bearer, blockOf } from '../support/keep.ts';
import { submitForm } from '../support/pages.ts';
import { rawRequest } from '../support/raw-http.ts';
import { startService, type TestService } from '../support/service.ts';

/**
 * Links and forms on the pages of a collection whose files and directories have names that mean something in addresses,
 * in HTML or in forms. Names are bytes, as in a manifest: `latin1` holds each in a character.
 */
const NAMES = [
  ...['_', 't=x', 't=', 'c=x', 'by_id', 'users', 'collections', '.keep-edge', 'workspace', '..%2f', '%2e%2e', '...'],
  ...[
    'dots..',
    '?',
    '#',
    '%',
    '%41',
    'a+b c',
    ' led',
    'new\nline',
    'line\r',
    'tab\there',
    'back\\slash',
    '"\'',
    '<b>&amp;',
  ],
  ...[';', ':', 'http:', '@', '*', '~', '-rf', '&', '|', '\x7f', 'ü日本', '\u202egnp.exe'],
].map((name) => Buffer.from(name).toString('latin1'));
NAMES.push('\xff', 'a\xfe.txt');

let service: TestService;
let user: TestUser;
let uuid: string;
/** What each file says. */
const texts = new Set<string>();

const escaped = (name: string) =>
  [...name]
    .map((char) => (/[\w.=-]/.test(char) ? char : `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`))
    .join('');

beforeAll(async () => {
  service = await startService();
  user = await createUser(service, 'ann');
  const lines: string[] = [];
  const fileIn = async (directory: string, name: string) => {
    const text = `file ${texts.size}, to be told from the others`;
    texts.add(text);
    const [block] = await stored(service, blockOf(text));
    lines.push(`${directory} ${block.locator} 0:${text.length}:${escaped(name)}\n`);
  };
  for (const name of NAMES) {
    // A directory and a file cannot have the same name in one place: files are one level down, all in one directory.
    await fileIn(`./${escaped(name)}`, name);
    await fileIn(`./${escaped(name)}/${escaped(name)}2`, 'below');
    await fileIn('./files', name);
  }
  for (const name of NAMES.filter((_, i) => i % 3 === 0 || i >= NAMES.length - 2)) await fileIn('.', `${name}.html`);
  for (const name of ['_.bam', '_.bam.bai', 't=x.bam', 't=x.bam.bai', '\xfe.bam', '\xfe.bam.bai'])
    await fileIn('.', name);
  uuid = (await createCollection(service, lines.join(''), { owner_uuid: user.uuid })).uuid;
  // The first change gives the text its normal form.
  const body = { replace_files: { '/first': 'current/_.bam', '/_.bam': '' } };
  expect((await api(service, `collections/${uuid}`, { method: 'PATCH', body })).status).toBe(200);
  const back = { replace_files: { '/_.bam': 'current/first', '/first': '' } };
  expect((await api(service, `collections/${uuid}`, { method: 'PATCH', body: back })).status).toBe(200);
});
afterAll(() => service.stop());

const ENTITIES: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
const unescaped = (text: string) =>
  text.replace(
    /&(?:#(\d+)|(\w+));/g,
    (_, code, name) => (code ? String.fromCodePoint(Number(code)) : ENTITIES[name]) ?? '',
  );

/** Of the collection's own host. */
let cookie = '';

/** A GET as a browser makes it, also of the collection's own host. */
async function open(url: URL): Promise<{ status: number; text: string; location: string | null; isPage: boolean }> {
  const host = url.host;
  const answer = await rawRequest(service.url, {
    path: url.pathname + url.search,
    headers: { host, Accept: 'text/html', ...(url.hostname === '127.0.0.1' ? bearer(user.token) : { cookie }) },
  });
  const given = answer.headers['set-cookie'];
  if (given !== undefined) cookie = given.split(';')[0] ?? '';
  const header = (name: string) => answer.headers[name] ?? null;
  return {
    status: answer.status,
    text: String(answer.body),
    location: header('location'),
    isPage: (header('content-type') ?? '').startsWith('text/html') && header('content-disposition') === null,
  };
}

/** Attributes of a page, as a browser reads them. */
function attributes(page: string, name: string): string[] {
  const values = [...page.matchAll(new RegExp(`\\s${name}="([^"]*)"`, 'g'))].map(([, value = '']) => unescaped(value));
  return [...new Set(values)];
}

/** As a browser sends a field: line ends are CRLF, and what is no text is a replacement character. */
const sent = (value: string) => value.replace(/\r\n|\r|\n/g, '\r\n').toWellFormed();

/** Fields that a form of a page sends, boxes ticked. */
function fieldsOf(form: string): [string, string][] {
  return [...form.matchAll(/<input [^>]*>/g)].flatMap(([input]) => {
    const [[name], [value]] = [attributes(input, 'name'), attributes(input, 'value')];
    return name === undefined || value === undefined ? [] : [[name, sent(value)] as [string, string]];
  });
}

test('every link on every page of the collection leads somewhere, and to every file', async () => {
  const base = new URL(`/c=${uuid}/`, service.url);
  const waiting = [base.href];
  const seen = new Set(waiting);
  const read = new Set<string>();
  const broken: string[] = [];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const url = new URL(next);
    const { status, text, location, isPage } = await open(url);
    if (status >= 400) broken.push(`${status} ${next}`);
    if (texts.has(text)) read.add(text);
    const onPage = isPage && status === 200 ? [...attributes(text, 'href'), ...attributes(text, 'src')] : [];
    const links = location === null ? onPage : [location];
    for (const link of links) {
      const to = new URL(link, url);
      const isOwn = to.hostname === `${uuid}.localhost`;
      const isOfCollection = /^\/(c=|workspace\/(file|open|upload)\/)/.test(to.pathname);
      to.hash = '';
      if (link.startsWith('#') || /[?&](sort|accept)=/.test(to.search) || !(isOwn || isOfCollection)) continue;
      if (seen.has(to.href)) continue;
      seen.add(to.href);
      waiting.push(to.href);
    }
  }
  expect(broken).toEqual([]);
  expect([...texts].filter((text) => !read.has(text))).toEqual([]);
});

/** The page of a directory of the collection, or that a form leads to. */
async function page(path: string): Promise<string> {
  const { status, text } = await open(new URL(path, service.url));
  expect([path, status]).toEqual([path, 200]);
  return text;
}

const hashOf = async () => (await api(service, `collections/${uuid}`)).json.portable_data_hash;
const submit = (path: string, fields: [string, string][]) => submitForm(service, user.token, path, fields);

test('each directory and each file is deleted by the forms of the pages, and comes back by Undo', async () => {
  const before = await hashOf();
  const [root, files] = [await page(`/c=${uuid}/`), await page(`/c=${uuid}/files/`)];
  const boxes = [root, files].flatMap((text) => {
    const fields = fieldsOf(/<form id="files".*?<\/form>/s.exec(text)?.[0] ?? '');
    const dir = fields.filter(([name]) => name === 'dir');
    return fields.filter(([name]) => name !== 'dir').map((box) => [...dir, box]);
  });
  expect(boxes.length).toBeGreaterThan(2 * NAMES.length);
  const one = async (fields: [string, string][]) => {
    const gone = await submit(`/workspace/file/${uuid}`, [...fields, ['action', 'delete']]);
    expect([fields, gone.to.searchParams.get('done')]).toEqual([fields, 'removed']);
    const shown = await page(gone.to.pathname + gone.to.search);
    expect(await hashOf()).not.toBe(before);
    const [, action = '', form = ''] =
      /<form method="post" action="(\/workspace\/untrash\/[^"]*)">(.*?)<\/form>/s.exec(shown) ?? [];
    const back = await submit(action, fieldsOf(form));
    expect([fields, back.to.searchParams.get('done')]).toEqual([fields, 'restored']);
    expect([fields, await hashOf()]).toEqual([fields, before]);
    await page(back.to.pathname);
  };
  for (const fields of boxes.filter((_, i) => i % 4 === 0)) await one(fields);
  for (const fields of boxes.filter((form) => form.some(([, value]) => /^(_|t=x?|\.keep-edge)$/.test(value))))
    await one(fields);
  // All of a page at once.
  await one(fieldsOf(/<form id="files".*?<\/form>/s.exec(files)?.[0] ?? ''));
});

test('each file is renamed by its form, and the page that follows has it', async () => {
  const listing = await page(`/c=${uuid}/files/`);
  const previews = attributes(listing, 'href').filter((href) => href.endsWith('?preview'));
  expect(previews).toHaveLength(NAMES.length);
  for (const [i, href] of previews.entries()) {
    const url = new URL(href, `${service.url}/c=${uuid}/files/`);
    const text = (await open(new URL(url.pathname, service.url))).text;
    const link = attributes(await page(url.pathname + url.search), 'href').find((to) =>
      to.startsWith('/workspace/file/'),
    );
    const form = /<form class="fields".*?<\/form>/s.exec(await page(link ?? ''))?.[0] ?? '';
    const hidden = fieldsOf(form).filter(([name]) => name === 'encoded_path');
    // Into directories at the top, whose names mean something there.
    const to = `${['_', 't=x', '.keep-edge', 'by_id', '%2e%2e'][i % 5]}/renamed ${i}`;
    const done = await submit(link ?? '', [...hidden, ['to', to]]);
    expect([to, done.to.searchParams.get('done')]).toEqual([to, 'saved']);
    const shown = attributes(await page(done.to.pathname + done.to.search), 'href').find(
      (each) => each === `renamed%20${i}`,
    );
    expect((await open(new URL(shown ?? '', new URL(done.to.pathname, service.url)))).text).toBe(text);
  }
});
