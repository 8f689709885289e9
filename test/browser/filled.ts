import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { ROOT } from '../../dev/serve.ts';
import { escapeName } from '../../src/keep/manifest/names.ts';
import { type ApiOptions, api, createToken, createUser, type Json, type TestUser } from '../support/api.ts';
import { createCollection, stored } from '../support/collections.ts';
import { blockOf } from '../support/keep.ts';
import type { TestService } from '../support/service.ts';

/** A service as it looks after some use, for pages to be looked at, measured and attacked. */
export interface Filled {
  ann: TestUser;
  bob: TestUser;
  /** A user who has nothing. */
  cid: TestUser;
  /** Every kind of page by a name for pictures of it. */
  pages: FilledPage[];
}

export interface FilledPage {
  name: string;
  path: string;
  /** Who looks at it; null for visitors who are not signed in. */
  who: TestUser | null;
  status: number;
}

/** Text that does harm where it is not escaped, and asks `elsewhere` where it may. */
export function hostileText(elsewhere: string): string {
  return `<script>document.title='owned'</script><img src=x onerror="document.title='owned'"><img src="${elsewhere}/image"> ![x](${elsewhere}/markdown) [x](javascript:document.title='owned') <style>@import '${elsewhere}/style'</style><svg onload="document.title='owned'"><base href="${elsewhere}/base"><meta http-equiv="refresh" content="0;url=${elsewhere}/refresh"><form action="${elsewhere}/form"><button autofocus onfocus="document.title='owned'">`;
}

const RUN_README = `# Zebrafish, run 12

Whole-genome reads of **twelve** embryos at 48 hours, paired ends of 150 bases.

| sample | reads | mean quality |
| --- | ---: | ---: |
| A1 | 412,331,902 | 36.2 |
| A2 | 398,120,744 | 36.4 |

1. See [the table](samples.csv) for barcodes.
2. Alignments are in \`aligned/\`, checked with \`samtools quickcheck\`.

> Lane 3 was loaded twice; use the second run.

\`\`\`sh
samtools view -c aligned/reads.bam
\`\`\`
`;

const CSV = `sample,barcode,reads,mean quality,comment\n${Array.from(
  { length: 60 },
  (_, i) =>
    `A${i + 1},ACGTTGCA${'ACGT'[i % 4]}${'TGCA'[i % 3]},${412_331_902 - i * 1_234_567},${(36.4 - i / 50).toFixed(1)},${i % 7 === 0 ? '"loaded twice, use the second"' : ''}`,
).join('\n')}\n`;

const LONG =
  'Alignment of the third resequencing of the Atlantic salmon families 1 to 240 against Ssal_v3.1 with duplicate marking and base quality score recalibration (do not delete before the review ends)';

