import { encodeUriName } from '../../keep/manifest/uri-names.ts';
import { htmlPage } from '../../pages/html-page.ts';
import { html, trusted, visible } from '../../pages/markup.ts';
import type { FileView } from '../../pages/views.ts';
import { crumbs } from './crumbs.ts';

/** Endings of indexes, for the formats that igv.js reads in parts. */
const INDEXES: [RegExp, string[]][] = [
  [/\.bam$/i, ['.bai', '.csi']],
  [/\.cram$/i, ['.crai']],
  [/\.gz$/i, ['.tbi', '.csi']],
];

/** A file of alignments, variants or regions in igv.js, on the collection's own host. */
export function genomePage(view: FileView): Response {
  const { name, href, siblings } = view;
  const index = indexOf(name, siblings ?? []);
  const fasta = (siblings ?? []).find(
    (other) => /\.(fa|fasta|fna)$/i.test(other) && siblings?.includes(`${other}.fai`),
  );
  const beside = (other: string) => `${href.slice(0, href.lastIndexOf('/') + 1)}${encodeUriName(other)}`;
  const config = {
    name,
    url: href,
    index: index === null ? null : beside(index),
    fasta: fasta === undefined ? null : beside(fasta),
    size: view.size,
  };
  const body = html`${crumbs(trusted(view.crumbs))}<h1>${visible(name)}</h1><p class="facts" id="genome-facts">${
    index === null && /\.(bam|cram)$/i.test(name)
      ? 'An index (.bai, .csi or .crai) must lie beside this file.'
      : 'Starting the genome browser …'
  }</p><div id="genome" data-config="${JSON.stringify(config)}"></div><noscript><p>The genome browser needs JavaScript.</p></noscript>`;
  return htmlPage({
    title: name,
    body,
    kind: 'wide',
    isLight: true,
    scripts: ['listing.js', 'genome.js'],
    // Codecs of CRAM.
    wasm: true,
    // igv.js writes styles, and draws into pictures; it still reaches nothing but this host.
    allow: {
      'style-src': "'self' 'unsafe-inline'",
      'img-src': "'self' data: blob:",
      'connect-src': "'self' data: blob:",
    },
  });
}

function indexOf(name: string, siblings: string[]): string | null {
  const endings = INDEXES.find(([pattern]) => pattern.test(name))?.[1] ?? [];
  const names = endings.flatMap((ending) => [name + ending, name.replace(/\.[^.]*$/, ending)]);
  return names.find((candidate) => siblings.includes(candidate)) ?? null;
}
