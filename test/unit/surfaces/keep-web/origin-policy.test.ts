import { describe, expect, test } from 'vitest';
import type { Address } from '../../../../src/surfaces/keep-web/address.ts';
import { parseAddress } from '../../../../src/surfaces/keep-web/address.ts';
import { originPolicy } from '../../../../src/surfaces/keep-web/origin-policy.ts';

const C = 'zzzzz-4zz18-fy296fx3hot09f7';
const DOWNLOAD = 'download.example.com';

/** [host, path, download host, trust all, asked for attachment] -> [credentials, attachment] */
const TABLE: [string, string, string | null, boolean, boolean, boolean, boolean][] = [
  ['download.example.com', `/c=${C}/f`, DOWNLOAD, false, false, true, true],
  ['DOWNLOAD.example.com', `/c=${C}/f`, DOWNLOAD, false, false, true, true],
  ['download.example.com:443', `/c=${C}/f`, DOWNLOAD, false, false, true, true],
  ['download.example.com', `/c=${C}/f`, `${DOWNLOAD}:80`, false, false, true, true],
  ['download.example.com:8000', `/c=${C}/f`, DOWNLOAD, false, false, false, false],
  ['download.example.com', `/c=${C}/f`, `${DOWNLOAD}:8000`, false, false, false, false],
  ['other.example.com', `/c=${C}/f`, DOWNLOAD, false, false, false, false],
  ['other.example.com', `/c=${C}/f`, DOWNLOAD, false, true, false, true],
  ['other.example.com', `/c=${C}/f`, DOWNLOAD, true, false, true, false],
  ['other.example.com', '/by_id/', DOWNLOAD, false, false, false, false],
  [`${C}.example.com`, '/f', DOWNLOAD, false, false, true, false],
  [`${C}.example.com`, '/f', DOWNLOAD, false, true, true, true],
  [DOWNLOAD, `/collections/${C}/f`, DOWNLOAD, false, false, false, true],
  ['other.example.com', `/collections/${C}/f`, DOWNLOAD, true, false, false, false],
  ['localhost:8787', `/c=${C}/f`, null, false, false, true, true],
  [`${C}.example.com`, '/f', null, false, false, true, false],
  ['localhost:8787', `/c=${C}/f`, null, true, false, true, false],
  ['', `/c=${C}/f`, DOWNLOAD, false, false, false, false],
];

describe('what an origin may do', () => {
  test.each(TABLE)('%s%s (download host %s, trusted %s, attachment asked %s)', (...row) => {
    const [host, path, downloadHost, trustAllContent, asked, credentials, attachment] = row;
    const address = parseAddress(host, path) as Address;
    expect(originPolicy(address, host, asked, { downloadHost, trustAllContent })).toEqual({ credentials, attachment });
  });
});
