import { usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { plural } from '../human-format.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { note, print } from '../terminal.ts';
import { recipientOf } from './recipients.ts';

export const user: Command = {
  name: 'user',
  summary: 'what a user owns: hand it to another',
  usage: 'transfer FROM TO',
  completes: ['transfer'],
  options: { retries: FEW_RETRIES },
  help: `
"transfer" is for admins: a new project in the home of TO takes everything that FROM owns, also what was shared from
there, and the tokens and permissions of FROM end. It works in steps: started again, it goes on.`,
  run: runUser,
};

async function runUser(given: Given): Promise<number> {
  const [verb, from, to, ...more] = given.arguments;
  if (verb !== 'transfer' || from === undefined || to === undefined || more.length > 0)
    throw usageError(`Write: keep-edge user ${user.usage}`);
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const [leaver, successor] = [await recipientOf(session.api, from), await recipientOf(session.api, to)];
    let moved = 0;
    for (;;) {
      const step = await session.api(`arvados/v1/users/${leaver.uuid}/transfer`, {
        method: 'POST',
        body: { transfer: { to: successor.uuid } },
      });
      moved += Number(step.moved);
      if (step.remaining === true) continue;
      note(`${plural(moved, 'collection, project or account', 'collections, projects or accounts')} handed over.`);
      print(String(step.project_uuid));
      return 0;
    }
  } finally {
    session.close();
  }
}
