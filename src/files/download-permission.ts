import type { Downloader, FileDependencies } from './dependencies.ts';

/**
 * WEBDAV_PERMISSION can forbid users, or admins, to download content. A sharing link's token is for the people it is given
 * to: it counts as a user even if an admin made it.
 * @param who asked only where a setting forbids something; null where the token's scopes do not tell
 */
export async function mayDownload(
  { downloads }: Pick<FileDependencies, 'downloads'>,
  who: () => Promise<Pick<Downloader, 'isAdmin' | 'isScoped'> | null>,
): Promise<boolean> {
  const { user, admin } = downloads.mayDownload;
  if (user && admin) return true;
  const downloader = await who();
  return downloader?.isAdmin && !downloader.isScoped ? admin : user;
}