/** @param elsewhere address that nothing on a page may ask */
export async function fillService(service: TestService, elsewhere = 'http://elsewhere.invalid'): Promise<Filled> {
  const ann = await createUser(service, 'ann', {
    last_name: 'Miller',
    is_admin: true,
    is_active: true,
    email: 'ann@example.org',
  });
  const bob = await createUser(service, 'bob', { last_name: 'Okafor', is_active: true, email: 'bob@example.org' });
  const cid = await createUser(service, 'cid', { is_active: true, email: 'cid@example.org' });
  const made = async (path: string, body: Json, options: ApiOptions = {}) => {
    const { status, json } = await api(service, path, { body, ...options });
    if (status !== 200) throw new Error(JSON.stringify(json));
    return json;
  };
  const project = (name: string, owner: string, more: Json = {}) =>
    made('groups', { group: { group_class: 'project', name, owner_uuid: owner, ...more } });
  const share = (tail: string, head: string, name = 'can_read') =>
    made('links', { link: { link_class: 'permission', name, tail_uuid: tail, head_uuid: head } });

  const study = await project('Zebrafish development', ann.uuid, {
    description: 'Data of the *development* study. Ask Ann before you add to it.',
  });
  const lane = await project('Lanes', study.uuid);
  const empty = await project('Empty project', ann.uuid);
  const files: [path: string, data: string | Uint8Array][] = [
    ['README.md', RUN_README],
    ['samples.csv', CSV],
    [
      'settings.json',
      JSON.stringify({ aligner: 'bwa-mem2', threads: 16, references: ['GRCz11'], nested: { a: [1, 2] } }),
    ],
    ['notes.txt', 'Lane 3 was loaded twice.\nAsk Bob.\n'],
    ['plots/coverage.png', picture(480, 320)],
    [
      'plots/logo.svg',
      '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="4" fill="teal"/></svg>',
    ],
    ['report.html', '<!doctype html><h1>Report</h1><script>document.title="Report"</script>'],
    ['paper.pdf', '%PDF-1.4\n%%EOF\n'],
    ['tone.wav', tone()],
    ['aligned/reads.bam', await readFile(join(ROOT, 'test/vectors/genomics/reads.bam'))],
    ['data.bin', Uint8Array.from({ length: 5000 }, (_, i) => (i * 197) % 256)],
    ['empty.dat', ''],
    [`${LONG}.vcf.gz`, 'not really'],
    ['größe und maß/100 % sure #1?.txt', 'yes\n'],
  ];
  const run = await createCollection(service, await manifestOf(service, files), {
    name: 'Zebrafish run 12',
    owner_uuid: study.uuid,
    description: `Reads of **run 12**, with alignments and quality reports.\n\nFrom [the facility](https://facility.example.org/runs/12).`,
    properties: { species: 'Danio rerio', lanes: 4, machine: 'NovaSeq X', samples: ['A1', 'A2', 'A3'] },
  });
  for (let i = 1; i <= 14; i++)
    await createCollection(service, await manifestOf(service, [['notes.txt', `run ${i}\n`]]), {
      name: `Run ${i}`,
      owner_uuid: i < 9 ? study.uuid : lane.uuid,
    });
  const many = await createCollection(
    service,
    await manifestOf(service, [['x', 'x']]).then((text) => text.replace(' 0:1:x', manyFiles())),
    { name: LONG, owner_uuid: ann.uuid },
  );
  const evil = hostileText(elsewhere);
  const hostile = await createCollection(
    service,
    await manifestOf(service, [
      ['README.md', evil],
      [
        'page.html',
        `<!doctype html><script>document.title='owned '+document.cookie</script><img src="${elsewhere}/html">`,
      ],
      [
        'picture.svg',
        `<svg xmlns="http://www.w3.org/2000/svg"><script>document.title='owned'</script><image href="${elsewhere}/svg"/></svg>`,
      ],
      ['table.csv', `a,b\n"${evil.replaceAll('"', '""')}",2\n`],
      ['data.json', JSON.stringify({ [evil]: evil })],
      ['text.txt', evil],
      [evil.replaceAll('/', '_').slice(0, 240), 'x'],
      [`${evil.replaceAll('/', '_').slice(0, 100)}.csv`, CSV],
      ['invoice\u202efdp.exe', 'x'],
    ]),
    {
      name: evil.slice(0, 200).replaceAll('/', '_'),
      description: evil,
      properties: { [evil.slice(0, 100)]: evil },
      owner_uuid: ann.uuid,
    },
  );
  const hostileProject = await project(evil.slice(0, 200).replaceAll('/', '_'), ann.uuid, { description: evil });
  const hostileGroup = await made('groups', {
    group: { group_class: 'role', name: evil.slice(0, 150).replaceAll('/', '_') },
  });
  await share(hostileGroup.uuid, hostile.uuid);
  const bare = await createCollection(service, '', { name: 'Nothing in it yet', owner_uuid: ann.uuid });
  const lab = await made('groups', { group: { group_class: 'role', name: 'Fish lab' } });
  await share(bob.uuid, run.uuid, 'can_write');
  await share(lab.uuid, run.uuid);
  const open = await createCollection(service, await manifestOf(service, files.slice(0, 4)), {
    name: 'Published: zebrafish counts',
    owner_uuid: ann.uuid,
    description: 'What the paper cites.',
  });
  await share(`${ann.uuid.slice(0, 5)}-j7d0g-anonymouspublic`, open.uuid);
  for (const name of ['Run 3, failed', 'Old alignments']) {
    const gone = await createCollection(service, await manifestOf(service, files.slice(0, 3)), {
      name,
      owner_uuid: ann.uuid,
    });
    await api(service, `collections/${gone.uuid}/trash`, { body: {} });
  }
  const goneProject = await project('Pilot, abandoned', ann.uuid);
  await api(service, `groups/${goneProject.uuid}/trash`, { body: {} });
  for (const name of ['Version one', 'Zebrafish run 12'])
    await api(service, `collections/${run.uuid}`, {
      method: 'PATCH',
      body: { collection: { name, preserve_version: true } },
    });
  const linkTo = (name: string, expires_at: Date | null) =>
    made('sharing_links', { sharing_link: { collection_uuid: run.uuid, name, expires_at } }, { token: ann.token });
  const link = await linkTo('reviewers', new Date(Date.now() + 30 * 86_400_000));
  await linkTo('the poster’s QR code', null);
  const shared = URL.parse(link.href)?.pathname ?? '';
  const code = encodeURIComponent(await createToken(service, ann.uuid, { scopes: ['POST /workspace/enter'] }));

  const at = (uuid: string, path = '') => `/c=${uuid}/${path.split('/').map(encodeURIComponent).join('/')}`;
  const page = (name: string, path: string, who: TestUser | null = ann, status = 200): FilledPage => ({
    name,
    path,
    who,
    status,
  });
  const pages = [
    page('welcome', '/', null),
    page('sign-in', '/workspace/sign-in', null),
    page('sign-in-asked', at(run.uuid), null, 401),
    page('enter', `/workspace/enter?code=${code}`, null),
    page('enter-spent', '/workspace/enter?code=spent', null, 401),
    page('start', '/'),
    page('start-empty', '/', cid),
    page('start-undo', `/?trashed=${many.uuid}`),
    page('list', '/workspace/list/mine'),
    page('project', at(study.uuid)),
    page('project-empty', at(empty.uuid)),
    page('project-hostile', at(hostileProject.uuid)),
    page('collection', at(run.uuid)),
    page('collection-saved', `${at(run.uuid)}?done=saved`),
    page('collection-directory', at(run.uuid, 'plots/')),
    page('collection-empty', at(bare.uuid)),
    page('collection-many', at(many.uuid)),
    page('collection-hostile', at(hostile.uuid)),
    page('collection-of-another', at(run.uuid), bob),
    page('collection-by-link', shared, null),
    page('collection-public', at(open.uuid), null),
    page('file-markdown', `${at(run.uuid, 'README.md')}?preview`),
    page('file-table', `${at(run.uuid, 'samples.csv')}?preview`),
    page('file-json', `${at(run.uuid, 'settings.json')}?preview`),
    page('file-text', `${at(run.uuid, 'notes.txt')}?preview`),
    page('file-image', `${at(run.uuid, 'plots/coverage.png')}?preview`),
    page('file-svg', `${at(run.uuid, 'plots/logo.svg')}?preview`),
    page('file-html', `${at(run.uuid, 'report.html')}?preview`),
    page('file-pdf', `${at(run.uuid, 'paper.pdf')}?preview`),
    page('file-audio', `${at(run.uuid, 'tone.wav')}?preview`),
    page('file-genome', `${at(run.uuid, 'aligned/reads.bam')}?preview`),
    page('file-binary', `${at(run.uuid, 'data.bin')}?preview`),
    page('file-empty', `${at(run.uuid, 'empty.dat')}?preview`),
    page('file-long-name', `${at(run.uuid, `${LONG}.vcf.gz`)}?preview`),
    page('file-by-link', `${shared}samples.csv?preview`, null),
    ...[
      'README.md',
      'page.html',
      'picture.svg',
      'table.csv',
      'data.json',
      'text.txt',
      evil.replaceAll('/', '_').slice(0, 240),
    ].map((name, i) => page(`hostile-file-${i + 1}`, `${at(hostile.uuid, name)}?preview`)),
    page('hostile-edit', `/workspace/edit/${hostile.uuid}`),
    page('hostile-share', `/workspace/share/${hostile.uuid}`),
    page('hostile-versions', `/workspace/versions/${hostile.uuid}`),
    page('hostile-upload', `/workspace/upload/${hostile.uuid}?to=${encodeURIComponent(evil)}`),
    page(
      'hostile-file-edit',
      `/workspace/file/${hostile.uuid}?encoded_path=${encodeURIComponent(encodeURIComponent(evil))}`,
    ),
    page('hostile-search', `/workspace/search?q=${encodeURIComponent("document.title='owned'")}`),
    page('edit', `/workspace/edit/${run.uuid}`),
    page('edit-project', `/workspace/edit/${study.uuid}`),
    page('share', `/workspace/share/${run.uuid}`),
    page('share-project', `/workspace/share/${study.uuid}`),
    page('share-of-another', `/workspace/share/${run.uuid}`, bob),
    page('versions', `/workspace/versions/${run.uuid}`),
    page('upload', `/workspace/upload/${run.uuid}`),
    page('file-edit', `/workspace/file/${run.uuid}?encoded_path=samples.csv`),
    page('search', '/workspace/search'),
    page('search-found', '/workspace/search?q=zebrafish'),
    page('search-nothing', '/workspace/search?q=nothinghasthisword'),
    page('trash', '/workspace/trash'),
    page('trash-empty', '/workspace/trash', cid),
    page('tokens', '/workspace/tokens'),
    page('tokens-of-another', '/workspace/tokens', bob),
    page('operator', '/workspace/operator'),
    page('error-403', '/workspace/operator', bob, 403),
    page('error-404', '/workspace/nothing', ann, 404),
    page('error-404-collection', at(`${ann.uuid.slice(0, 5)}-4zz18-000000000000000`), ann, 404),
    page('error-404-file', at(run.uuid, 'no-such-file.txt'), ann, 404),
  ];
  return { ann, bob, cid, pages };
}

