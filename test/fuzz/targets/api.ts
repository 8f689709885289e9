import { DatabaseSync } from 'node:sqlite';
import { COLLECTIONS, GROUPS, LOGS } from '../../../src/collections/tables.ts';
import { parseConfig } from '../../../src/config/config.ts';
import { isKeepError } from '../../../src/keep/errors.ts';
import { readPullList, readTrashList } from '../../../src/keep/work-lists.ts';
import { parseFilters } from '../../../src/records/filters.ts';
import { orderBy, selectColumns, wholeNumber } from '../../../src/records/list-parameters.ts';
import { normaliseTime } from '../../../src/records/times.ts';
import { FormDecoder } from '../../../src/surfaces/arvados/form-decoder.ts';
import { queryParameters } from '../../../src/surfaces/arvados/parameters.ts';
import { BodyReader } from '../../../src/surfaces/arvados/request-body.ts';
import { cut, must, type Target } from '../target.ts';

const encoder = new TextEncoder();
const FOO = 'acbd18db4cc2f85cedef654fccc4a4d8+3';

const FILTERS = [
  '[["uuid","=","xedge-4zz18-0123456789abcde"]]',
  '[["name","ilike","%a_b%"],["created_at",">","2026-01-31T12:00:00Z"]]',
  '[["uuid","in",["a","b",null]],["properties.key","=","v"],["any","ilike","%x%"]]',
  '[["properties","contains",["a","b"]],["properties","exists","k"],["uuid","is_a","arvados#collection"]]',
  '["(file_count <= file_size_total)",["trash_at","!=",null],["is_trashed","=",true],["properties.<http://x>","exists",false]]',
  '[["storage_classes_desired","contains","default"],["version","not in",[1,2]]]',
];
const LISTS = [
  '["name desc","uuid"]',
  '["uuid","name","properties","kind"]',
  '"modified_at asc, uuid desc"',
  '["collections.name"]',
  '12',
  '"12"',
];

/** The tables as SQLite sees them: whatever the parsers make must be a statement that it accepts. */
const database = new DatabaseSync(':memory:');
for (const table of [COLLECTIONS, GROUPS, LOGS]) {
  const columns = Object.entries(table.columns).flatMap(([name, column]) => (column.sql === undefined ? [name] : []));
  database.exec(`CREATE TABLE ${table.name} (${columns.join(', ')})`);
}

export const filters: Target = {
  name: 'filters, order, select, limit',
  seeds: [...FILTERS, ...LISTS],
  words: [
    '=',
    '!=',
    '<',
    'in',
    'not in',
    'like',
    'ilike',
    'exists',
    'contains',
    'is_a',
    'any',
    '"properties.',
    '[',
    ']',
    ',',
    'null',
    "' OR 1=1 --",
    '); DROP TABLE collections',
    '?',
    '%',
    '_',
    '\\\\',
    ' desc',
    ...Object.keys(COLLECTIONS.columns).map((name) => `"${name}"`),
  ],
  run(input, random) {
    const value = queryParameters(new URLSearchParams([['x', input]])).x;
    const table = random.pick([COLLECTIONS, GROUPS, LOGS]);
    const conditions = parseFilters(table, value);
    const sql = conditions.map((condition) => `(${condition.sql})`).join(' AND ');
    for (const condition of conditions) {
      const marks = condition.sql.replaceAll(/'(?:[^']|'')*'/g, '').split('?').length - 1;
      must(marks === condition.values.length, `question marks and values differ: ${condition.sql}`);
    }
    const order = orderBy(table, value);
    let columns = '*';
    try {
      columns = selectColumns(table, value).join(', ');
      wholeNumber(value, 'limit');
    } catch (error) {
      if (!isKeepError(error, 'invalid_record')) throw error;
    }
    if (random.oneIn(4)) {
      database.prepare(
        `SELECT ${columns} FROM ${table.name}${sql === '' ? '' : ` WHERE ${sql}`} ORDER BY ${order} LIMIT 1`,
      );
    }
    return sql.replaceAll(/[a-z_]+\./g, '').slice(0, 60);
  },
};

