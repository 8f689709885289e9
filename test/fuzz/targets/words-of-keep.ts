import { createHmac } from 'node:crypto';
import { parseDuration } from '../../../src/keep/duration.ts';
import { isKeepError } from '../../../src/keep/errors.ts';
import {
  bareLocator,
  formatLocator,
  hasLocalSignature,
  keepHints,
  parseLocator,
  remoteHint,
  stripSignature,
  toRemoteLocator,
} from '../../../src/keep/locator.ts';
import { verifySignature } from '../../../src/keep/signature.ts';
import { parseToken, requestTokens, saltToken } from '../../../src/keep/token.ts';
import { must, outcomeOf, type Target } from '../target.ts';

const HASH = 'acbd18db4cc2f85cedef654fccc4a4d8';
const TOKEN = 'v2/xedge-gj3su-077z32aux8dg2s1/3kg6k6lzmp9kj5cpkcoxie963cmvjahbt2fod9zru30k1jqdmi';
const KEY = 'signingkeysigningkeysigningkeysigningkey';
const TTL_SECONDS = 1_209_600;
const NOW = 1_700_000_000;

function signed(hash: string, token: string, expiryHex: string, key = KEY, ttl = TTL_SECONDS): string {
  return createHmac('sha1', key)
    .update(`${hash}@${token}@${expiryHex}@${ttl.toString(16)}`)
    .digest('hex');
}

function hmac(key: string, message: string): string {
  return createHmac('sha1', key).update(message).digest('hex');
}

const VALID = `${HASH}+3+A${signed(HASH, TOKEN, '7fffffff')}@7fffffff`;
const LOCATORS = [
  HASH,
  `${HASH}+3`,
  VALID,
  `${HASH}+3+Rzzzzz-${signed(HASH, TOKEN, '7fffffff')}@7fffffff`,
  `${HASH}+3+K@zzzzz`,
  `${HASH}+3+K@zzzzz-bi6l4-0123456789abcde+Zhint`,
  'd41d8cd98f00b204e9800998ecf8427e+0',
];
const HINTS = [
  '+A',
  '+R',
  '+K@',
  '+Z',
  'zzzzz-',
  '@7fffffff',
  '@00000000',
  '@6553f100',
  '+3',
  '+-3',
  '+67108865',
  HASH,
];

export const locator: Target = {
  name: 'locator',
  seeds: LOCATORS,
  words: HINTS,
  run(input) {
    must(stripSignature(stripSignature(input)) === stripSignature(input), 'stripping twice strips more');
    must(bareLocator(bareLocator(input)) === bareLocator(input), 'a bare locator can be bared');
    const parsed = parseLocator(input);
    must(/^[0-9a-f]{32}$/.test(parsed.hash), 'a hash of another shape');
    const again = parseLocator(formatLocator(parsed));
    must(JSON.stringify(again) === JSON.stringify(parsed), 'printing and parsing changes it');
    const remote = remoteHint(parsed) !== null;
    if (remote) {
      const made = outcomeOf(() => toRemoteLocator(parsed));
      if ('value' in made) {
        must(made.value.clusterId.length === 5, 'a cluster id of another length');
        must(
          !made.value.locator.hints.some((hint) => /^R.{5}-./s.test(hint)),
          'a signature for another cluster goes along',
        );
      }
    }
    return `${parsed.size === null} ${hasLocalSignature(parsed)} ${remote} ${Math.min(keepHints(parsed).length, 3)} ${Math.min(parsed.hints.length, 6)}`;
  },
};

export const signature: Target = {
  name: 'signature',
  seeds: LOCATORS.slice(1, 5),
  words: [
    ...HINTS,
    signed(HASH, TOKEN, '7fffffff'),
    signed(HASH, 'another', '7fffffff'),
    signed(HASH, TOKEN, '6553f100'),
  ],
  run(input) {
    verifySignature(input, TOKEN, NOW, { key: KEY, ttlSeconds: TTL_SECONDS });
    // It let this through: then the signature is right by a second implementation, for this very block, token and time.
    const [, given = '', expiry = ''] = /\+A([0-9a-f]{40})@([0-9a-f]{8})/i.exec(input) ?? [];
    const hash = input.slice(0, 32);
    must(given === signed(hash, TOKEN, expiry), 'a signature that is not');
    must(Number.parseInt(expiry, 16) >= NOW, 'an expired signature');
    for (const [token, key, ttl] of [
      [`${TOKEN}x`, KEY, TTL_SECONDS],
      [TOKEN, `${KEY}x`, TTL_SECONDS],
      [TOKEN, KEY, TTL_SECONDS + 1],
    ] as const) {
      const elsewhere = outcomeOf(() => verifySignature(input, token, NOW, { key, ttlSeconds: ttl }));
      must('code' in elsewhere, 'the signature works with another token, key or lifetime');
    }
    const flipped = `${hash.slice(0, 31)}${hash[31] === '0' ? '1' : '0'}${input.slice(32)}`;
    must(
      'code' in outcomeOf(() => verifySignature(flipped, TOKEN, NOW, { key: KEY, ttlSeconds: TTL_SECONDS })),
      'the signature works for another block',
    );
    return `valid ${input.length > 100}`;
  },
};

const AUTHORIZATIONS = [
  `Bearer ${TOKEN}`,
  `OAuth2 ${TOKEN}`,
  `Basic ${btoa(`none:${TOKEN}`)}`,
  `basic ${btoa(':')}`,
  `?api_token=${encodeURIComponent(TOKEN)}&api_token=`,
  `cookie arvados_api_token=${btoa(TOKEN)}; other="x"`,
];

export const authorization: Target = {
  name: 'Authorization, api_token, cookie',
  seeds: AUTHORIZATIONS,
  words: [
    'Bearer ',
    'OAuth2 ',
    'Basic ',
    'arvados_api_token=',
    'api_token=',
    'v2/',
    '=',
    ';',
    '"',
    btoa('a:b'),
    'zzzzz-gj3su-077z32aux8dg2s1',
  ],
  run(input) {
    const get = (name: string) => {
      if (name === 'Authorization') return /^(cookie|\?)/.test(input) ? null : input;
      return name === 'Cookie' && input.startsWith('cookie ') ? input.slice('cookie '.length) : null;
    };
    const url = `http://localhost/${input.startsWith('?') ? input : ''}`;
    const tokens = requestTokens({ headers: { get }, url });
    must(
      tokens.every((token) => typeof token === 'string'),
      'a token that is no text',
    );
    let salted = 0;
    for (const token of tokens) {
      const { uuid, secret } = parseToken(token);
      must(uuid !== null || secret === token, 'a bare token lost something');
      try {
        const shown = saltToken(token, 'zzzzz');
        must(
          uuid === null || uuid.startsWith('zzzzz') || shown === `v2/${uuid}/${hmac(secret, 'zzzzz')}`,
          'a secret goes to another cluster',
        );
        salted++;
      } catch (error) {
        if (!isKeepError(error)) throw error;
      }
    }
    return `${Math.min(tokens.length, 4)} ${Math.min(salted, 3)}`;
  },
};

export const duration: Target = {
  name: 'duration',
  seeds: ['336h', '1h30m', '1.5s', '0', '-1m', '250ms', '10µs', '+5h', '.5h'],
  words: ['h', 'm', 's', 'ms', 'us', 'µs', 'μs', 'ns', '.', '-', '+'],
  run(input) {
    const seconds = parseDuration(input);
    must(!Number.isNaN(seconds), 'a duration that is no number');
    return String(Math.sign(seconds));
  },
};
