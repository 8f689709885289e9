import { parseIf } from '../../../src/surfaces/keep-web/if-header.ts';
import { lockInfo } from '../../../src/surfaces/keep-web/lock-methods.ts';
import { parseChanges } from '../../../src/surfaces/keep-web/proppatch.ts';
import { addressOf } from '../../../src/surfaces/keep-web/write-conditions.ts';
import { innerXml, parseDocument } from '../../../src/surfaces/keep-web/xml-elements.ts';
import type { Target } from '../target.ts';

const UUID = 'xedge-4zz18-000000000000000';

export const ifHeaders: Target = {
  name: 'If and Destination headers',
  seeds: [
    '(<opaquelocktoken:a-b>)',
    `</c=${UUID}/d/> (<opaquelocktoken:a> ["etag"]) (Not <DAV:no-lock>)`,
    `<http://host:1/c=${UUID}/f> (Not ["x"] [W/"y"])`,
    `http://host:1/c=${UUID}/a%20b?x#y`,
    `/c=${UUID}/t=v2/xedge-gj3su-000000000000000/secret/f`,
  ],
  words: [
    '(',
    ')',
    '<',
    '>',
    '[',
    ']',
    '"',
    'Not',
    'not<',
    'W/',
    'DAV:no-lock',
    'http://',
    '//',
    '%2F',
    '%',
    '..',
    '/c=',
    '@',
    '?',
    '#',
  ],
  run(input) {
    const address = addressOf(input, 'host:1');
    if (address !== null && address !== 'elsewhere') {
      must(
        address.path.every((name) => name !== '' && name !== '..' && !name.includes('/')),
        'a path that leads elsewhere',
      );
    }
    const { lists, tokens } = parseIf(input, 'path', (url) => (url.startsWith('/') ? url.slice(1) : null));
    must(lists.length > 0 && lists.every((terms) => terms.length > 0), 'a list that always holds');
    for (const term of lists.flat())
      must(
        'lockToken' in term ? !/[<>]/.test(term.lockToken) : term.etag.every((tag) => /^(W\/)?"[^"]*"$/.test(tag)),
        'a term that is none',
      );
    must(
      tokens.every((token) => input.includes(`<${token}>`)),
      'a token that was not sent',
    );
    return `${lists.length} ${tokens.length}`;
  },
};

export const davBodies: Target = {
  name: 'LOCK and PROPPATCH bodies',
  seeds: [
    '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner><D:href>me</D:href></D:owner></D:lockinfo>',
    '<lockinfo xmlns="DAV:"><lockscope><shared/></lockscope><locktype><write/></locktype><owner a="b" xml:lang="en">x &amp; y<z xmlns="urn:z"/></owner></lockinfo>',
    '<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:z"><D:set><D:prop><Z:a>1<b/></Z:a></D:prop></D:set><D:remove><D:prop><c xmlns=""/></D:prop></D:remove></D:propertyupdate>',
  ],
  words: [
    '<!DOCTYPE x>',
    '&#x10000;',
    '&lt;',
    '&a;',
    'xmlns=',
    'xmlns:b=',
    '"urn:<>&"',
    '<D:owner>',
    '</D:owner>',
    '<![CDATA[',
    ']]>',
    '<!--',
    '-->',
    '<?x?>',
    '<b:x/>',
    '"',
    "'",
  ],
  run(input) {
    const xml = input.includes('lockinfo')
      ? lockInfo(input).owner
      : parseChanges(input)
          .map(({ value }) => value ?? '')
          .join('');
    // What is shown to others must be whole, and mean the same when it is read again.
    const again = innerXml(parseDocument(`<x>${xml}</x>`));
    must(again === xml, 'XML that changes when it is read again');
    return String(xml.length > 0);
  },
};

function must(holds: boolean, problem: string): void {
  if (!holds) throw new Error(problem);
}
