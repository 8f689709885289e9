import { findNode } from '../../collections/file-tree.ts';
import type { Format } from '../../genomics/header.ts';
import type { RequestContext } from '../../http/context.ts';
import { encodeBase64 } from '../../keep/base64url.ts';
import { parseDrsId } from '../../keep/drs-id.ts';
import { rangeHeader } from '../../streams/byte-range.ts';
import { accessUrl } from './access-url.ts';
import type { Ga4ghDependencies } from './dependencies.ts';
import { findIndex, formatOf, genomeIndex, withExtensions } from './genome-files.ts';
import { HtsgetError } from './htsget-error.ts';
import { type Datatype, FORMATS, readHtsgetQuery } from './htsget-query.ts';
import { fileAt, type Opened, openCollection, rangedFile, requireDownload } from './open-file.ts';
import { type TicketPart, ticketParts } from './ticket-plan.ts';

const TYPE = 'application/vnd.ga4gh.htsget.v1.3.0+json; charset=utf-8';
const COLLECTION_PATH = /^([0-9a-z]{5}-4zz18-[0-9a-z]{15}|[0-9a-f]{32}[+-]\d{1,15})\/+(.+)$/s;

/** `GET` and `POST /reads/{id}` and `/variants/{id}`: which bytes to fetch for some records. */
export async function htsgetTicket(
  context: RequestContext,
  deps: Ga4ghDependencies,
  datatype: Datatype,
  id: string,
): Promise<Response> {
  const query = await readHtsgetQuery(context.request, context.url, datatype);
  const place = placeOf(id);
  const opened = await openCollection(context, deps, place.collection);
  await requireDownload(deps, opened);
  const { path, node, format } = chooseFile(opened, place.path, datatype, query.format);
  const file = rangedFile(context, deps, opened, node);
  const index = findIndex(opened, path, format);
  if (query.regions !== null && index === null)
    throw new HtsgetError('NotFound', `no index lies beside this file, so regions cannot be found: ${ADVICE[format]}`);
  const load = () => (index === null ? null : genomeIndex(context, deps, opened, { path, node, format, index }));
  const { header, body } = await ticketParts(file, format, load, query);
  const url = await accessUrl(context, deps, opened, path);
  const kind = header.length > 0 ? 'body' : null;
  const urls = [
    ...header.map((part) => toUrl(part, url, file.size, 'header')),
    ...body.map((part) => toUrl(part, url, file.size, kind)),
  ];
  return Response.json(
    { htsget: { format, urls } },
    { headers: { 'Content-Type': TYPE, 'Cache-Control': 'no-store' } },
  );
}

const ADVICE: Record<Format, string> = {
  BAM: 'samtools index makes one',
  CRAM: 'samtools index makes one',
  VCF: 'bcftools index -t makes one',
  BCF: 'bcftools index makes one',
};

/** @throws HtsgetError NotFound for what cannot be an id */
function placeOf(id: string): { collection: string; path: string } {
  const drs = parseDrsId(id);
  if (drs !== null && !drs.isDirectory) return { collection: drs.portableDataHash, path: drs.path };
  const [, collection, path] = COLLECTION_PATH.exec(id) ?? [];
  if (collection === undefined || path === undefined) throw missing();
  return { collection: collection.includes('-4zz18-') ? collection : collection.replace('-', '+'), path };
}

/** The file that an id stands for: with its extension or without. */
function chooseFile(
  opened: Opened,
  path: string,
  datatype: Datatype,
  wanted: Format | null,
): { path: string; node: number; format: Format } {
  const formats = FORMATS[datatype];
  const named = formatOf(path);
  const exact = named !== null && formats.includes(named) ? fileAt(opened, path) : null;
  if (exact !== null && named !== null) {
    if (wanted !== null && wanted !== named)
      throw new HtsgetError('UnsupportedFormat', `this file is ${named}: it is not converted to ${wanted}`);
    return { path, node: exact, format: named };
  }
  for (const candidate of withExtensions(path, wanted === null ? formats : [wanted])) {
    const node = fileAt(opened, candidate);
    const format = formatOf(candidate);
    if (node !== null && format !== null) return { path: candidate, node, format };
  }
  const other = withExtensions(path, formats).some((candidate) => fileAt(opened, candidate) !== null);
  if (other) throw new HtsgetError('UnsupportedFormat', `there is no ${wanted} of this id, but another format`);
  if (findNode(opened.tree, path) !== null)
    throw new HtsgetError('UnsupportedFormat', `${datatype} are ${formats.join(' or ')} files`);
  throw missing();
}

function missing(): HtsgetError {
  return new HtsgetError('NotFound', 'no such object, or none that this token may read');
}

/** A part as the ticket has it. */
function toUrl(part: TicketPart, url: string, size: number, kind: 'header' | 'body' | null) {
  const named = kind === null ? {} : { class: kind };
  if ('bytes' in part) return { url: `data:;base64,${encodeBase64(part.bytes)}`, ...named };
  const { start, end } = part.range;
  if (start === 0 && end === size) return { url, ...named };
  return { url, headers: { Range: rangeHeader({ offset: start, length: end - start }) }, ...named };
}
