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
      // The last request of each user stands for those that were committed together.
      const last = new Map(done.map(({ writer }) => [writer.user.uuid, writer.requestId]));
      webhooks.tell([...last].map(([user, requestId = '']) => ({ event: 'commit', uuid, user, requestId })));
      return outcomes;
    },
    async change(uuid, change) {
      await committer.change(uuid, change);
      const { user, requestId = '' } = change.writer;
      if (change.manifest !== null) webhooks.tell([{ event: 'commit', uuid, user: user.uuid, requestId }]);
    },
  };
}
