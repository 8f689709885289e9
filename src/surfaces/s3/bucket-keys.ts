import type { Entry, OpenCollection } from '../../collections/source.ts';
import { displayName } from '../../files/project-names.ts';
import { compareBytes, nameBytes } from '../../keep/manifest/names.ts';
import { joinBytes } from '../../streams/join-bytes.ts';
import { type Bucket, openCollection } from './bucket.ts';
import type { S3Call } from './call.ts';
import { S3Error } from './errors.ts';
import { type KeySource, startsWith, treeSource } from './key-source.ts';

/** Collections and projects directly in one project that a listing puts in order. */
const MAX_MEMBERS = 20_000;

export async function keySource(call: S3Call, bucket: Bucket): Promise<KeySource> {
  return bucket.kind === 'project' ? projectSource(call, bucket.uuid) : collectionSource(call, bucket.collection);
}

async function collectionSource({ deps, client }: S3Call, collection: OpenCollection): Promise<KeySource> {
  return treeSource(collection, await deps.trees.treeOf(collection, client.token));
}

interface Member {
  /** Its name, as shown, with a slash behind it. */
  key: Uint8Array;
  entry: Entry;
}

async function projectSource(call: S3Call, uuid: string): Promise<KeySource> {
  const members = await membersOf(call, uuid);
  let at = 0;
  let inner: KeySource | null = null;
  const enter = async (bound: Uint8Array) => {
    const member = members[at];
    if (member === undefined) return;
    inner = await sourceOf(call, member.entry);
    await inner.seek(bound);
  };
  return {
    async seek(bound) {
      inner = null;
      at = members.findIndex(({ key }) => compareBytes(key, bound) >= 0 || startsWith(bound, key));
      if (at < 0) at = members.length;
      const key = members[at]?.key;
      if (key !== undefined && bound.length > key.length && startsWith(bound, key))
        await enter(bound.subarray(key.length));
    },
    async next() {
      for (;;) {
        const member = members[at];
        if (member === undefined) return null;
        if (inner === null) return { kind: 'container', key: member.key, enter: () => enter(new Uint8Array()) };
        const item = await inner.next();
        if (item !== null)
          return { ...item, key: joinBytes([member.key, item.key], member.key.length + item.key.length) };
        inner = null;
        at++;
      }
    },
  };
}

async function sourceOf(call: S3Call, entry: Entry): Promise<KeySource> {
  if (entry.kind === 'project') return projectSource(call, entry.uuid);
  return collectionSource(call, await openCollection(call, entry.uuid));
}

/** By key. Of two with one name only that counts which its address leads to: a project. */
async function membersOf({ deps, client, context }: S3Call, uuid: string): Promise<Member[]> {
  const byName = new Map<string, Entry>();
  let count = 0;
  for await (const entry of deps.collections.contents(uuid, client.token, context.signal)) {
    if (++count > MAX_MEMBERS)
      throw new S3Error(
        'InvalidRequest',
        `this project holds more than ${MAX_MEMBERS} collections: list them by their own UUIDs as buckets`,
      );
    const shown = displayName(entry.name, deps.downloads.slashSubstitution);
    if (shown !== null && (entry.kind === 'project' || !byName.has(shown))) byName.set(shown, entry);
  }
  const members = [...byName].map(([name, entry]) => ({ key: nameBytes(`${name}/`), entry }));
  return members.sort((a, b) => compareBytes(a.key, b.key));
}
