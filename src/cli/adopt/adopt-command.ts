import { formatBytes, plural } from '../../keep/human-format.ts';
import type { Row } from '../api-client.ts';
import { CliError, usageError } from '../cli-error.ts';
import { isCollectionUuid } from '../collection.ts';
import type { Command, Given } from '../command.ts';
import { checkOwner, isOwner } from '../commands/ls-owner.ts';
import { RETRIES, retryPolicy } from '../retries.ts';
import { openSession, type Session } from '../session.ts';
import { note, oneLine, print, printJson, showName } from '../terminal.ts';
import { follow, type JobRecord } from './follow.ts';
import { hashHere } from './hash-here.ts';
import { saveAdopted } from './save-adopted.ts';

export const adopt: Command = {
  name: 'adopt',
  summary: 'make a collection of objects that lie in a bucket, without copying them',
  usage: 's3://BUCKET/PREFIX --into PROJECT [options]',
  forms: { '': [1, 1], '--dry-run': [1, 1], '--check': [1, 1], '--copy': [1, 1], '--cancel': [1, 1] },
  options: {
    into: { value: 'UUID', forms: ['', '--dry-run', '--copy'], help: 'project or user that the collection belongs to' },
    name: {
      value: 'NAME',
      forms: ['', '--dry-run', '--copy'],
      help: "the collection's name (the last name of the prefix)",
    },
    gateway: { value: 'NAME', help: 'when several gateways read the bucket' },
    'dry-run': { value: null, help: 'only list: what would be adopted, and what it costs' },
    check: { value: null, help: 'only compare with what was adopted: objects that changed\nor are gone' },
    copy: { value: null, help: "then bring the blocks into Keep's own volumes" },
    'hash-here': {
      value: null,
      forms: ['', '--dry-run', '--check', '--copy'],
      help: 'read and hash the objects from this machine, with its\nAWS_* credentials (admins); for a machine beside the data',
    },
    cancel: { value: null, help: 'stop what is under way for this source' },
    json: { value: null, help: 'what the service answers' },
    retries: RETRIES,
  },
  help: `
Objects are listed, cut into blocks of 64 MiB and hashed once, by the service or from here; an object of one block whose
ETag is its MD5 is not even read. Nothing is written to the bucket. The collection then names blocks that a gateway reads
from the bucket. Everyone who may read the collection reads the data, whatever the bucket's own permissions say.

Run again, it takes new and changed objects and makes a new version of the collection. What was begun goes on at the
service if this command ends; run it again to follow.

  keep-edge adopt s3://lab-archive/run42 --into zzzzz-j7d0g-0123456789abcde --dry-run
  keep-edge adopt s3://lab-archive/run42 --into zzzzz-j7d0g-0123456789abcde`,
  run: runAdopt,
};

async function runAdopt(given: Given): Promise<number> {
  const [source = ''] = given.arguments;
  const saves = given.form === '' || given.form === '--copy';
  const into = saves || given.form === '--dry-run' ? given.text('into') : undefined;
  if (saves && (into === undefined || !isOwner(into)))
    throw usageError('--into takes the UUID of a project or user (xxxxx-j7d0g-... or xxxxx-tpzed-...).');
  const session = openSession({ retry: retryPolicy(given) });
  try {
    if (into !== undefined) await checkOwner(session.api, into);
    const gateway = given.text('gateway');
    const what = { source, ...(gateway === undefined ? {} : { gateway }) };
    if (given.form === '--cancel') return await cancel(session, what, given.has('json'));
    const begun = await begin(session, given, what);
    if (given.has('hash-here')) await hashHere(session, begun.id);
    const ended = await follow(session.api, begun.id);
    if (!saves || into === undefined) return report(ended, given);
    return await save(session, ended, given, into);
  } finally {
    session.close();
  }
}

const MODES: Record<string, string> = { '--dry-run': 'plan', '--check': 'check', '--copy': 'copy' };

/** Something else under way for the same source must end first. */
async function begin(session: Session, given: Given, what: Row): Promise<JobRecord> {
  const mode = MODES[given.form] ?? 'adopt';
  const hashing = given.has('hash-here') ? 'client' : 'service';
  const ask = async () =>
    (await session.api('keep-edge/v1/adoptions', { method: 'POST', body: { ...what, mode, hashing } })) as JobRecord;
  const begun = await ask();
  if (mode === 'adopt' || mode === 'copy') warnOfAccess(begun);
  if (begun.mode === mode && begun.hashing === hashing) return begun;
  note(`${begun.source} is worked on already (${begun.mode}): waiting for that first.`);
  await follow(session.api, begun.id);
  return ask();
}

function warnOfAccess({ source, collections }: JobRecord): void {
  if (Object.keys(collections).length > 0) return;
  note(
    `Everyone who may read the collection will read the data of ${source}, whatever the bucket's own permissions say, until the gateway is removed.`,
  );
}

