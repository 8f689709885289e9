import { encodeUriName } from '../../keep/manifest/uri-names.ts';
import { ApiProblem } from './api.ts';
import type { CallService } from './dependencies.ts';

const MAX_TRIED = 50;
/** A request may ask the database 1,000 times in all; a page deletes from one directory. */
export const MAX_DIRECTORIES = 20;

/**
 * For each path that path, or one beside it that nothing has. Each directory is listed once, however many paths are in
 * it.
 * @throws ApiProblem when a directory cannot be listed, or a name is taken too often
 */
export async function freePaths(
  service: CallService,
  token: string,
  uuid: string,
  paths: readonly string[],
): Promise<Map<string, string>> {
  const free = new Map<string, string>();
  for (const [directory, own] of Map.groupBy(paths, directoryOf)) {
    const names = own.map((path) => path.slice(directory.length));
    const taken = await takenNames(
      service,
      token,
      `/c=${uuid}/_/${directory.split('/').map(encodeUriName).join('/')}`,
      names,
    );
    // Names that are free stay with their own files: another file's new name must not be one of them.
    const renamed = names.filter((name) => taken.has(name));
    for (const name of names) taken.add(name);
    for (const name of names) free.set(directory + name, directory + name);
    for (const name of renamed) free.set(directory + name, directory + freeName(name, taken));
  }
  return free;
}

/** How many directories they are in. */
export function countDirectories(paths: readonly string[]): number {
  return new Set(paths.map(directoryOf)).size;
}

/** With the slash at its end; '' for the collection itself. */
function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

/** Adds the name to those that are taken. */
function freeName(name: string, taken: Set<string>): string {
  const [, base = name, end = ''] = /^(.+?)(\.[^.]*)?$/s.exec(name) ?? [];
  for (let i = 1; i < MAX_TRIED; i++) {
    const tried = `${base} (restored${i === 1 ? '' : ` ${i}`})${end}`;
    if (taken.has(tried)) continue;
    taken.add(tried);
    return tried;
  }
  throw new ApiProblem(409, `There are many files called ${base} already: rename some, then try again.`);
}

/** Of the names in a directory, those that are asked for, and those that `freeName` would give. */
async function takenNames(
  service: CallService,
  token: string,
  directory: string,
  names: readonly string[],
): Promise<Set<string>> {
  const asked = new Set(names);
  const taken = new Set<string>();
  const answer = await service(token, directory);
  if (answer.status === 404) {
    await answer.body?.cancel();
    return taken;
  }
  if (!answer.ok || answer.body === null)
    throw new ApiProblem(answer.status < 400 ? 409 : answer.status, 'What is there now cannot be listed: try again.');
  // An entry a line, behind one about the directory.
  for await (const line of linesOf(answer.body)) {
    const entry = /^\{"kind":.*\}/.exec(line)?.[0];
    if (entry === undefined) continue;
    const { name } = JSON.parse(entry) as { name: string };
    if (asked.has(name) || asked.has(name.replace(/ \(restored(?: \d+)?\)((?:\.[^.]*)?)$/, '$1'))) taken.add(name);
  }
  return taken;
}

/** A directory may have a million entries: none is kept. */
async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = '';
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  yield rest;
}