export const times: Target = {
  name: 'times',
  seeds: ['2026-01-31T12:00:00Z', '2026-01-31', '2026-01-31 12:00:00.123456789+02:00', '2026-12-31T23:59:60Z'],
  words: ['T', 'Z', '+00:00', '-', ':', '.', '0', '99'],
  run(input) {
    const time = normaliseTime(input);
    must(
      time === null || /^[+-]?\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/.test(time),
      `a time of another shape: ${time}`,
    );
    return String(time === null);
  },
};

const BODIES = [
  '{"collection":{"name":"a","manifest_text":". acbd18db4cc2f85cedef654fccc4a4d8+3 0:3:foo\\n","properties":{"a":[1,{"b":null}]}},"ensure_unique_name":true}',
  '{"manifest_text":"\\u00e9\\ud83d\\ude00\\n","name":null}',
  '{"collection":"{\\"name\\":\\"x\\"}"}',
  'collection=%7B%22name%22%3A%22a%22%2C%22manifest_text%22%3A%22.+x%5Cn%22%7D&ensure_unique_name=true',
  'a=1&b=%5B1%5D&c=&d&_method=GET',
];

export const bodies: Target = {
  name: 'JSON and form bodies of the API',
  seeds: BODIES,
  words: [
    '"manifest_text":"',
    '"collection":',
    '{',
    '}',
    '[',
    ']',
    '\\u',
    '\\ud800',
    '\\"',
    '%',
    '%22',
    '&',
    '=',
    '"__proto__":',
    '[[[[[[[[[[[[[[[[',
  ],
  async run(input, random) {
    const isForm = !input.startsWith('{') !== random.oneIn(16);
    const bytes = encoder.encode(input);
    const read = async (chunks: Uint8Array[]) => {
      const headers = new Headers(isForm ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {});
      const reader = new BodyReader({ headers, body: chunks } as unknown as Request, 'collection');
      const manifest: Uint8Array[] = [];
      try {
        for await (const chunk of reader.manifest()) manifest.push(chunk.slice());
        return { manifest: Buffer.concat(manifest).toString('latin1'), ...reader.result() };
      } catch (error) {
        if (isKeepError(error)) return { code: error.code };
        throw error;
      }
    };
    const whole = await read([bytes]);
    const parts = await read(cut(random, bytes));
    must(JSON.stringify(whole) === JSON.stringify(parts), 'it matters where the body is cut');
    if ('code' in whole) return String(whole.code);
    must(!Object.hasOwn(Object.prototype, 'name'), 'a prototype was changed');
    if (!isForm && !whole.hasManifest) {
      const plain = input.trim() === '' ? {} : (JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>);
      if (!('collection' in plain))
        must(JSON.stringify(plain) === JSON.stringify(whole.record), 'the record is another');
    }
    return `${isForm} ${whole.hasManifest} ${Object.keys(whole.record).length > 0} ${Math.min(Object.keys(whole.parameters).length, 4)}`;
  },
};

export const forms: Target = {
  name: 'form decoding',
  seeds: BODIES.slice(3),
  words: ['&', '=', '%', '%00', '%e9', '+', '%2', 'name'],
  run(input, random) {
    const bytes = encoder.encode(input);
    const decoder = new FormDecoder();
    const values: [string, number[]][] = [];
    let open = false;
    for (const step of [...cut(random, bytes).map((chunk) => () => decoder.push(chunk)), () => decoder.end()]) {
      for (const chunk of step()) {
        if (!open) values.push([chunk.name, []]);
        values.at(-1)?.[1].push(...chunk.bytes);
        open = !chunk.last;
      }
    }
    // Of every name that is not empty, the platform's own decoder finds the same. It gets ASCII: Node's stumbles over
    // other characters beside broken escapes.
    const ascii = input.toWellFormed().replace(/[^\0-\x7f]/gu, encodeURIComponent);
    const expected = [...new URLSearchParams(`&${ascii}`)].filter(([name]) => name !== '' && name !== '\ufeff');
    const decoded = values.map(([name, value]) => [name, new TextDecoder().decode(Uint8Array.from(value))]);
    const plain = (pairs: string[][]) => JSON.stringify(pairs).replaceAll('\ufeff', '');
    must(plain(decoded) === plain(expected), `decoded ${plain(decoded)}, not ${plain(expected)}`);
    return String(Math.min(values.length, 8));
  },
};

