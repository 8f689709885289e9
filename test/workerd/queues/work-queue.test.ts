import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import type { PullQueue } from '../../../src/app/queue-objects.ts';
import type { PullItem } from '../../../src/keep/work-lists.ts';
import { done, failed } from '../../../src/queues/outcome.ts';
import { pullWork } from '../../../src/queues/pull.ts';
import type { Work } from '../../../src/queues/work-queue.ts';
import { soon } from '../support/soon.ts';

/** One queue in a real Durable Object, its alarms rung by hand, its work the test's own. */

const { PULL_QUEUE } = env as unknown as { PULL_QUEUE: DurableObjectNamespace<PullQueue> };
const HASH = 'acbd18db4cc2f85cedef654fccc4a4d8';

let serial = 0;
let stub: DurableObjectStub<PullQueue>;
/** Mounts named by the entries that were run, in order. */
let seen: string[];
let run: (item: PullItem) => ReturnType<Work<PullItem>['run']>;
let concurrency: number;

type Inside = PullQueue & { work: () => Work<PullItem> | null };

/** Puts the test's work into the object, and keeps its alarms from ringing by themselves. */
function inside<Result>(act: (queue: Inside, state: DurableObjectState) => Result | Promise<Result>): Promise<Result> {
  return runInDurableObject(stub, async (queue: PullQueue, state) => {
    const instance = queue as Inside;
    const real = pullWork({ mounts: [], signing: null, hosts: [], clientOf: () => unreachable(), clock: Date.now }, 1);
    instance.work = () => ({
      ...real,
      concurrency,
      run: (item) => {
        seen.push(item.mountUuid);
        return run(item);
      },
    });
    const result = await act(instance, state);
    return result;
  });
}

const unreachable = (): never => {
  throw new Error('not to be reached');
};

const listOf = (...mounts: string[]) =>
  new Response(JSON.stringify(mounts.map((mount_uuid) => ({ locator: `${HASH}+3`, mount_uuid }))))
    .body as ReadableStream<Uint8Array>;

/** Takes a list and puts its alarm off, so that the test rings it. */
const take = (...mounts: string[]) =>
  inside(async (queue, state) => {
    const result = await queue.replace(listOf(...mounts));
    await state.storage.deleteAlarm();
    return result;
  });

const ring = () => inside((queue) => queue.alarm());
const alarmOf = () => inside((_, state) => state.storage.getAlarm());
const status = () => inside((queue) => queue.status());

beforeEach(() => {
  stub = PULL_QUEUE.getByName(`test${serial++}`);
  seen = [];
  run = async () => done('pulled');
  concurrency = 1;
});

