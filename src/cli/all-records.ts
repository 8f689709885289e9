import type { Api, Row } from './api-client.ts';

const PAGE = 1000;

/** All records of a list, a page at a time, in the order of UUIDs. @param query filters, select and the like */
export async function* allRecords(
  api: Api,
  resource: string,
  query: Record<string, unknown> = {},
): AsyncGenerator<Row, void, undefined> {
  const own = (query.filters ?? []) as unknown[];
  for (let after = ''; ; ) {
    const filters = [...own, ...(after === '' ? [] : [['uuid', '>', after]])];
    const page = await api(`arvados/v1/${resource}`, {
      query: { limit: PAGE, count: 'none', order: ['uuid'], ...query, filters },
    });
    const items = (page.items ?? []) as Row[];
    yield* items;
    const last = items.at(-1);
    if (last === undefined) return;
    after = String(last.uuid);
  }
}

export async function listAll(api: Api, resource: string, query: Record<string, unknown> = {}): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of allRecords(api, resource, query)) rows.push(row);
  return rows;
}