const WORK_LISTS = [
  `[{"locator":"${FOO}","servers":["https://keep0.example.org:25107"],"mount_uuid":"xedge-nyw5e-000000000000001"}]`,
  `[{"locator":"${FOO}","block_mtime":1795236356123456789,"mount_uuid":""},{"locator":"${FOO}","block_mtime":-9223372036854775808}]`,
  'null',
  '[]',
];

export const workLists: Target = {
  name: 'pull and trash lists',
  seeds: WORK_LISTS,
  words: [
    '"locator":',
    '"servers":',
    '"block_mtime":',
    '"mount_uuid":',
    '[',
    ']',
    '{',
    '}',
    ',',
    'null',
    `"${FOO}"`,
    '1795236356123456789',
    '9223372036854775808',
    '1e3',
    '1.5',
    '"\\u0000"',
  ],
  async run(input, random) {
    const bytes = encoder.encode(input);
    const read = async (list: typeof readPullList | typeof readTrashList, chunks: Uint8Array[]) => {
      const items: unknown[] = [];
      try {
        for await (const item of list(stream(chunks))) items.push(item);
      } catch (error) {
        if (isKeepError(error)) return error.code;
        throw error;
      }
      // The JSON library drops most, not all, U+FEFF from strings; nothing that a list names may have one.
      const text = JSON.stringify(items, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
      return text.replaceAll('\ufeff', '');
    };
    const reader = random.oneIn(2) ? readPullList : readTrashList;
    const whole = await read(reader, [bytes]);
    const parts = await read(reader, cut(random, bytes));
    must(whole === parts, `it matters where the list is cut: ${whole}, ${parts}`);
    return whole.replaceAll(/"[^"]*"|\d+/g, '').slice(0, 40);
  },
};

async function* stream(chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

const SECRET = 'topsecrettopsecrettopsecrettopsecret00';
const CONFIGS = [
  {
    CLUSTER_ID: 'xedge',
    SYSTEM_ROOT_TOKEN: SECRET,
    BLOB_SIGNING_KEY: SECRET,
    BLOB_SIGNING_TTL: '336h',
    MANAGEMENT_TOKEN: SECRET,
  },
  {
    CLUSTER_ID: 'xedge',
    SYSTEM_ROOT_TOKEN: SECRET,
    BLOB_SIGNING_KEY: 'k',
    API_HOST: 'zzzzz.example.org',
    KEEP_HINT_URL: 'https://keep.*.example.org',
    REMOTE_CLUSTERS: '{"zzzzz":{"Host":"zzzzz.example.org","Scheme":"https"}}',
  },
  {
    CLUSTER_ID: 'xedge',
    SYSTEM_ROOT_TOKEN: SECRET,
    BLOB_SIGNING_KEY: SECRET,
    VOLUMES:
      '{"xedge-nyw5e-000000000000003":{"Driver":"S3","Replication":2,"DriverParameters":{"Endpoint":"https://s3.example.org","Region":"eu","Bucket":"keep","PrefixLength":3,"RaceWindow":"24h"},"StorageClasses":{"default":true}}}',
    S3_ACCESS_KEY_ID: SECRET,
    S3_SECRET_ACCESS_KEY: SECRET,
    STORAGE_CLASSES: '{"default":{"Default":true,"Priority":10}}',
    PULL_HOSTS: 'keep0.example.org keep1.example.org:25107',
  },
].map((env) => JSON.stringify(env));

export const config: Target = {
  name: 'configuration',
  seeds: CONFIGS,
  words: [
    '"',
    ':',
    '{',
    '}',
    '336h',
    'true',
    '\\"',
    '"Driver"',
    '"S3"',
    '"R2"',
    '"*"',
    '"Host":',
    'https://',
    '[]',
    'null',
    '"__proto__":',
  ],
  run(input) {
    let env: unknown;
    try {
      env = JSON.parse(input);
    } catch {
      return 'not JSON';
    }
    if (typeof env !== 'object' || env === null || Array.isArray(env)) return 'not an object';
    const parsed = parseConfig(env as Record<string, unknown>);
    if (parsed.ok) return 'good';
    must(parsed.problems.length > 0, 'refused without a reason');
    must(!parsed.problems.join('\n').includes(SECRET), `a secret is echoed: ${parsed.problems.join('; ')}`);
    return [...new Set(parsed.problems)]
      .map((problem) => problem.replaceAll(/["\d].*/g, ''))
      .join()
      .slice(0, 100);
  },
};
