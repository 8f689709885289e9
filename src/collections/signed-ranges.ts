import { ManifestParser } from '../keep/manifest/parse.ts';
import { READ_RULES } from '../keep/manifest/rules.ts';
import type { BlockRange } from './edit/edits.ts';
import type { OpenCollection } from './source.ts';

/**
 * Ranges of a cluster's collection with locators as its text has them for the reader's token: signed. A cluster takes no
 * others from a writer.
 */
export async function signedRanges(collection: OpenCollection, ranges: BlockRange[]): Promise<BlockRange[]> {
  const signed = new Map<string, string>(ranges.map(({ locator }) => [bare(locator), locator]));
  const parser = new ManifestParser(
    {
      block(locator) {
        const name = bare(locator);
        if (signed.has(name)) signed.set(name, locator);
      },
    },
    READ_RULES,
  );
  for await (const chunk of await collection.manifest()) parser.push(chunk);
  parser.end();
  return ranges.map((range) => ({ ...range, locator: signed.get(bare(range.locator)) ?? range.locator }));
}

/** `hash+size`. */
function bare(locator: string): string {
  return locator.split('+', 2).join('+');
}
