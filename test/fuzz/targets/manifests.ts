import { filesBelow, findNode, nodePath, nodeSize, ROOT_NODE } from '../../../src/collections/file-tree.ts';
import { buildFileTree } from '../../../src/collections/file-tree-builder.ts';
import { bareLocator } from '../../../src/keep/locator.ts';
import { escapeName } from '../../../src/keep/manifest/names.ts';
import { normalise, readTree } from '../../../src/keep/manifest/normalise.ts';
import { ManifestParser } from '../../../src/keep/manifest/parse.ts';
import { pathText, placeText } from '../../../src/keep/manifest/places.ts';
import { PortableDataHasher } from '../../../src/keep/manifest/portable-data-hash.ts';
import { LocatorRewriter } from '../../../src/keep/manifest/rewrite.ts';
import { type ManifestRules, READ_RULES, STORE_RULES } from '../../../src/keep/manifest/rules.ts';
import { archiveNames } from '../../../src/surfaces/keep-web/archive-names.ts';
import { chooseFiles, readArchiveRequest, wantsArchive } from '../../../src/surfaces/keep-web/archive-request.ts';
import { readFields } from '../../../src/surfaces/keep-web/request-fields.ts';
import type { Random } from '../random.ts';
import { cut, must, outcomeOf, type Target } from '../target.ts';

const FOO = 'acbd18db4cc2f85cedef654fccc4a4d8+3';
const BAR = '37b51d194a7513e45b56f6524f2d51f2+3';
const SIGNATURE = '+A0123456789abcdef0123456789abcdef01234567@7fffffff';
const MANIFESTS = [
  `. ${FOO} 0:3:foo\n`,
  `. ${FOO}${SIGNATURE} ${BAR}+Rzzzzz-0123456789abcdef0123456789abcdef01234567@7fffffff 0:3:foo 3:3:bar\n`,
  `. ${FOO} 0:1:a 1:2:a 0:0:empty\n./dir ${BAR} 0:3:b\\040c\n./dir/sub d41d8cd98f00b204e9800998ecf8427e+0 0:0:\\056\n`,
  `./a\\040b/\\303\\251 ${FOO} ${BAR} 2:3:x/y 0:0:.\n`,
];
const WORDS = [
  FOO,
  BAR,
  SIGNATURE,
  ' ',
  '\n',
  '. ',
  './',
  ' 0:0:',
  ' 0:3:',
  ' 3:3:',
  '\\040',
  '\\056',
  '\\134',
  '\\400',
  '\\000',
  '\\377',
  '..',
  '/',
];
const encoder = new TextEncoder();

/** Everything a parser tells, as text; pushed whole or in chunks. */
function told(chunks: Uint8Array[], rules: ManifestRules): string {
  let events = '';
  const parser = new ManifestParser(
    {
      stream: (directory) => {
        events += `S${placeText(directory)}\n`;
      },
      block: (locator, size) => {
        events += `B${locator} ${size}\n`;
      },
      segment: (file, position, length) => {
        const path = pathText(file);
        must(
          rules.code !== 'invalid_record' ||
            path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
          `a path that climbs: ${path}`,
        );
        events += `F${path} ${position} ${length}\n`;
      },
      directory: (place) => {
        events += `D${placeText(place)}\n`;
      },
    },
    rules,
  );
  for (const chunk of chunks) parser.push(chunk);
  parser.end();
  return events;
}

function rewritten(chunks: Uint8Array[], rewrite: (locator: string) => string): string {
  const rewriter = new LocatorRewriter(rewrite);
  const out: Uint8Array[] = [];
  for (const chunk of chunks) out.push(...rewriter.push(chunk));
  out.push(rewriter.end());
  return Buffer.concat(out).toString('latin1');
}

function checkManifest(rules: ManifestRules, input: string, random: Random): string {
  const bytes = encoder.encode(input);
  const chunks = cut(random, bytes);
  const whole = outcomeOf(() => told([bytes], rules));
  const parts = outcomeOf(() => told(chunks, rules));
  must(JSON.stringify(whole) === JSON.stringify(parts), 'it matters where the text is cut');
  must(
    rewritten(chunks, (text) => text) === Buffer.from(bytes).toString('latin1'),
    'rewriting nothing changes something',
  );
  if ('code' in whole) return whole.code;
  const bare = rewritten([bytes], bareLocator);
  must(!/ [0-9a-f]{32}\+[^ ]*\+A/.test(bare), 'a signature is left');
  return whole.value.replace(/[^SBFD\n]/g, '').slice(0, 20);
}

