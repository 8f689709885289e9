import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/**
 * Which folder of src/ may import from which. What is not listed is an error: a new folder or direction is
 * decided here. docs/architecture.md says what each folder is for.
 */
export const LAYERS: Record<string, string[]> = {
  keep: [],
  streams: ['keep', 'node:'],
  storage: ['keep', 'streams'],
  records: ['keep'],
  http: ['keep', 'streams'],
  pages: ['keep', 'http'],
  services: ['keep', 'streams'],
  genomics: ['streams'],
  webhooks: ['keep', 'http'],
  config: ['keep', 'storage', 'gateways', 'webhooks'],
  blocks: ['keep', 'streams', 'storage', 'http', 'services'],
  queues: ['keep', 'streams', 'storage', 'services', 'blocks'],
  balance: ['keep', 'streams', 'storage', 'records', 'queues', 'collections'],
  accounts: ['keep', 'records', 'services'],
  gateways: ['keep', 'streams', 'storage', 'queues'],
  search: ['records'],
  collections: ['keep', 'streams', 'storage', 'records', 'services', 'blocks', 'accounts', 'search'],
  files: ['keep', 'streams', 'http', 'services', 'blocks', 'accounts', 'collections'],
  backups: ['keep', 'records', 'collections'],
  'surfaces/keepstore': ['keep', 'streams', 'storage', 'http', 'services', 'blocks', 'queues', 'accounts'],
  'surfaces/keepproxy': ['keep', 'streams', 'storage', 'http', 'services', 'blocks', 'accounts'],
  'surfaces/keep-web': [
    'node:',
    'keep',
    'streams',
    'http',
    'pages',
    'services',
    'blocks',
    'accounts',
    'collections',
    'files',
  ],
  'surfaces/s3': ['keep', 'streams', 'records', 'http', 'services', 'blocks', 'accounts', 'collections', 'files'],
  'surfaces/ga4gh': ['keep', 'streams', 'records', 'http', 'accounts', 'collections', 'files', 'genomics'],
  'surfaces/operator': [
    'keep',
    'streams',
    'records',
    'http',
    'accounts',
    'search',
    'collections',
    'backups',
    'balance',
    'gateways',
    'queues',
  ],
  'surfaces/arvados': [
    'keep',
    'streams',
    'records',
    'http',
    'services',
    'blocks',
    'accounts',
    'search',
    'collections',
    'webhooks',
  ],
  'surfaces/workspace': ['keep', 'streams', 'http', 'pages', 'accounts', 'deployment', 'genomics'],
  browser: ['keep', 'streams', 'genomics'],
  app: ['*', 'node:'],
  deployment: ['keep'],
  cli: ['keep', 'deployment', 'streams', 'services', 'storage', 'gateways', 'node:'],
  'worker.ts': ['app', 'config', 'http', 'keep'],
};

const IMPORT = /^(?:import|export)\b[^'";]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm;

/** Every import in `root`/src that LAYERS does not list, as `file: sentence`. */
export function layerErrors(root: string): string[] {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  return files.sort().flatMap((file) => {
    const layer = layerOf(file);
    const allowed = LAYERS[layer];
    if (allowed === undefined) return [`src/${file}: the folder ${layer} is not listed in dev/layers.ts`];
    const text = readFileSync(join(root, 'src', file), 'utf8');
    return [...text.matchAll(IMPORT)].flatMap(([, from, bare, dynamic]) => {
      const target = targetOf(file, from ?? bare ?? dynamic ?? '');
      if (target === null || target === layer || allowed.includes(target)) return [];
      if (allowed.includes('*') && !['worker.ts', 'cli', 'browser', 'node:'].includes(target)) return [];
      return [`src/${file}: ${layer} may not import ${target}: see dev/layers.ts`];
    });
  });
}

/** The layer that an import leads to, `node:`, or null for a package or a file outside src/. */
function targetOf(file: string, specifier: string): string | null {
  if (specifier.startsWith('node:')) return 'node:';
  if (!specifier.startsWith('.')) return null;
  const path = normalize(join(dirname(file), specifier));
  return path.startsWith('..') ? null : layerOf(path);
}

function layerOf(file: string): string {
  const [first = '', second = '', third] = file.split('/');
  return first === 'surfaces' && third !== undefined ? `${first}/${second}` : first;
}

if (import.meta.main) {
  const errors = layerErrors(join(import.meta.dirname, '..'));
  for (const error of errors) console.error(error);
  process.exitCode = errors.length > 0 ? 1 : 0;
}
