import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { User } from '../../../src/accounts/account.ts';
import { ensureBuiltIns } from '../../../src/accounts/built-ins.ts';
import { createLinkStore } from '../../../src/accounts/links.ts';
import { rolesOf } from '../../../src/accounts/memberships.ts';
import { levelOf } from '../../../src/accounts/permissions.ts';
import { createCollections } from '../../../src/collections/collections.ts';
import { createGroups } from '../../../src/collections/groups.ts';
import { findingScope } from '../../../src/collections/scope.ts';
import { COLLECTIONS } from '../../../src/collections/tables.ts';
import { isKeepError } from '../../../src/keep/errors.ts';
import { listRecords } from '../../../src/records/list-query.ts';
import { insertStatement } from '../../../src/records/write-row.ts';
import { isInsideTrash, isWithin, reach, type World } from '../../support/permission-model.ts';
import { database, NO_VERSIONS } from '../support/database.ts';

const LEVELS = ['none', 'read', 'write', 'manage'] as const;
const uuid = (infix: string, name: string) => `xedge-${infix}-${name.padEnd(15, '0')}`;
const USERS = ['ann', 'bob', 'cat', 'robot'].map((name) => uuid('tpzed', name));
const ROLES = 3;
const PROJECTS = 6;
const COLLECTIONS_MADE = 6;
const [ANN = '', BOB = '', , ROBOT = ''] = USERS;
const asUser = (id: string, isAdmin = false): User => ({
  uuid: id,
  isAdmin,
  isActive: true,
  username: '',
  fullName: '',
});
const ROOT = asUser(uuid('tpzed', ''), true);

type Step =
  | { kind: 'link'; tail: number; head: number; level: number }
  | { kind: 'unlink'; which: number }
  | { kind: 'moveProject' | 'moveCollection'; which: number; to: number }
  | { kind: 'trash' | 'untrash' | 'touch'; which: number };

const pick = fc.nat(1000);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('link' as const),
      tail: pick,
      head: pick,
      level: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('unlink' as const), which: pick }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('moveProject' as const, 'moveCollection' as const),
      which: pick,
      to: pick,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('trash' as const, 'untrash' as const, 'touch' as const),
      which: pick,
    }),
  },
);
const at = <T>(items: readonly T[], n: number): T => items[n % items.length] as T;

async function newWorld() {
  const db = await database();
  for (const table of ['links', 'collections', 'groups', 'ancestors', 'users'])
    await db.prepare(`DELETE FROM ${table}`).run();
  const { MANIFESTS } = env as unknown as { MANIFESTS: R2Bucket };
  let time = Date.now() - 1e9;
  const now = () => (time += 1000);
  const setup = {
    db,
    manifests: MANIFESTS,
    clusterId: 'xedge',
    defaultStorageClasses: ['default'],
    versions: NO_VERSIONS,
    trashLifetimeSeconds: 1e7,
    now,
  };
  await ensureBuiltIns(db, 'xedge', now());
  for (const id of USERS) {
    const record = { created_at: '', modified_at: '', modified_by_user_uuid: '' };
    const owner = id === ROBOT ? ANN : ROOT.uuid;
    await insertStatement(db, 'users', {
      uuid: id,
      owner_uuid: owner,
      is_uploader: id === ROBOT ? 1 : 0,
      ...record,
    }).run();
  }
  const stores = {
    links: createLinkStore(db, 'xedge', now),
    groups: createGroups(setup),
    collections: createCollections(setup),
  };
  const world: World = {
    users: new Map(USERS.map((id) => [id, { owner: id === ROBOT ? ANN : null }])),
    roles: new Set([uuid('j7d0g', 'fffffffffffffff'), uuid('j7d0g', 'anonymouspublic')]),
    projects: new Map(),
    collections: new Map(),
    links: [],
    everyone: uuid('j7d0g', 'fffffffffffffff'),
    anonymous: uuid('j7d0g', 'anonymouspublic'),
  };
  for (let i = 0; i < ROLES; i++) {
    world.roles.add(String((await stores.groups.create({ name: `role ${i}`, group_class: 'role' }, ROOT, false)).uuid));
  }
  for (let i = 0; i < PROJECTS; i++) {
    const owner = at([...USERS, ...world.projects.keys()], i * 7 + 3);
    world.projects.set(String((await stores.groups.create({ name: `p${i}`, owner_uuid: owner }, ROOT, false)).uuid), {
      owner,
      trashed: false,
    });
  }
  for (let i = 0; i < COLLECTIONS_MADE; i++) {
    const owner = at([...world.projects.keys(), ...USERS], i * 5);
    const { record } = await stores.collections.create(
      { attributes: { name: `c${i}`, owner_uuid: owner }, manifest: null },
      ROOT,
    );
    world.collections.set(String(record.uuid), {
      owner,
      trashed: false,
      modified: Date.parse(String(record.modified_at)),
    });
  }
  return { db, world, ...stores };
}
type Real = Awaited<ReturnType<typeof newWorld>>;

