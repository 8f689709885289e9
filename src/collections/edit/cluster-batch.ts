import { isKeepError, KeepError } from '../../keep/errors.ts';
import { pathText } from '../../keep/manifest/places.ts';
import { callCluster } from '../cluster-calls.ts';
import { manifestOf } from '../cluster-source.ts';
import { fileEtag } from '../file-etag.ts';
import { findNode, isDirectory } from '../file-tree.ts';
import { buildFileTree } from '../file-tree-builder.ts';
import { objectEtag } from '../object-etag.ts';
import { planEdits } from './apply.ts';
import { clusterUpdate } from './cluster-edits.ts';
import { withPruned } from './cluster-prune.ts';
import { type EditOutcome, refusal } from './commit-batch.ts';
import type { EditRequest, Texts } from './edits.ts';
import { independentGroups } from './independent-groups.ts';
import type { Lock } from './locks.ts';

/** Attempts when a writer at the cluster changes the collection between two looks at it. */
const ATTEMPTS = 5;

/**
 * Commits requests at a cluster, in their order. Neighbours that don't touch each other and have one token are one
 * `replace_files` update. Conditions and locks hold among these writers: the cluster has no preconditions of its own.
 */
export async function commitAtCluster(
  apiUrl: string,
  uuid: string,
  requests: readonly EditRequest[],
  locks: readonly Lock[],
): Promise<EditOutcome[]> {
  const outcomes: EditOutcome[] = [];
  for (const group of independentGroups(requests, (a, b) => a.writer.token === b.writer.token))
    outcomes.push(...(await commitGroup(apiUrl, uuid, group, locks)));
  return outcomes;
}

async function commitGroup(
  apiUrl: string,
  uuid: string,
  group: EditRequest[],
  locks: readonly Lock[],
): Promise<EditOutcome[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryGroup(apiUrl, uuid, group, locks);
    } catch (error) {
      if (!isKeepError(error)) throw error;
      if (error instanceof Superseded && attempt < ATTEMPTS) continue;
      // What the cluster refuses of several may be the fault of one.
      if (group.length > 1 && error.status < 500) {
        const outcomes: EditOutcome[] = [];
        for (const request of group) outcomes.push(...(await commitGroup(apiUrl, uuid, [request], locks)));
        return outcomes;
      }
      return group.map(() => refusal(error));
    }
  }
}

/** The text was replaced between the look at the record and at the text. */
class Superseded extends KeepError {}

async function tryGroup(
  apiUrl: string,
  uuid: string,
  group: EditRequest[],
  locks: readonly Lock[],
): Promise<EditOutcome[]> {
  const token = group[0]?.writer.token ?? '';
  const path = `collections/${uuid}`;
  const select = ['uuid', 'portable_data_hash'];
  const before = await callCluster(apiUrl, token, 'GET', path, { select });
  let portableDataHash = String(before.portable_data_hash);
  const unkept = group.map((request) => request.edits.some(({ kind }) => kind === 'properties'));
  const kept = group.filter((_, i) => unkept[i] === false);
  const texts = textsOf(apiUrl, path, portableDataHash, token);
  const { judged, edits: planned } = await planEdits(texts, kept, locks);
  const edits = await withPruned(planned, texts.current);
  if (edits.length > 0) {
    const { replace_files, manifest_text } = clusterUpdate(edits);
    const collection = manifest_text === '' ? {} : { collection: { manifest_text } };
    const after = await callCluster(apiUrl, token, 'PATCH', path, { select, replace_files, ...collection });
    portableDataHash = String(after.portable_data_hash);
  }
  const results = judged.map(
    (one): EditOutcome =>
      one.ok ? { ok: true, edited: { revision: 0, portableDataHash, before: one.before } } : refusal(one.error),
  );
  return unkept.map((isUnkept) => (isUnkept ? refusal(PROPERTIES) : (results.shift() as EditOutcome)));
}

const PROPERTIES = new KeepError('full', { message: 'properties of files are not kept beside a cluster' });

function textsOf(apiUrl: string, path: string, portableDataHash: string, token: string): Texts {
  const read = (at: string, hash: string) => manifestOf(`${apiUrl}/arvados/v1/${at}`, token, hash);
  const current = async () => {
    try {
      return await read(path, portableDataHash);
    } catch (error) {
      if (!isKeepError(error, 'unavailable')) throw error;
      throw new Superseded('unavailable', { message: error.message });
    }
  };
  return {
    portableDataHash,
    current: async () => retold(await current()),
    async etags(paths) {
      const etags = new Map<string, string[]>();
      if (paths.length === 0) return etags;
      const wanted = new Set(paths);
      const { tree } = await buildFileTree(await current(), (file) => wanted.has(pathText(file)));
      for (const each of paths) {
        const node = findNode(tree, each);
        if (node !== null && !isDirectory(tree, node))
          etags.set(each, [await fileEtag(tree, node), await objectEtag(tree, node)]);
      }
      return etags;
    },
    // What is pruned is added to the edits.
    marked: (directories) => Promise.resolve(new Set(directories)),
    source(source) {
      if ('staged' in source) throw new KeepError('internal');
      return read(`collections/${source.portableDataHash}`, source.portableDataHash);
    },
  };
}

/** The text fails as it is read when it is not the one that was looked for. */
async function* retold(text: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* text;
  } catch (error) {
    throw isKeepError(error, 'unavailable') ? new Superseded('unavailable', { message: error.message }) : error;
  }
}
