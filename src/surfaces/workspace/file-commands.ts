import { formatDrsId } from '../../keep/drs-id.ts';
import { hasToken } from '../../keep/uri-paths.ts';
import { html, type Markup } from '../../pages/markup.ts';
import type { FileView } from '../../pages/views.ts';

/** Commands that fetch one file. The token stays in the reader's environment, unless the address has one anyway. */
export function fileCommands(view: FileView, origin: string): Markup {
  const url = origin + view.href;
  const needsToken = !hasToken(view.href);
  const id = view.collection?.uuid ?? view.collection?.portableDataHash ?? '';
  const path = view.path.join('/');
  const header = needsToken ? ` -H "Authorization: Bearer $ARVADOS_API_TOKEN"` : '';
  const lines: [id: string, label: string, command: string][] = [
    [
      'curl',
      'curl; run it again to go on where it stopped',
      `curl -fL -C -${header} -o ${quoted(view.name)} ${quoted(url)}`,
    ],
    ...(needsToken
      ? ([
          [
            'keep-edge',
            'keep-edge, checked against its hashes',
            `ARVADOS_API_HOST=${origin} keep-edge get ${quoted(`${id}/${path}`)} .`,
          ],
        ] as [string, string, string][])
      : []),
    [
      'rclone',
      'rclone',
      `${needsToken ? 'RCLONE_WEBDAV_BEARER_TOKEN="$ARVADOS_API_TOKEN" ' : ''}rclone copy --webdav-url ${quoted(origin + view.root)} ${quoted(`:webdav:${path}`)} .`,
    ],
    ...(needsToken && view.collection?.uuid
      ? ([['aws', 'aws', `aws --endpoint-url ${origin} s3 cp ${quoted(`s3://${id}/${path}`)} .`]] as [
          string,
          string,
          string,
        ][])
      : []),
    ['python', 'Python', pythonLines(url, needsToken)],
    ...(view.collection === null
      ? []
      : ([
          [
            'drs',
            'DRS: names this very content, for programs that speak the GA4GH’s protocols',
            drsUri(view.collection.portableDataHash, path, origin),
          ],
        ] as [string, string, string][])),
  ];
  const shown = lines.map(
    ([name, label, command]) =>
      html`<p>${label}</p><div class="line"><pre id="command-${name}">${command}</pre><button type="button" data-copy="command-${name}" hidden>Copy</button></div>`,
  );
  return html`<details><summary>Commands</summary><div>${needsToken && html`<p>Export your token as <code>ARVADOS_API_TOKEN</code> first.</p>`}${shown}</div></details>`;
}

function pythonLines(url: string, needsToken: boolean): string {
  const headers = needsToken ? `, headers={'Authorization': 'Bearer ' + os.environ['ARVADOS_API_TOKEN']}` : '';
  return `import os, urllib.request\nrequest = urllib.request.Request(${pythonText(url)}${headers})\ndata = urllib.request.urlopen(request).read()`;
}

function drsUri(portableDataHash: string, path: string, origin: string): string {
  return `drs://${new URL(origin).hostname}/${formatDrsId({ portableDataHash, path, isDirectory: false })}`;
}

/** One word of a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function pythonText(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