async function take(
  { world, links, groups, collections }: Real,
  made: Map<string, string>,
  action: Step,
): Promise<void> {
  const owners = [...USERS, ...world.projects.keys()];
  const modified = (id: string, record: Record<string, unknown>) => {
    const known = world.collections.get(id);
    if (known !== undefined) known.modified = Date.parse(String(record.modified_at));
  };
  switch (action.kind) {
    case 'link': {
      const tail = at([...USERS.slice(0, 3), ...world.roles], action.tail);
      const head = at([...world.projects.keys(), ...world.collections.keys(), ...world.roles, ...USERS], action.head);
      const level = tail === world.anonymous ? 1 : action.level;
      if (tail === head || isInsideTrash(world, head)) return;
      const link = await links.create(
        { link_class: 'permission', name: `can_${LEVELS[level]}`, tail_uuid: tail, head_uuid: head },
        ROOT,
      );
      const known = world.links.find((other) => other.tail === tail && other.head === head);
      if (known === undefined) world.links.push({ tail, head, level });
      else known.level = Math.max(known.level, level);
      made.set(`${tail} ${head}`, String(link.uuid));
      return;
    }
    case 'unlink': {
      const link = world.links.splice(action.which % Math.max(1, world.links.length), 1)[0];
      if (link !== undefined) await links.delete(made.get(`${link.tail} ${link.head}`) ?? '', ROOT);
      return;
    }
    case 'moveProject': {
      const id = at([...world.projects.keys()], action.which);
      const owner = at(owners, action.to);
      const project = world.projects.get(id);
      if (project === undefined || project.trashed || isInsideTrash(world, id)) return;
      if (world.projects.get(owner)?.trashed || isInsideTrash(world, owner)) return;
      if (isWithin(world, owner, id)) {
        await expect(groups.update(id, { owner_uuid: owner }, ROOT)).rejects.toMatchObject({ status: 422 });
        return;
      }
      await groups.update(id, { owner_uuid: owner }, ROOT);
      project.owner = owner;
      return;
    }
    case 'moveCollection': {
      const id = at([...world.collections.keys()], action.which);
      const owner = at(owners, action.to);
      const known = world.collections.get(id);
      if (known === undefined || known.trashed || isInsideTrash(world, id)) return;
      if (world.projects.get(owner)?.trashed || isInsideTrash(world, owner)) return;
      await collections.update(
        id,
        { attributes: { owner_uuid: owner }, manifest: null },
        { user: ROOT, tokenUuid: null },
      );
      modified(id, (await collections.find(id, ROOT)).record);
      known.owner = owner;
      return;
    }
    case 'trash':
    case 'untrash': {
      const id = at([...world.projects.keys(), ...world.collections.keys()], action.which);
      const [project, collection] = [world.projects.get(id), world.collections.get(id)];
      if (isInsideTrash(world, id) || (project ?? collection)?.trashed === (action.kind === 'trash')) return;
      if (project !== undefined) {
        await groups[action.kind](id, ROOT);
        project.trashed = action.kind === 'trash';
      } else if (collection !== undefined) {
        const by = { user: ROOT, tokenUuid: null };
        await (action.kind === 'trash' ? collections.trash(id, by) : collections.untrash(id, by, false));
        modified(id, (await collections.find(id, ROOT, { includeTrash: true })).record);
        collection.trashed = action.kind === 'trash';
      }
      return;
    }
    case 'touch': {
      const id = at([...world.collections.keys()], action.which);
      const known = world.collections.get(id);
      if (known === undefined || known.trashed || isInsideTrash(world, id)) return;
      await collections.update(
        id,
        { attributes: { description: 'x' }, manifest: null },
        { user: ROOT, tokenUuid: null },
      );
      modified(id, (await collections.find(id, ROOT)).record);
    }
  }
}

/** What a verb says: its level's answer. */
const outcome = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) =>
      isKeepError(error, 'not_found') ? 'not found' : isKeepError(error, 'forbidden') ? 'forbidden' : error,
  );

