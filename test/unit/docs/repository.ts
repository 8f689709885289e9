import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOT } from '../../../dev/serve.ts';

/** Folders that installing and running leaves in a checkout. */
const NOT_OURS = ['node_modules', 'dist', '.git', '.keep-edge', '.wrangler', '.cache', 'coverage'];

/** Every file of the checkout below `folder`, as paths from its root with `/`. */
export function filesBelow(folder = ''): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    if (NOT_OURS.includes(entry.name) || entry.isSymbolicLink()) return [];
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

export function textOf(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** The text of a page's section, by its heading. */
export function sectionOf(page: string, heading: string): string {
  const [, ...rest] = textOf(page).split(`\n## ${heading}\n`);
  return (rest[0] ?? '').split('\n## ')[0] ?? '';
}

/** The anchors that GitHub gives a page's headings. */
export function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, title = ''] of withoutCode(textOf(page)).matchAll(/^#{1,6} +(.+)$/gm)) {
    const anchor = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-');
    let free = anchor;
    for (let n = 1; anchors.has(free); n++) free = `${anchor}-${n}`;
    anchors.add(free);
  }
  return anchors;
}

/** Markdown without its fenced blocks. */
export function withoutCode(text: string): string {
  return text.replace(/^```.*?^```/gms, '');
}

/** A path relative to a file's folder, from the root; null when it leaves the checkout. */
export function resolveFrom(file: string, target: string): string | null {
  const path = relative(ROOT, join(ROOT, file, '..', target));
  return path.startsWith('..') ? null : path;
}
