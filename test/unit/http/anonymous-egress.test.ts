import { expect, test } from 'vitest';
import { createAnonymousEgress, type EgressCounter } from '../../../src/http/anonymous-egress.ts';

const NOON = Date.parse('2026-11-28T12:00:00Z');

/** The object, for several isolates. */
function counterOf(): EgressCounter & { asked: number; fails: boolean } {
  const days = new Map<string, number>();
  return {
    asked: 0,
    fails: false,
    async spend(day, bytes) {
      this.asked++;
      if (this.fails) throw new Error('not there');
      days.set(day, (days.get(day) ?? 0) + bytes);
      return days.get(day) ?? 0;
    },
  };
}

function isolateOf(counter: EgressCounter, clock: { now: number }) {
  const due: (() => void)[] = [];
  const work: Promise<unknown>[] = [];
  const egress = createAnonymousEgress(counter, 1000, {
    waitUntil: (promise) => work.push(promise),
    wait: () => new Promise<void>((resolve) => due.push(resolve)),
    now: () => clock.now,
  });
  const second = async () => {
    for (const resolve of due.splice(0)) resolve();
    await Promise.all(work.splice(0));
  };
  return { egress, second };
}

test('an isolate asks for the day’s sum once, and hands its bytes over once a second', async () => {
  const counter = counterOf();
  const { egress, second } = isolateOf(counter, { now: NOON });
  for (let n = 0; n < 9; n++) await egress.spend(10);
  expect(counter.asked).toBe(1);
  await second();
  expect(counter.asked).toBe(2);
  expect(await egress.read()).toEqual({ day: '2026-11-28', bytes: 90, cap: 1000 });
});

test('the cap holds over all isolates, until midnight UTC', async () => {
  const counter = counterOf();
  const clock = { now: NOON };
  const [a, b] = [isolateOf(counter, clock), isolateOf(counter, clock)];
  await b.egress.spend(1);
  await a.egress.spend(1200);
  await expect(a.egress.spend(1)).rejects.toMatchObject({
    code: 'too_many_requests',
    headers: { 'Retry-After': String(12 * 3600) },
  });
  await a.second();
  // What the other isolate begins before its next hand-over is the overshoot.
  await b.egress.spend(1);
  await b.second();
  await expect(b.egress.spend(1)).rejects.toMatchObject({ code: 'too_many_requests' });
  await expect(isolateOf(counter, clock).egress.spend(1)).rejects.toMatchObject({ code: 'too_many_requests' });
  clock.now += 12 * 3600_000;
  await b.egress.spend(1);
  expect(await b.egress.read()).toMatchObject({ day: '2026-11-29', bytes: 1 });
});

test('a counter that fails refuses no one, and its bytes are handed over later', async () => {
  const counter = counterOf();
  const { egress, second } = isolateOf(counter, { now: NOON });
  counter.fails = true;
  await egress.spend(700);
  await second();
  counter.fails = false;
  await egress.spend(1);
  expect(await egress.read()).toMatchObject({ bytes: 701 });
});
