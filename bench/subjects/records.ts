import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { ROOT, workerdPidOf } from '../../dev/serve.ts';
import { sqlStatements } from '../../dev/sql-statements.ts';
import type { User } from '../../src/accounts/account.ts';
import { createLinkStore } from '../../src/accounts/links.ts';
import { rolesOf } from '../../src/accounts/memberships.ts';
import { createCollections } from '../../src/collections/collections.ts';
import { createGroups } from '../../src/collections/groups.ts';
import { scopeOf } from '../../src/collections/scope.ts';
import { COLLECTIONS } from '../../src/collections/tables.ts';
import { listRecords } from '../../src/records/list-query.ts';
import { id, MEMBER, OWNER, ROOT_PROJECT, SMALL_OWNER, seedRecords } from '../../test/support/many-records.ts';
import { measuredDatabase } from '../../test/support/measured-database.ts';
import type { Subject } from '../context.ts';
import { cpuPer } from '../measure.ts';
import type { Row } from '../report.ts';

/** RECORDS_BENCH=10000,200000,1000000 takes other sizes; the last one takes minutes to fill. */
const SIZES = (process.env.RECORDS_BENCH ?? '10000,200000').split(',').map(Number);
const TIMES = 20;
/** A verb by UUID may cost so much more at the largest size than at the smallest. */
const MAX_GROWTH = 1.5;
const MAX_PAGE_ROWS = 3000;

/** What permissions cost in rows and processor time, with many collections of one user. */
export const records: Subject = {
  name: 'records',
  async run({ say }) {
    const rows: Row[] = [];
    const first = new Map<string, number>();
    for (const size of SIZES) {
      say(`${size.toLocaleString('en-US')} collections`);
      for (const { verb, rowsRead, milliseconds, isList } of await measureAt(size)) {
        const least = first.get(verb) ?? rowsRead;
        first.set(verb, least);
        const target = { atMost: isList ? MAX_PAGE_ROWS : MAX_GROWTH * least };
        rows.push({ what: `${size}: ${verb}, rows read`, edge: rowsRead, unit: 'rows', target });
        rows.push({ what: `${size}: ${verb}, processor time`, edge: milliseconds, unit: 'ms' });
      }
    }
    return rows;
  },
};

interface Measured {
  verb: string;
  rowsRead: number;
  milliseconds: number;
  isList: boolean;
}

async function measureAt(size: number): Promise<Measured[]> {
  const state = await mkdtemp(join(tmpdir(), 'keep-edge-bench-'));
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: 'export default { fetch: () => new Response() }',
      compatibilityDate: '2026-11-17',
      d1Databases: ['DB'],
      resourcePersistencePath: state,
    }),
  );
  try {
    const plain = (await miniflare.getD1Database('DB')) as unknown as D1Database;
    for (const file of (await readdir(join(ROOT, 'migrations'))).sort()) {
      const sql = await readFile(join(ROOT, 'migrations', file), 'utf8');
      await plain.batch(sqlStatements(sql).map((statement) => plain.prepare(statement)));
    }
    await seedRecords(plain, size);
    return await measureVerbs(plain, size, workerdPidOf(process.pid));
  } finally {
    await miniflare.dispose();
    await rm(state, { recursive: true });
  }
}

async function measureVerbs(plain: D1Database, size: number, pid: number): Promise<Measured[]> {
  const { db, cost, reset } = measuredDatabase(plain);
  const now = () => Date.now();
  const manifests = null as unknown as R2Bucket;
  const versions = { automatic: false, idleSeconds: -1, maxAgeSeconds: { kept: 0, repacked: 0 } };
  const setup = {
    db,
    manifests,
    clusterId: 'xedge',
    defaultStorageClasses: [],
    trashLifetimeSeconds: 1e6,
    versions,
    now,
  };
  const collections = createCollections(setup as Parameters<typeof createCollections>[0]);
  const groups = createGroups(setup as Parameters<typeof createGroups>[0]);
  const links = createLinkStore(db, 'xedge', now);
  const userOf = async (uuid: string, isAdmin = false): Promise<User> => ({
    uuid,
    isAdmin,
    isActive: true,
    username: '',
    fullName: '',
    roles: await rolesOf(plain, uuid),
  });
  const owner = { ...(await userOf(OWNER)), seesUsers: true };

  const users = { owner, 'member of a role': await userOf(MEMBER), admin: await userOf(id('tpzed', 0), true) };
  const measured: Measured[] = [];
  const measure = async (verb: string, isList: boolean, work: (index: number) => Promise<unknown>) => {
    reset();
    const seconds = await cpuPer(pid, TIMES, async (index) => void (await work(index)));
    measured.push({ verb, rowsRead: cost.rowsRead / TIMES, milliseconds: seconds * 1000, isList });
  };
  const some = (index: number) => id('4zz18', Math.floor(size / 2) + index);
  const list = (user: User, parameters: object) => () =>
    listRecords(db, COLLECTIONS, { count: 'none', ...parameters }, scopeOf('collections', parameters, user, false));
  for (const [name, user] of Object.entries(users)) {
    await measure(`get, ${name}`, false, (index) => collections.find(some(index), user));
    await measure(`list, ${name}`, true, list(user, {}));
    await measure(`list of a project, ${name}`, true, list(user, { filters: [['owner_uuid', '=', id('j7d0g', 2)]] }));
  }
  await measure('list, owner of few', true, list(await userOf(SMALL_OWNER), {}));
  await measure('rename a project, owner', false, (index) =>
    groups.update(ROOT_PROJECT, { name: `p ${index}` }, owner),
  );
  const made: string[] = [];
  await measure('share, owner', false, async (index) => {
    const grant = { link_class: 'permission', name: 'can_read', tail_uuid: MEMBER, head_uuid: some(index) };
    made.push(String((await links.create(grant, owner)).uuid));
  });
  await measure('revoke, owner', false, (index) => links.delete(made[index] ?? '', owner));
  return measured;
}
