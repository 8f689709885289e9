import { KeepError } from '../keep/errors.ts';
import { createHandOver } from './hand-over.ts';
import { count, type Gauge } from './metrics.ts';

/** The object that adds up a day's bytes of all isolates. */
export interface EgressCounter {
  /** Adds bytes to a day. @returns the day's sum */
  spend(day: string, bytes: number): Promise<number>;
}

/** What may go out in a day to readers without an account. */
export interface AnonymousEgress {
  /**
   * Counts bytes that are about to go out. The first call of an isolate in a day asks for the day's sum; all others
   * add up here and wait for nothing.
   * @throws KeepError too_many_requests when the day's bytes are used up; the time until midnight UTC is in Retry-After
   */
  spend(bytes: number): Promise<void>;
  /** The day's sum over all isolates, and the cap. */
  read(): Promise<{ day: string; bytes: number; cap: number }>;
}

const DAY_MS = 86_400_000;

/**
 * Each isolate hands over what it counted once a second, and learns the sum by that. So the cap may be passed by what all
 * isolates begin to send within a second. What an isolate that is killed has counted in its last second is lost.
 *
 * @param cap bytes a day
 * @param now Unix milliseconds
 */
export function createAnonymousEgress(
  counter: EgressCounter,
  cap: number,
  {
    waitUntil,
    wait,
    now,
  }: {
    waitUntil: (work: Promise<unknown>) => void;
    wait: (ms: number) => Promise<unknown>;
    now: () => number;
  },
): AnonymousEgress {
  let day = '';
  /** Of all isolates, as of the last hand-over; null when not known yet. */
  let sum: number | null = null;
  let pending = 0;
  /** Being handed over. */
  let flying = 0;

  function turnDay(): void {
    const today = new Date(now()).toISOString().slice(0, 10);
    if (today === day) return;
    [day, sum, pending] = [today, null, 0];
  }

  async function handOver(): Promise<void> {
    const [of, bytes] = [day, pending];
    pending = 0;
    flying += bytes;
    try {
      const total = await counter.spend(of, bytes);
      if (of === day) sum = total;
    } catch (error) {
      if (of === day) pending += bytes;
      throw error;
    } finally {
      flying -= bytes;
    }
  }

  const later = createHandOver({ handOver, waitUntil, wait, now });

  return {
    async spend(bytes) {
      turnDay();
      // A counter that fails must not take public data down.
      if (sum === null) await handOver().catch(() => undefined);
      if ((sum ?? 0) + flying + pending >= cap) {
        count('keep_edge_refused_requests_total', { limit: 'anonymous_bytes' });
        throw usedUp(now());
      }
      pending += bytes;
      later();
    },
    async read() {
      turnDay();
      await handOver();
      return { day, bytes: sum ?? 0, cap };
    },
  };
}

function usedUp(now: number): KeepError {
  const seconds = Math.ceil((DAY_MS - (now % DAY_MS)) / 1000);
  return new KeepError('too_many_requests', {
    message:
      'what may be downloaded here in a day without an account is used up: sign in, or come back after midnight UTC',
    headers: { 'Retry-After': String(seconds) },
  });
}

export async function egressGauges(egress: AnonymousEgress): Promise<Gauge[]> {
  const { bytes, cap } = await egress.read();
  return [
    {
      name: 'keep_edge_anonymous_egress_bytes',
      help: 'Sent since midnight UTC to readers without an account.',
      value: bytes,
    },
    { name: 'keep_edge_anonymous_egress_cap_bytes', help: 'What may be sent to them in a day.', value: cap },
  ];
}
