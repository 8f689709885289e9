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
import { findingScope } from '../../src/collections/scope.ts';
import { COLLECTIONS } from '../../src/collections/tables.ts';
import { listRecords } from '../../src/records/list-query.ts';
import { createSearch } from '../../src/search/search.ts';
import type { ApiCall, EmbeddedApi } from '../../src/surfaces/arvados/call.ts';
import { searchRecords } from '../../src/surfaces/arvados/search-handler.ts';
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
const MAX_PAGE_ROWS = 1000;
/** Rows that one record by its UUID may cost to look at. */
const MAX_RECORD_ROWS = 20;
/** COUNT_BOUND records and as many projects, some rows each. */
const MAX_COUNT_ROWS = 60_000;

/** What permissions cost in rows and processor time, with many collections of one user. */
export const records: Subject = {
  name: 'records',
  async run({ say }) {
    const rows: Row[] = [];
    const first = new Map<string, number>();
    for (const size of SIZES) {
      say(`${size.toLocaleString('en-US')} collections`);
      for (const { verb, rowsRead, milliseconds, kind } of await measureAt(size, say)) {
        const least = first.get(verb) ?? rowsRead;
        first.set(verb, least);
        const target = {
          atMost: { list: MAX_PAGE_ROWS, get: MAX_RECORD_ROWS, change: MAX_GROWTH * least, count: MAX_COUNT_ROWS }[
            kind
          ],
        };
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
  kind: 'get' | 'list' | 'change' | 'count';
}

async function measureAt(size: number, say: (text: string) => void): Promise<Measured[]> {
  const state = await mkdtemp(join(tmpdir(), 'keep-edge-bench-'));
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: 'export default { fetch: () => new Response() }',
      compatibilityDate: '2026-11-17',
      d1Databases: ['DB', 'SEARCH'],
      resourcePersistencePath: state,
    }),
  );
  try {
    const plain = (await miniflare.getD1Database('DB')) as unknown as D1Database;
    const index = (await miniflare.getD1Database('SEARCH')) as unknown as D1Database;
    await migrate(plain, 'migrations');
    await migrate(index, 'migrations-search');
    await seedRecords(plain, size);
    // What was made long ago: it is indexed, and its events are in the log.
    await plain.batch(['search_pending', 'audit_pending'].map((table) => plain.prepare(`DELETE FROM ${table}`)));
    const began = performance.now();
    const building = createSearch(plain, index, Date.now, () => {});
    while (await building.work());
    say(`the search index was filled in ${((performance.now() - began) / 1000).toFixed(0)} s`);
    return await measureVerbs(plain, index, size, workerdPidOf(process.pid));
  } finally {
    await miniflare.dispose();
    await rm(state, { recursive: true });
  }
}

async function migrate(db: D1Database, directory: string): Promise<void> {
  for (const file of (await readdir(join(ROOT, directory))).sort()) {
    const sql = await readFile(join(ROOT, directory, file), 'utf8');
    await db.batch(sqlStatements(sql).map((statement) => db.prepare(statement)));
  }
}

async function measureVerbs(plain: D1Database, index: D1Database, size: number, pid: number): Promise<Measured[]> {
  const { db, cost, reset } = measuredDatabase(plain);
  const search = createSearch(db, index, Date.now, () => {});
  const now = () => Date.now();
  // Texts stand in rows here; what an update writes beside its row is not measured.
  const manifests = { put: async () => null, delete: async () => {} } as unknown as R2Bucket;
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
  const measure = async (verb: string, kind: Measured['kind'], work: (index: number) => Promise<unknown>) => {
    reset();
    const seconds = await cpuPer(pid, TIMES, async (index) => void (await work(index)));
    measured.push({ verb, rowsRead: cost.rowsRead / TIMES, milliseconds: seconds * 1000, kind });
  };
  const some = (index: number) => id('4zz18', Math.floor(size / 2) + index);
  const list =
    (user: User, parameters: (index: number) => object = () => ({})) =>
    async (index: number) => {
      const asked = { count: 'none', ...parameters(index) };
      const scope = await findingScope({ db, search }, 'collections', asked, user, false);
      return listRecords(db, COLLECTIONS, asked, scope);
    };
  const call = (user: User, parameters: object) => ({ user, parameters }) as unknown as ApiCall;
  const api = { db, search } as unknown as EmbeddedApi;
  for (const [name, user] of Object.entries(users)) {
    await measure(`get, ${name}`, 'get', (index) => collections.find(some(index), user));
    await measure(`list, ${name}`, 'list', list(user));
    const inside = { filters: [['owner_uuid', '=', id('j7d0g', 2)]] };
    await measure(
      `list of a project, ${name}`,
      'list',
      list(user, () => inside),
    );
    await measure(
      `list by name, ${name}`,
      'list',
      list(user, (index) => ({ filters: [['name', '=', `sample ${size / 2 + index}`]] })),
    );
    await measure(`search for one, ${name}`, 'list', (index) =>
      searchRecords(call(user, { q: `"sample ${size / 2 + index}"`, limit: 100 }), api),
    );
    await measure(`search for what all have, ${name}`, 'change', () =>
      searchRecords(call(user, { q: 'sample', limit: 100 }), api),
    );
  }
  const few = await userOf(SMALL_OWNER);
  await measure('list, owner of few', 'list', list(few));
  await measure('search for what all but theirs have, owner of few', 'change', () =>
    searchRecords(call(few, { q: 'sample', limit: 100 }), api),
  );
  await measure(
    'count up to the bound, owner',
    'count',
    list(owner, () => ({ count: 'exact', limit: 0 })),
  );
  await measure('update, owner', 'change', (index) =>
    collections.update(
      some(index),
      { attributes: { description: `x ${index}` }, manifest: null },
      { user: owner, tokenUuid: null },
    ),
  );
  await measure('rename a project, owner', 'change', (index) =>
    groups.update(ROOT_PROJECT, { name: `p ${index}` }, owner),
  );
  const made: string[] = [];
  await measure('share, owner', 'change', async (index) => {
    const grant = { link_class: 'permission', name: 'can_read', tail_uuid: MEMBER, head_uuid: some(index) };
    made.push(String((await links.create(grant, owner)).uuid));
  });
  await measure('revoke, owner', 'change', (index) => links.delete(made[index] ?? '', owner));
  return measured;
}