export const manifestToStore: Target = {
  name: 'manifest, as the API stores it',
  seeds: MANIFESTS,
  words: WORDS,
  run: (input, random) => checkManifest(STORE_RULES, input, random),
};

export const manifestToRead: Target = {
  name: 'manifest, as downloads read it',
  seeds: MANIFESTS,
  words: WORDS,
  refuses: ['unreadable_manifest'],
  run: (input, random) => checkManifest(READ_RULES, input, random),
};

export const fileTree: Target = {
  name: 'manifest to file tree, normalised',
  seeds: MANIFESTS,
  words: WORDS,
  refuses: ['unreadable_manifest'],
  async run(input, random) {
    const bytes = encoder.encode(input);
    const { tree } = await buildFileTree(cut(random, bytes));
    let total = 0;
    for (const node of filesBelow(tree, ROOT_NODE)) {
      const path = nodePath(tree, node);
      must(findNode(tree, path) === node, `${path} is not found again`);
      total += nodeSize(tree, node);
    }
    must(total === nodeSize(tree, ROOT_NODE), 'the sizes do not add up');
    if (!random.oneIn(8)) return `${tree.nodeCount > 3} ${tree.blockCount > 1}`;
    await readTree([bytes]);
    const once: Uint8Array[] = [];
    for await (const chunk of normalise([bytes])) once.push(chunk);
    const twice: Uint8Array[] = [];
    for await (const chunk of normalise(once)) twice.push(chunk);
    must(Buffer.concat(once).equals(Buffer.concat(twice)), 'normalising twice changes it again');
    const hasher = new PortableDataHasher();
    for (const chunk of cut(random, bytes)) hasher.push(chunk);
    must(/^[0-9a-f]{32}\+\d+$/.test(hasher.digest()), 'a portable data hash of another shape');
    return `normal ${tree.nodeCount > 3}`;
  },
};

const SELECTIONS = [
  'files=a&files=dir%2F&download_filename=x.zip',
  'files=%2F&include_collection_metadata=1',
  '{"files":["a","dir/"],"download_filename":"x","include_collection_metadata":true}',
  '{"files":[]}',
  'files=dir/b c',
];
const CHOSEN_FROM = await buildFileTree([
  encoder.encode(
    `. ${FOO} 0:1:a 1:2:x 0:0:empty\n./dir ${BAR} 0:3:b\\040c 0:3:\\052\n./dir/sub ${FOO} 0:3:${escapeName('é "q"')}\n`,
  ),
]);

export const zipSelection: Target = {
  name: 'ZIP selection',
  seeds: SELECTIONS,
  words: [
    'files=',
    '&',
    'dir/',
    'a',
    '"files":',
    '[',
    ']',
    'download_filename',
    '%2e%2e%2f',
    '../',
    'accept=application/zip',
  ],
  async run(input, random) {
    const isJson = input.startsWith('{') || random.oneIn(16);
    const type = isJson ? 'application/json' : 'application/x-www-form-urlencoded';
    const inQuery = random.oneIn(4) && !isJson;
    const request = new Request('http://localhost/', {
      method: 'POST',
      headers: { 'Content-Type': type },
      ...(inQuery ? {} : { body: input.toWellFormed() }),
    });
    const fields = await readFields(
      request,
      new URL(`http://localhost/?${inQuery ? encodeURI(input.toWellFormed()) : ''}`),
    );
    wantsArchive(new Headers(), fields, true);
    const { files, filename, metadata } = readArchiveRequest(fields);
    const { tree } = CHOSEN_FROM;
    const directory = random.oneIn(3) ? (findNode(tree, 'dir') ?? ROOT_NODE) : ROOT_NODE;
    const { nodes } = await chooseFiles(tree, directory, files);
    must(new Set(nodes).size === nodes.length, 'a file comes twice');
    const names = archiveNames(tree, directory === ROOT_NODE ? ROOT_NODE : (tree.parents[directory] ?? ROOT_NODE));
    must(
      [...nodes].every((node) => {
        const [length, margin] = [names.lengthOf(node), 8];
        const bytes = new Uint8Array(margin + length + margin);
        names.put(node, bytes, margin);
        must(
          !bytes.subarray(0, margin).some(Boolean) && !bytes.subarray(margin + length).some(Boolean),
          'a name beside its place',
        );
        const name = new TextDecoder().decode(bytes.subarray(margin, margin + length));
        const climbs = name.startsWith('/') || name.includes('\\') || name.split('/').includes('..');
        return !name.includes('\0') && !climbs;
      }),
      'a name that climbs out',
    );
    return `${nodes.length} ${filename === null} ${metadata}`;
  },
};
