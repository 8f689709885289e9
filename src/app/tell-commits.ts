import type { Webhooks } from '../webhooks/webhooks.ts';
import type { Committer } from './committers.ts';

/** Tells of each commit of files: what was committed together, once for each user. */
export function tellingCommits(committer: Committer, webhooks: Webhooks): Committer {
  return {
    ...committer,
    async edits(uuid, requests, locks) {
      const outcomes = await committer.edits(uuid, requests, locks);
      const done = requests.filter(
        ({ edits, segments = [] }, i) => outcomes[i]?.ok && edits.length + segments.length > 0,
      );
      const users = new Set(done.map(({ writer }) => writer.user.uuid));
      webhooks.tell([...users].map((user) => ({ event: 'commit', uuid, user })));
      return outcomes;
    },
    async change(uuid, change) {
      await committer.change(uuid, change);
      if (change.manifest !== null) webhooks.tell([{ event: 'commit', uuid, user: change.writer.user.uuid }]);
    },
  };
}
