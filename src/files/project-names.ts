import type { Entry } from '../collections/source.ts';
import type { FileDependencies } from './dependencies.ts';

/** What a project holds under the name that is shown: slashes in names are shown as the operator says. */
export async function childOf(
  { collections, downloads }: Pick<FileDependencies, 'collections' | 'downloads'>,
  project: string,
  shown: string,
  token: string,
  signal: AbortSignal,
): Promise<{ name: string; entry: Entry | null }> {
  const entry = await collections.child(project, shown, token, signal);
  const { slashSubstitution } = downloads;
  if (entry !== null || slashSubstitution === '' || !shown.includes(slashSubstitution)) return { name: shown, entry };
  const name = shown.replaceAll(slashSubstitution, '/');
  return { name: shown, entry: await collections.child(project, name, token, signal) };
}

/** A name as one component of a path; null for names that cannot be one. */
export function displayName(name: string, slashSubstitution: string): string | null {
  const shown = slashSubstitution === '' ? name : name.replaceAll('/', slashSubstitution);
  return ['', '.', '..'].includes(shown) || shown.includes('/') ? null : shown;
}
