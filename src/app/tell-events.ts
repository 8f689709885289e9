import type { LostBlock } from '../balance/runs.ts';
import type { Collections } from '../collections/collections.ts';
import type { Happening } from '../webhooks/webhook.ts';
import type { Webhooks } from '../webhooks/webhooks.ts';

/** Collections and blocks that one run of the balancer tells of at most. */
const MAX_LOST_COLLECTIONS = 100;
const MAX_LOST_BLOCKS = 20;

/** Tells of each new collection with files. */
export function tellingCreates(collections: Collections, webhooks: Webhooks): Collections {
  return {
    ...collections,
    async create(change, user) {
      const created = await collections.create(change, user);
      if (change.manifest !== null)
        webhooks.tell([{ event: 'commit', uuid: String(created.record.uuid), user: user.uuid }]);
      return created;
    },
  };
}

/** One event for each collection that names lost blocks. @param known hash+size of those that were told before */
export function lostEvents(lost: readonly LostBlock[], known: ReadonlySet<string>): Omit<Happening, 'time'>[] {
  const byCollection = new Map<string, string[]>();
  for (const { hash, size, collections } of lost) {
    const block = `${hash}+${size}`;
    if (known.has(block)) continue;
    for (const uuid of collections) byCollection.set(uuid, [...(byCollection.get(uuid) ?? []), block]);
  }
  return [...byCollection]
    .slice(0, MAX_LOST_COLLECTIONS)
    .map(([uuid, blocks]) => ({ event: 'lost', uuid, user: null, blocks: blocks.slice(0, MAX_LOST_BLOCKS) }));
}