describe('a work queue', () => {
  test('works its list off in order and then has nothing more to ring for', async () => {
    expect(await take('a', 'b', 'c')).toEqual({ ok: true, entries: 3 });
    await ring();
    expect(seen).toEqual(['a', 'b', 'c']);
    expect(await status()).toMatchObject({ pending: 0, tallies: [{ result: 'done', reason: 'pulled', entries: 3 }] });
    expect(await alarmOf()).toBeNull();
  });

  test('tries each entry once, and goes on after one that throws', async () => {
    await take('a', 'b', 'c');
    run = async ({ mountUuid }) => {
      if (mountUuid === 'b') throw new Error('the store is down');
      return mountUuid === 'c' ? failed('read_only', 'no') : done('pulled');
    };
    await ring();
    await ring();
    expect(seen).toEqual(['a', 'b', 'c']);
    expect((await status()).lastErrors).toMatchObject([
      { reason: 'read_only', message: 'no', locator: `${HASH}+3` },
      { reason: 'error', message: 'the store is down' },
    ]);
  });

  test('sets no alarm when one threw, which the platform repeats, and has its rows again when it is woken', async () => {
    await take('a', 'b');
    await inside(async (queue, state) => {
      state.storage.sql.exec('ALTER TABLE tallies RENAME TO gone');
      await expect(queue.alarm()).rejects.toThrow(/tallies/);
      state.storage.sql.exec('ALTER TABLE gone RENAME TO tallies');
      expect(await state.storage.getAlarm()).toBeNull();
      await queue.wake();
      expect(await state.storage.getAlarm()).not.toBeNull();
      await state.storage.deleteAlarm();
    });
    expect(await status()).toMatchObject({ pending: 2, inProgress: 0 });
    await ring();
    expect(seen).toEqual(['a', 'a', 'b']);
    expect(await status()).toMatchObject({ pending: 0, tallies: [{ entries: 2 }] });
  });

  test.each(['null', '[]', '{"locator":5}', '"text"', '{}', '{"locator":null}'])(
    'sets a row aside that holds %s, says so, and goes on',
    async (row) => {
      await take('a', 'b', 'c');
      await inside((_, { storage }) => {
        storage.sql.exec('UPDATE entries SET entry = ? WHERE position = 1', row);
      });
      await ring();
      expect(seen.filter((mount) => mount !== undefined)).toEqual(['a', 'c']);
      const { pending, tallies, lastErrors } = await status();
      expect([pending, tallies.find(({ result }) => result === 'failed')]).toEqual([
        0,
        { result: 'failed', reason: expect.any(String), entries: 1 },
      ]);
      expect(lastErrors).toMatchObject([{ message: expect.any(String) }]);
      expect(await alarmOf()).toBeNull();
    },
  );

  test('sets a row aside that is cut off: it is unreadable, not tried again, and its alarm does not throw', async () => {
    await take('a', 'b');
    await inside((_, { storage }) => {
      storage.sql.exec('UPDATE entries SET entry = \'{"locator":\' WHERE position = 0');
    });
    await ring();
    expect(seen).toEqual(['b']);
    expect(await status()).toMatchObject({
      pending: 0,
      lastErrors: [{ reason: 'unreadable', message: expect.stringContaining('entry 1 of the list cannot be read') }],
    });
  });

  test('keeps no token, signature or endless text of a failure', async () => {
    await take('a', 'b');
    const signature = `${'0123456789'.repeat(4)}@6a1b2c3d`;
    run = async ({ mountUuid }) => {
      if (mountUuid === 'b') throw new Error('x'.repeat(3_000_000));
      return failed('not_delivered', `GET http://a/${HASH}+3+A${signature} with v2/xxxxx-gj3su-x/secret failed`);
    };
    await ring();
    const { lastErrors } = await status();
    expect(lastErrors[0]?.message.length).toBeLessThan(3000);
    expect(lastErrors[1]?.message).toBe(`GET http://a/${HASH}+3 with v2/… failed`);
  });

  test('refuses a list with an entry that no row could hold, and keeps the one before', async () => {
    await take('a');
    const answer = await inside(async (queue, { storage }) => {
      const replaced = await queue.replace(listOf('\u0000'.repeat(150_000)));
      await storage.deleteAlarm();
      return replaced;
    });
    expect(answer).toEqual({ ok: false, message: 'entry 1 of the list is too long' });
    expect((await status()).pending).toBe(1);
  });

  test('is woken by the watchdog when its alarm is lost, and left alone otherwise', async () => {
    await inside((queue) => queue.wake());
    expect(await alarmOf()).toBeNull();
    await take('a');
    await inside(async (queue, state) => {
      await queue.wake();
      expect(await state.storage.getAlarm()).not.toBeNull();
      const later = Date.now() + 60_000;
      await state.storage.setAlarm(later);
      await queue.wake();
      expect(await state.storage.getAlarm()).toBe(later);
      await state.storage.deleteAlarm();
    });
  });

  test('does not ring for a list that it is not to work off', async () => {
    concurrency = 0;
    await inside(async (queue, state) => {
      await queue.replace(listOf('a'));
      await queue.alarm();
      await queue.wake();
      expect(seen).toEqual([]);
      await state.storage.deleteAlarm();
    });
    expect(await status()).toMatchObject({ isWorking: false, pending: 1 });
  });

  test('gives up an entry with which the process died time and again', async () => {
    await take('a', 'b');
    await inside((_, state) => void state.storage.sql.exec('UPDATE entries SET starts = 5 WHERE position = 0'));
    await ring();
    expect(seen).toEqual(['b']);
    expect(await status()).toMatchObject({ lastErrors: [{ reason: 'interrupted' }] });
  });

  test('finishes what is in progress when a list is replaced, counts it in the totals alone, and drops the rest', async () => {
    await take('a', 'b', 'c');
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    run = async ({ mountUuid }) => {
      if (mountUuid === 'a') await gate;
      return done('pulled');
    };
    await inside(async (queue, state) => {
      const alarm = queue.alarm();
      await soon(() => (seen.length === 0 ? null : true));
      expect(queue.status()).toMatchObject({ pending: 2, inProgress: 1 });
      await queue.replace(listOf('d', 'e'));
      expect(queue.status()).toMatchObject({ pending: 2, inProgress: 1 });
      release();
      await alarm;
      await state.storage.deleteAlarm();
    });
    expect(seen).toEqual(['a', 'd', 'e']);
    const { tallies, totals } = await status();
    expect([tallies, totals]).toMatchObject([[{ entries: 2 }], [{ entries: 3 }]]);
  });

  test('keeps the rows of a list that is arriving apart from the current one, and sweeps what never got into force', async () => {
    await take('a', 'b');
    await inside(async (queue, state) => {
      const { readable, writable } = new IdentityTransformStream();
      const writer = writable.getWriter();
      const replaced = queue.replace(readable);
      const half = `[${Array.from({ length: 600 }, () => `{"locator":"${HASH}+3","mount_uuid":"x"}`).join(',')}`;
      await writer.write(new TextEncoder().encode(half));
      await queue.alarm();
      expect(seen).toEqual(['a', 'b']);
      await writer.write(new TextEncoder().encode(',]'));
      expect(await replaced).toMatchObject({ ok: false, message: expect.stringContaining('600') });
      expect(state.storage.sql.exec<{ n: number }>('SELECT count(*) AS n FROM entries').one().n).toBeGreaterThan(0);
      await queue.alarm();
      expect(state.storage.sql.exec<{ n: number }>('SELECT count(*) AS n FROM entries').one().n).toBe(0);
      await state.storage.deleteAlarm();
    });
    expect(await status()).toMatchObject({ list: { entries: 2 }, pending: 0 });
  });
});
