import { md5 } from '@noble/hashes/legacy.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Chunks } from '../../keep/manifest/line-tokens.ts';
import { pathText } from '../../keep/manifest/places.ts';
import { encodeUriName } from '../../keep/manifest/uri-names.ts';
import { takeTurns } from '../../streams/turns.ts';
import { fileEtag } from '../file-etag.ts';
import { filesBelow, nodePath, ROOT_NODE } from '../file-tree.ts';
import { buildFileTree } from '../file-tree-builder.ts';
import type { Texts } from './edits.ts';
import { PathSet } from './path-map.ts';

const FILES_PER_TURN = 1000;

/**
 * Whether the files at and below these paths are those of another text, with the same content. Where there are none, nothing
 * is taken away: a client that repeats its request is right.
 * @throws KeepError not_found when there is no such text (any more)
 */
export async function isSameContent(
  texts: Texts,
  paths: readonly string[],
  portableDataHash: string,
): Promise<boolean> {
  if (texts.portableDataHash === portableDataHash) return true;
  const covered = new PathSet(paths);
  // One after the other: a tree may have a million files.
  const now = await digestOf(await texts.current(), covered);
  return now === null || now === (await digestOf(await texts.source({ portableDataHash }), covered));
}

/** Null for no files. */
async function digestOf(text: Chunks, covered: PathSet): Promise<string | null> {
  const { tree } = await buildFileTree(text, (file) => covered.covers(pathText(file)));
  if (filesBelow(tree, ROOT_NODE).next().done === true) return null;
  const digest = md5.create();
  const turn = takeTurns(FILES_PER_TURN);
  for (const file of filesBelow(tree, ROOT_NODE)) {
    digest.update(utf8ToBytes(`${encodeUriName(nodePath(tree, file))} ${await fileEtag(tree, file)}\n`));
    const wait = turn();
    if (wait !== undefined) await wait;
  }
  return bytesToHex(digest.digest());
}