async function compare(real: Real): Promise<void> {
  const { db, world, groups, collections } = real;
  for (const id of USERS) {
    const user = { ...asUser(id), roles: await rolesOf(db, id) };
    const reached = reach(world, id);
    for (const record of [...world.projects.keys(), ...world.collections.keys(), ...world.roles, ...USERS]) {
      const wanted = isInsideTrash(world, record) ? 0 : (reached.get(record) ?? 0);
      expect(`${record} ${await levelOf(db, user, record)}`, `level of ${id}`).toBe(`${record} ${LEVELS[wanted]}`);
    }
    for (const [record, { trashed }] of world.projects) {
      const wanted = trashed || isInsideTrash(world, record) ? 0 : (reached.get(record) ?? 0);
      expect(await outcome(groups.get(record, user))).toBe(wanted > 0 ? 'done' : 'not found');
      const sees = (reached.get(record) ?? 0) > 0;
      expect(await outcome(groups.get(record, user, true)), 'include_trash').toBe(sees ? 'done' : 'not found');
    }
    const search: { candidates: () => Promise<string[] | null> } = { candidates: async () => null };
    for (const includeTrash of [false, true]) {
      const shown = [...world.collections]
        .filter(
          ([record, { trashed }]) =>
            (reached.get(record) ?? 0) > 0 && (includeTrash || !(trashed || isInsideTrash(world, record))),
        )
        .sort(([, a], [, b]) => b.modified - a.modified);
      const list = async (parameters: object) => {
        const scope = await findingScope({ db, search }, 'collections', parameters, user, includeTrash);
        const page = await listRecords(db, COLLECTIONS, parameters, scope);
        return {
          all: page.items.map((item) => [item.uuid, Number(item.permission_level)]),
          count: page.items_available,
        };
      };
      const expected = shown.map(([record]) => [record, reached.get(record) ?? 0]);
      expect(await list({}), `newest first for ${id}`).toEqual({ all: expected, count: shown.length });
      expect((await list({ order: 'uuid', count: 'none' })).all, 'in order of UUIDs').toEqual(
        [...expected].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
      );
      const oldest = [];
      for (let offset = 0; offset < shown.length; offset += 3)
        oldest.push(...(await list({ order: 'modified_at asc', limit: 3, offset, count: 'none' })).all);
      expect(oldest, 'oldest first').toEqual([...expected].reverse());
      // As if the search index had found every collection there is.
      search.candidates = async () => [...world.collections.keys()];
      expect((await list({})).all, 'of what a search found').toEqual(expected);
      search.candidates = async () => null;
      const paged = [];
      for (let offset = 0; offset < shown.length; offset += 2)
        paged.push(...(await list({ limit: 2, offset, count: 'none' })).all);
      expect(paged, 'page by page').toEqual(expected);
      const [, middle] = shown[Math.floor(shown.length / 2)] ?? [];
      if (middle !== undefined) {
        const filters = [['modified_at', '<', new Date(middle.modified).toISOString()]];
        expect((await list({ filters, count: 'none' })).all, 'from a key on').toEqual(
          expected.slice(Math.floor(shown.length / 2) + 1),
        );
      }
      for (const owner of [...world.projects.keys(), BOB]) {
        const inside = shown
          .filter(([, known]) => known.owner === owner)
          .map(([record]) => [record, reached.get(record) ?? 0]);
        expect((await list({ filters: [['owner_uuid', '=', owner]] })).all, `inside ${owner}`).toEqual(inside);
      }
    }
    const visible = await groups.list({ filters: [['group_class', '=', 'project']] }, user, false, { db, search });
    expect(visible.items.map((item) => item.uuid).sort(), `projects of ${id}`).toEqual(
      [...world.projects]
        .filter(([record, { trashed }]) => !trashed && !isInsideTrash(world, record) && (reached.get(record) ?? 0) > 0)
        .map(([record]) => record)
        .sort(),
    );
    for (const [record, known] of world.collections) {
      const level = known.trashed || isInsideTrash(world, record) ? 0 : (reached.get(record) ?? 0);
      const answer = level === 0 ? 'not found' : level === 1 ? 'forbidden' : 'done';
      const change = { attributes: { description: id }, manifest: null };
      expect(await outcome(collections.find(record, user))).toBe(level > 0 ? 'done' : 'not found');
      expect(
        await outcome(collections.update(record, change, { user, tokenUuid: null })),
        `update of ${record} by ${id}`,
      ).toBe(answer);
      if (answer === 'done')
        known.modified = Date.parse(String((await collections.find(record, user)).record.modified_at));
      // Moving takes can_write on the collection, on where it is and on where it goes.
      const home = { attributes: { owner_uuid: id }, manifest: null };
      const onOwner = known.owner === id ? 3 : passedOn(world, reached, known.owner, id);
      const moves = level === 0 ? 'not found' : level === 1 || onOwner < 2 ? 'forbidden' : 'done';
      expect(
        await outcome(collections.update(record, home, { user, tokenUuid: null })),
        `move of ${record} by ${id}`,
      ).toBe(moves);
      if (moves !== 'done') continue;
      const back = { attributes: { owner_uuid: known.owner }, manifest: null };
      await collections.update(record, back, { user: ROOT, tokenUuid: null });
      known.modified = Date.parse(String((await collections.find(record, ROOT)).record.modified_at));
    }
  }
}

/** The level that a user has on what an owner owns: a user's record may be seen without what the user owns. */
function passedOn(world: World, reached: Map<string, number>, owner: string, user: string): number {
  if (!world.users.has(owner)) return reached.get(owner) ?? 0;
  const probe: World = { ...world, collections: new Map([['probe', { owner, trashed: false, modified: 0 }]]) };
  return reach(probe, user).get('probe') ?? 0;
}

/** Thousands of statements: a loaded machine takes minutes. */
const TIMEOUT_MS = 300_000;

test(
  'every verb and every list agree with a plain model of Arvados permissions, over random graphs and changes',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
        const real = await newWorld();
        const made = new Map<string, string>();
        for (const action of steps) await take(real, made, action);
        await compare(real);
      }),
      { numRuns: 12, endOnFailure: true },
    );
  },
  TIMEOUT_MS,
);
