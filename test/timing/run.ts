import { createHmac, hash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { createD1Authority } from '../../src/accounts/d1-authority.ts';
import { withTokenCache } from '../../src/accounts/token-cache.ts';
import { hmacSha1Hex } from '../../src/keep/hmac-sha1.ts';
import { verifySignature } from '../../src/keep/signature.ts';
import { isToken } from '../../src/keep/token.ts';
import { createRandom } from '../fuzz/random.ts';
import { measure, type Subject } from './measure.ts';

/**
 * `npm run test:timing`: does it take longer to refuse a guess whose beginning is right? Each check is measured together
 * with a careless twin, which compares character by character and stops at the first difference: the twin must be
 * found out, or the measurement sees nothing. `-- --batches N --seed S`
 */
const { values } = parseArgs({
  options: { batches: { type: 'string', default: '500' }, seed: { type: 'string', default: '20261121' } },
});
const seed = Number(values.seed);
const batches = Number(values.batches);
const SUSPICIOUS = 4.5;
const CERTAIN = 10;

const HASH = 'acbd18db4cc2f85cedef654fccc4a4d8';
const KEY = 'signingkeysigningkeysigningkeysigningkey';
const TOKEN = 'v2/xedge-gj3su-077z32aux8dg2s1/3kg6k6lzmp9kj5cpkcoxie963cmvjahbt2fod9zru30k1jqdmi';
const TTL_SECONDS = 1_209_600;
const NOW = 1_700_000_000;
const EXPIRY = '7fffffff';
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const TOKEN_UUID = 'xedge-gj3su-077z32aux8dg2s1';
/** How many characters at one end are wrong: few enough to tell the ends apart, enough that guesses do not repeat. */
const WRONG = 4;
const random = createRandom(seed);

/** Text in one chunk, made the same way whatever it says. */
const flat = (text: string) => Buffer.from(text, 'latin1').toString('latin1');
const randomText = (length: number, letters: string) =>
  Array.from({ length }, () => random.pick([...letters])).join('');
/** Letters at both ends: there are as many guesses that are wrong at the one as at the other. */
const randomSecret = () =>
  flat(randomText(WRONG, LETTERS) + randomText(50 - 2 * WRONG, `0123456789${LETTERS}`) + randomText(WRONG, LETTERS));
/** Other characters of the same kinds: letters and digits take different ways through a pattern. */
const changed = (text: string, letters: string) =>
  Array.from(text, (char) =>
    random.pick([...(/\d/.test(char) ? '123456789' : letters)].filter((c) => c !== char)),
  ).join('');
const guesses =
  (right: string, letters: string, before = ''): Subject['guess'] =>
  (wrong) => {
    const at = wrong === 'end' ? right.length - WRONG : 0;
    const changes = changed(right.slice(at, at + WRONG), letters);
    return flat(before + right.slice(0, at) + changes + right.slice(at + WRONG));
  };

/** A careless comparison: it returns at the first character that differs. */
function equalsCarelessly(given: string, secret: string): boolean {
  if (given.length !== secret.length) return false;
  for (let i = 0; i < given.length; i++) if (given.charCodeAt(i) !== secret.charCodeAt(i)) return false;
  return true;
}

function letsIn(check: () => void): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

const signature = createHmac('sha1', KEY)
  .update(`${HASH}@${TOKEN}@${EXPIRY}@${TTL_SECONDS.toString(16)}`)
  .digest('hex');
const signatureGuesses = guesses(signature, 'abcdef');
const signing = { key: KEY, ttlSeconds: TTL_SECONDS };

const rootToken = randomSecret();
const secret = randomSecret();
const secretGuesses = guesses(secret, LETTERS);
const tokenGuesses = guesses(secret, LETTERS, `v2/${TOKEN_UUID}/`);
const { database, secrets } = tokenTable(secret);
const authority = createD1Authority(database, () => NOW * 1000);
const remembering = withTokenCache(authority, 300, () => NOW * 1000);
if ((await remembering.identify(`v2/${TOKEN_UUID}/${secret}`)) === null) throw new Error('no such token');

/** Each with its careless twin. `calls` a sample: what takes nanoseconds is done often. */
const PAIRS: { calls: number; careful: Subject; careless: Subject }[] = [
  {
    calls: 20,
    careful: {
      name: 'isToken: the root and the management token',
      guess: guesses(rootToken, LETTERS),
      judge: (guess) => isToken(guess, rootToken),
    },
    careless: {
      name: 'comparing tokens carelessly',
      guess: guesses(rootToken, LETTERS),
      judge: (guess) => equalsCarelessly(guess, rootToken),
    },
  },
  {
    calls: 1,
    careful: {
      name: 'verifySignature: the permission to read a block',
      guess: signatureGuesses,
      judge: (guess) => letsIn(() => verifySignature(`${HASH}+3+A${guess}@${EXPIRY}`, TOKEN, NOW, signing)),
    },
    careless: {
      name: 'comparing signatures carelessly',
      guess: signatureGuesses,
      judge: (guess) =>
        equalsCarelessly(guess, hmacSha1Hex(KEY, `${HASH}@${TOKEN}@${EXPIRY}@${TTL_SECONDS.toString(16)}`)),
    },
  },
  {
    calls: 1,
    careful: {
      name: 'identify: an account by its token (SQLite)',
      guess: tokenGuesses,
      judge: async (guess) => (await authority.identify(guess)) !== null,
    },
    careless: {
      name: 'comparing with the secret of that uuid carelessly',
      guess: secretGuesses,
      judge: async (guess) => equalsCarelessly(guess, secrets.get(TOKEN_UUID) ?? ''),
    },
  },
  {
    calls: 1,
    careful: {
      name: 'identify, while the right token is remembered',
      guess: tokenGuesses,
      judge: async (guess) => (await remembering.identify(guess)) !== null,
    },
    careless: {
      name: 'comparing with what is remembered carelessly',
      guess: secretGuesses,
      judge: async (guess) => [secret].some((one) => equalsCarelessly(guess, one)),
    },
  },
];

console.log(`seed ${seed}: ${batches} batches of 500 guesses; t beyond ${SUSPICIOUS} shows a difference`);
for (const { calls, careful, careless } of PAIRS) {
  const real = await measure(careful, { batches, calls, seed });
  // Other work on the machine can look like a difference; it does not repeat itself, and not in the same direction.
  const again =
    Math.abs(real.t) > SUSPICIOUS ? await measure(careful, { batches: 2 * batches, calls, seed: seed + 1 }) : null;
  const isReal = again !== null && Math.abs(again.t) > SUSPICIOUS && again.t > 0 === real.t > 0;
  const twin = await measure(careless, { batches, calls, seed });
  const problems = [
    ...(isReal ? ['IT TELLS HOW MUCH OF A GUESS WAS RIGHT'] : []),
    ...(twin.t < CERTAIN ? ['THE MEASUREMENT DID NOT EVEN SEE THE CARELESS TWIN'] : []),
  ];
  for (const [name, timing] of [
    [careful.name, real],
    ...(again === null ? [] : [['  once more, twice as long', again] as const]),
    [careless.name, twin],
  ] as const) {
    const { endNs, beginningNs, errorNs, t } = timing;
    console.log(
      `${name.padEnd(52)} wrong at the end ${endNs.toFixed(1)} ns, at the beginning ${beginningNs.toFixed(1)} ns, ` +
        `difference ${(endNs - beginningNs).toFixed(1)} ± ${(3 * errorNs).toFixed(1)} ns, t ${t.toFixed(1)}`,
    );
  }
  for (const problem of problems) {
    console.error(`*** ${careful.name}: ${problem}`);
    process.exitCode = 1;
  }
}

/** A thousand accounts as they stand in D1, in the same database engine, and their secrets, which D1 does not have. */
function tokenTable(known: string): { database: D1Database; secrets: Map<string, string> } {
  const sqlite = new DatabaseSync(':memory:');
  sqlite.exec(`CREATE TABLE tokens (uuid TEXT PRIMARY KEY, owner_uuid TEXT, secret_sha256 TEXT, scopes TEXT, expires_at TEXT);
    CREATE UNIQUE INDEX tokens_secret ON tokens (secret_sha256);
    CREATE TABLE users (uuid TEXT PRIMARY KEY, owner_uuid TEXT, is_admin INTEGER, is_active INTEGER, is_uploader INTEGER, username TEXT, first_name TEXT, last_name TEXT);
    INSERT INTO users VALUES ('xedge-tpzed-000000000000001', 'xedge-tpzed-000000000000000', 0, 1, 0, 'ann', 'Ann', 'A')`);
  const insert = sqlite.prepare('INSERT INTO tokens VALUES (?, ?, ?, ?, NULL)');
  const secrets = new Map<string, string>();
  const all = [known, ...Array.from({ length: 999 }, () => randomSecret())];
  for (const [i, one] of all.entries()) {
    const uuid = i === 0 ? TOKEN_UUID : `xedge-gj3su-${String(i).padStart(15, '0')}`;
    secrets.set(uuid, one);
    insert.run(uuid, 'xedge-tpzed-000000000000001', hash('sha256', one), '["all"]');
  }
  const statements = new Map<string, ReturnType<DatabaseSync['prepare']>>();
  const prepare = (sql: string) => {
    const statement = statements.get(sql) ?? sqlite.prepare(sql);
    statements.set(sql, statement);
    return { bind: (...bound: string[]) => ({ first: async () => statement.get(...bound) ?? null }) };
  };
  return { database: { prepare } as unknown as D1Database, secrets };
}
