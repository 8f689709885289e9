import { setTimeout } from 'node:timers/promises';
import { type KeepAnswer, request } from './keep.ts';
import type { TestService } from './service.ts';

/** The volume of wrangler.toml. */
export const MOUNT = 'xedge-nyw5e-000000000000000';

export type ListKind = 'pull' | 'trash';

/** What GET /pull and GET /trash say. */
export interface ListStatus {
  isWorking: boolean;
  list: { entries: number; receivedAt: string | null; startedAt: string | null; lastSettledAt: string | null };
  pending: number;
  inProgress: number;
  done: Record<string, number>;
  skipped: Record<string, number>;
  failed: Record<string, number>;
  total: Record<'done' | 'skipped' | 'failed', Record<string, number>>;
  ratePerSecond: number;
  lastErrors: { at: string; locator: string; reason: string; message: string }[];
}

/** A trash entry as keep-balance writes it; the time may have more digits than a number can hold. */
export interface TrashEntry {
  locator: string;
  /** Nanoseconds. */
  mtime: bigint;
  mount?: string;
}

export interface PullEntry {
  locator: string;
  servers: string[];
  mount?: string;
}

export function putList(
  service: TestService,
  kind: ListKind,
  body: string,
  token?: string | null,
): Promise<KeepAnswer> {
  return request(`${service.url}/${kind}`, { method: 'PUT', body, ...(token === undefined ? {} : { token }) });
}

export function putTrash(service: TestService, entries: TrashEntry[]): Promise<KeepAnswer> {
  const items = entries.map(
    ({ locator, mtime, mount = MOUNT }) => `{"locator":"${locator}","block_mtime":${mtime},"mount_uuid":"${mount}"}`,
  );
  return putList(service, 'trash', `[${items.join(',')}]\n`);
}

export function putPull(service: TestService, entries: PullEntry[]): Promise<KeepAnswer> {
  const items = entries.map(({ locator, servers, mount = MOUNT }) => ({ locator, servers, mount_uuid: mount }));
  return putList(service, 'pull', `${JSON.stringify(items)}\n`);
}

export async function listStatus(service: TestService, kind: ListKind): Promise<ListStatus> {
  const answer = await request(`${service.url}/${kind}`);
  if (answer.status !== 200) throw new Error(`GET /${kind}: ${answer.status} ${answer.text}`);
  return JSON.parse(answer.text) as ListStatus;
}

/** Waits until the status is as wanted; without a wish, until the list is worked off. */
export async function waitForList(
  service: TestService,
  kind: ListKind,
  isAsWanted = ({ pending, inProgress }: ListStatus) => pending + inProgress === 0,
): Promise<ListStatus> {
  for (;;) {
    const status = await listStatus(service, kind);
    if (isAsWanted(status)) return status;
    await setTimeout(10);
  }
}

/** Every block of the index with its time in nanoseconds. */
export async function indexOf(service: TestService): Promise<Map<string, bigint>> {
  const { text } = await request(`${service.url}/index`);
  if (!/(^|\n)\n$/.test(text)) throw new Error('the index is not complete');
  return new Map(
    text
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [locator = '', mtime = ''] = line.split(' ');
        return [locator, BigInt(mtime)];
      }),
  );
}
