import { type Chromosome, chromosomesOf } from './chromosomes.ts';

/** Starts igv.js for the file of the page. */

interface Config {
  name: string;
  url: string;
  index: string | null;
  fasta: string | null;
  size: number;
}
interface Igv {
  createBrowser(element: HTMLElement, options: Record<string, unknown>): Promise<unknown>;
}

/** A file without an index is loaded whole. */
const MAX_WHOLE_BYTES = 50 * 1024 * 1024;
/** igv.js shows reads of up to 30,000 bases. */
const SHOWN_BASES = 4000;

const place = document.getElementById('genome');
const facts = document.getElementById('genome-facts');
if (place !== null)
  void start(place, JSON.parse(place.dataset.config ?? '{}') as Config).catch((error: unknown) =>
    say(`The genome browser cannot show this: ${error instanceof Error ? error.message : String(error)}`),
  );

async function start(element: HTMLElement, config: Config): Promise<void> {
  const { name, url, index, fasta, size } = config;
  if (index === null && /\.(bam|cram)$/i.test(name)) return;
  if (fasta === null && /\.cram$/i.test(name))
    throw new Error('a CRAM file needs its reference: put the FASTA and its .fai beside it');
  if (index === null && size > MAX_WHOLE_BYTES)
    throw new Error('it is too large to be read without an index: compress it with bgzip and index it with tabix');
  const address: string = '/.keep-edge/assets/igv.js';
  const { default: igv } = (await import(address)) as { default: Igv };
  const chromosomes = fasta === null ? await chromosomesOf(url, name) : [];
  if (fasta === null && chromosomes.length === 0) throw new Error('it names no chromosomes');
  const absolute = (path: string) => new URL(path, location.href).href;
  await igv.createBrowser(element, {
    loadDefaultGenomes: false,
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
    ...(chromosomes[0] === undefined
      ? {}
      : { locus: `${chromosomes[0][0]}:1-${Math.min(chromosomes[0][1], SHOWN_BASES)}` }),
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

function sizesUrl(chromosomes: Chromosome[]): string {
  const text = chromosomes.map((chromosome) => chromosome.join('\t')).join('\n');
  return URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
}

function say(text: string): void {
  if (facts !== null) facts.textContent = text;
}