async function manifestOf(service: TestService, files: [path: string, data: string | Uint8Array][]): Promise<string> {
  const lines: string[] = [];
  for (const [path, data] of files) {
    const block = blockOf(data);
    if (block.data.length > 0) await stored(service, block);
    const cut = path.lastIndexOf('/');
    const directory = cut < 0 ? '.' : `./${escapeName(path.slice(0, cut))}`;
    lines.push(`${directory} ${block.locator} 0:${block.data.length}:${escapeName(path.slice(cut + 1))}\n`);
  }
  return lines.join('');
}

/** Segments of 3,000 files. */
function manyFiles(): string {
  return Array.from({ length: 3000 }, (_, i) => ` 0:1:family-${i % 240}/sample-${i}.fastq.gz`).join('');
}

/** A PNG with a gradient. */
function picture(width: number, height: number): Uint8Array {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2], 8);
  const rows = Buffer.alloc(height * (width * 3 + 1));
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      rows.set([(x * 255) / width, (y * 255) / height, 160], y * (width * 3 + 1) + 1 + x * 3);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A second of a tone, as WAV. */
function tone(): Uint8Array {
  const rate = 8000;
  const wav = Buffer.alloc(44 + rate);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + rate, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(rate, 24);
  wav.writeUInt32LE(rate, 28);
  wav.writeUInt16LE(1, 32);
  wav.writeUInt16LE(8, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(rate, 40);
  for (let i = 0; i < rate; i++) wav[44 + i] = 128 + 60 * Math.sin((i / rate) * 2 * Math.PI * 440);
  return wav;
}
