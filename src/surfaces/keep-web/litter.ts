import { KeepError } from '../../keep/errors.ts';
import { type Write, writerOf } from './write-request.ts';

/** Names that file managers leave behind: `._*` and `.DS_Store` of macOS, `Thumbs.db` and `desktop.ini` of Windows. */
const LITTER = /^(\._.*|\.DS_Store|Thumbs\.db|desktop\.ini)$/i;

/**
 * Whether the target is litter that this service answers for as if it were stored. A lock of such a name must make no
 * file either: Windows and macOS lock what they write.
 * @throws KeepError forbidden where the service takes no litter; not_found, forbidden when the client may not write
 */
export async function isDropped({ writing, client, target }: Write): Promise<boolean> {
  const name = target.path.slice(target.path.lastIndexOf('/') + 1);
  if (writing.litter === 'keep' || !LITTER.test(name)) return false;
  await writing.requireWritable(target.uuid, writerOf(client));
  if (writing.litter === 'refuse') throw new KeepError('forbidden', { message: `this service takes no ${name}` });
  return true;
}
