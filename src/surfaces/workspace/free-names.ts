import { encodeUriName } from '../../keep/manifest/uri-names.ts';
import { ApiProblem } from './api.ts';
import type { CallService } from './dependencies.ts';

const MAX_TRIED = 50;

/**
 * For each of these names of a directory that name, or one beside it that nothing has. The directory is listed once,
 * however many names there are.
 * @throws ApiProblem when the directory cannot be listed, or a name is taken too often
 */
export async function freeNames(
  service: CallService,
  token: string,
  uuid: string,
  directory: string,
  names: readonly string[],
): Promise<Map<string, string>> {
  const asked = new Set(names);
  const taken = new Set<string>();
  // Those that are asked for, and those that they would get.
  for await (const name of namesIn(service, token, uuid, directory))
    if (asked.has(name) || asked.has(name.replace(/ \(restored(?: \d+)?\)((?:\.[^.]*)?)$/, '$1'))) taken.add(name);
  // Names that are free stay with their own files: another file's new name must not be one of them.
  const renamed = names.filter((name) => taken.has(name));
  for (const name of names) taken.add(name);
  const free = new Map(names.map((name) => [name, name]));
  for (const name of renamed) free.set(name, freeName(name, taken));
  return free;
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

/**
 * Names of the files and directories in a directory of a collection; none where it is not there.
 * @param directory '' for the collection itself
 * @throws ApiProblem
 */
export async function* namesIn(
  service: CallService,
  token: string,
  uuid: string,
  directory: string,
): AsyncGenerator<string, void, undefined> {
  const path = directory === '' ? '' : `${directory.split('/').map(encodeUriName).join('/')}/`;
  const answer = await service(token, `/c=${uuid}/_/${path}`);
  if (answer.status === 404) {
    await answer.body?.cancel();
    return;
  }
  if (!answer.ok || answer.body === null)
    throw new ApiProblem(answer.status < 400 ? 409 : answer.status, 'What is there now cannot be listed: try again.');
  // An entry a line, behind one about the directory.
  for await (const line of linesOf(answer.body)) {
    const entry = /^\{"kind":.*\}/.exec(line)?.[0];
    if (entry !== undefined) yield (JSON.parse(entry) as { name: string }).name;
  }
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
