import { type GenomeFile, placesOf } from './genome-places.ts';
import type { Chromosome, Places } from './region-text.ts';

/** Starts igv.js for the file of the page. */

interface Igv {
  createBrowser(element: HTMLElement, options: Record<string, unknown>): Promise<unknown>;
}

/** A file without an index is loaded whole. */
const MAX_WHOLE_BYTES = 50 * 1024 * 1024;
/** igv.js shows reads of up to 30,000 bases. */
const SHOWN_READS = 4000;
const SHOWN_REGIONS = 40_000;

const place = document.getElementById('genome');
const facts = document.getElementById('genome-facts');
if (place !== null)
  void start(place, JSON.parse(place.dataset.config ?? '{}') as GenomeFile).catch((error: unknown) =>
    say(`The genome browser cannot show this: ${error instanceof Error ? error.message : String(error)}`),
  );

async function start(element: HTMLElement, file: GenomeFile): Promise<void> {
  const { name, url, index, fasta, size } = file;
  const isBig = /\.(bw|bigwig|bb|bigbed)$/i.test(name);
  if (index === null && /\.(bam|cram)$/i.test(name)) return;
  if (fasta === null && /\.cram$/i.test(name))
    throw new Error('a CRAM file needs its reference: put the FASTA and its .fai beside it');
  if (index === null && size > MAX_WHOLE_BYTES && !isBig)
    throw new Error('it is too large to be read without an index: compress it with bgzip and index it with tabix');
  const address: string = '/.keep-edge/assets/igv.js';
  const [{ default: igv }, places] = await Promise.all([import(address) as Promise<{ default: Igv }>, placesOf(file)]);
  const { chromosomes } = places;
  if (chromosomes.length === 0) throw new Error('it names no chromosomes');
  keepHere();
  const absolute = (path: string) => new URL(path, location.href).href;
  await igv.createBrowser(element, {
    loadDefaultGenomes: false,
    // Regions only: what is no region would be looked up at igv.org.
    search: false,
    reference:
      fasta === null
        ? {
            id: 'file',
            name: 'Positions only',
            format: 'chromsizes',
            fastaURL: sizesUrl(chromosomes),
            wholeGenomeView: false,
          }
        : {
            id: 'file',
            name: 'Reference',
            fastaURL: absolute(fasta),
            indexURL: absolute(`${fasta}.fai`),
            wholeGenomeView: false,
          },
    locus: locusOf(name, places),
    tracks: [
      {
        name,
        url: absolute(url),
        ...(index === null ? { indexed: false } : { indexURL: absolute(index) }),
        height: 320,
      },
    ],
  });
  say(`${name}, in igv.js. Drag to move, + and − to zoom, or type a region.`);
}

/** Reads and regions where the data begins, figures along a whole chromosome. */
function locusOf(name: string, { chromosomes, first }: Places): string {
  const [firstName, firstLength] = chromosomes[0] ?? ['', 1];
  if (/\.(bw|bigwig|wig|bedgraph|seg)(\.gz)?$/i.test(name)) return `${firstName}:1-${firstLength}`;
  const shown = /\.(bam|cram)$/i.test(name) ? SHOWN_READS : SHOWN_REGIONS;
  const { chromosome, start } = first ?? { chromosome: firstName, start: 1 };
  const length = chromosomes.find(([other]) => other === chromosome)?.[1] ?? shown;
  // A little to the left of it, so that it is seen to begin there.
  const from = Math.max(1, Math.min(start - Math.round(shown / 20), length - shown));
  return `${chromosome}:${from}-${Math.min(length, from + shown)}`;
}

/**
 * After a failed request igv.js asks for a list of moved files at its own host. The page's policy would refuse that; so it is not even
 * tried.
 */
function keepHere(): void {
  const { open } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (this: XMLHttpRequest, method: string, url: string | URL) {
    const { origin, protocol } = new URL(url, location.href);
    if (origin !== location.origin && protocol !== 'data:')
      throw new Error('only files of this collection are loaded here');
    open.call(this, method, url, true);
  };
}

function sizesUrl(chromosomes: Chromosome[]): string {
  const text = chromosomes.map((chromosome) => chromosome.join('\t')).join('\n');
  return URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
}

function say(text: string): void {
  if (facts !== null) facts.textContent = text;
}