async function cancel({ api }: Session, what: Row, asJson: boolean): Promise<number> {
  const job = (await api('keep-edge/v1/adoptions', { method: 'POST', body: { ...what, mode: 'cancel' } })) as JobRecord;
  if (asJson) printJson(job);
  else print(`${job.source}: ${job.phase}. What was hashed so far is kept.`);
  return 0;
}

async function save(session: Session, job: JobRecord, given: Given, into: string): Promise<number> {
  if (job.phase !== 'done') throw new CliError(`${job.source}: ${job.phase}: ${job.message}`);
  tellProblems(job);
  const c = job.counts;
  if (c.objects === 0 && job.collections[into] === undefined)
    throw new CliError(
      `There are no objects below ${job.source}. (A name is whole unless it ends in a star: run42, run4*.)`,
    );
  const isCopied = job.mode === 'copy';
  const saved = await saveAdopted(session, job, { into, name: given.text('name') ?? null, withHints: !isCopied });
  if (given.has('json')) printJson({ ...job, collection: saved.uuid, portable_data_hash: saved.portableDataHash });
  else {
    print(saved.uuid);
    const gone = c.gone > 0 ? `, ${plural(c.gone, 'object')} gone` : '';
    const copied = isCopied ? ` ${plural(c.copiedBlocks, 'block')} copied into Keep's volumes.` : '';
    note(
      `${saved.state}: ${plural(c.objects, 'object')}, ${formatBytes(c.bytes)}; adopted now: ${c.adoptedObjects.toLocaleString('en-US')}, of them ${c.attestedObjects.toLocaleString('en-US')} by ETag, ${formatBytes(c.hashedBytes)} hashed${gone}.${copied}`,
    );
  }
  if (!isCollectionUuid(saved.uuid)) throw new CliError('The service gave no collection.');
  return job.problems.length > 0 ? 1 : 0;
}

function report(job: JobRecord, given: Given): number {
  if (given.has('json')) printJson(job);
  else if (job.phase !== 'done') print(`${job.source}: ${job.phase}: ${job.message}`);
  else if (job.mode === 'check') tellCheck(job);
  else tellPlan(job);
  if (job.phase !== 'done') return 1;
  return job.mode === 'check' && job.counts.changed + job.counts.gone > 0 ? 1 : 0;
}

function tellPlan({ source, counts: c, estimate, gateway_name }: JobRecord): void {
  const { requests, dollars, bytesToRead, pricesKnown } = estimate;
  print(
    [
      `${source}, through the gateway ${gateway_name}: ${plural(c.objects, 'object')}, ${formatBytes(c.bytes)}`,
      `  adopted before, unchanged   ${c.unchanged.toLocaleString('en-US')}`,
      `  new                         ${c.fresh.toLocaleString('en-US')}`,
      `  changed                     ${c.changed.toLocaleString('en-US')}`,
      `  gone                        ${c.gone.toLocaleString('en-US')}`,
      `  requests to the bucket      ${(requests.list + requests.head + requests.get).toLocaleString('en-US')} (${requests.list} list, ${requests.head} head, ${requests.get} get)`,
      `  to read and hash            ${formatBytes(bytesToRead)}; ${plural(c.askedObjects, 'object')} by ETag, without reading`,
      `  cost, about                 $${cents(dollars.total)}: requests $${cents(dollars.requests)}, transfer $${cents(dollars.transfer)}, this service $${cents(dollars.service)}`,
      ...(pricesKnown
        ? []
        : ["  The bucket's provider may charge for requests and transfer: its prices are not known here."]),
      ...(dollars.transfer > 1
        ? ['  With --hash-here on a machine in the region of the bucket nothing is paid for transfer.']
        : []),
    ].join('\n'),
  );
}

function tellCheck({ source, counts: c, problems }: JobRecord): void {
  print(
    `${source}: ${plural(c.unchanged, 'object')} as adopted, ${c.changed.toLocaleString('en-US')} changed, ${c.gone.toLocaleString('en-US')} gone, ${c.fresh.toLocaleString('en-US')} not adopted.`,
  );
  for (const { key, problem } of problems) print(`  ${showName(key)}: ${oneLine(problem)}`);
  if (c.changed + c.gone > 0) print('Run keep-edge adopt again to take them as they are now.');
}

function tellProblems({ problems, counts }: JobRecord): void {
  for (const { key, problem } of problems) note(`Left out: ${showName(key)}: ${oneLine(problem)}`);
  if (counts.failedObjects > problems.length) note(`and ${counts.failedObjects - problems.length} more.`);
}

function cents(dollars: number): string {
  return dollars >= 0.005 || dollars === 0 ? dollars.toFixed(2) : dollars.toPrecision(1);
}
