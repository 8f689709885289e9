/** Kinds of things that look different in a listing. */
export type Icon = 'folder' | 'collection' | 'text' | 'image' | 'media' | 'archive' | 'data' | 'page';

/** Drawn on 24 by 24, in the colour of the text. */
const SHAPES: Record<Icon, string> = {
  folder:
    '<path d="M3 6.5A1.5 1.5 0 0 1 4.5 5h4.6l2 2.5h8.4A1.5 1.5 0 0 1 21 9v8.5a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5z"/>',
  collection: '<path d="M4 8l8-4 8 4v8l-8 4-8-4z"/><path d="M4 8l8 4 8-4M12 12v8"/>',
  text: '<path d="M6 3h8l4 4v14H6z"/><path d="M9 11h6M9 14h6M9 17h4"/>',
  image: '<path d="M4 5h16v14H4z"/><path d="M4 16l4.5-5 4 4 2.5-2.5L20 17"/><path d="M15.5 9h.01"/>',
  media: '<path d="M4 5h16v14H4z"/><path d="M10 9l5 3-5 3z"/>',
  archive: '<path d="M6 3h12v18H6z"/><path d="M12 3v2m0 2v2m0 2v2"/><path d="M10.5 15h3v3h-3z"/>',
  data: '<path d="M5 6c0-4 14-4 14 0v12c0 4-14 4-14 0z"/><path d="M5 6c0 4 14 4 14 0M5 12c0 4 14 4 14 0"/>',
  page: '<path d="M6 3h8l4 4v14H6z"/><path d="M14 3v4h4"/>',
};

const BY_TYPE: [RegExp, Icon][] = [
  [/^image\//, 'image'],
  [/^(video|audio)\//, 'media'],
  [/zip|gzip|x-tar|compressed|x-bzip|x-xz|zstd/, 'archive'],
  [/^text\/|json|xml|javascript/, 'text'],
  [/octet-stream/, 'data'],
];

export function iconOf({ kind, type }: { kind: string; type?: string | null }): Icon {
  if (kind === 'collection') return 'collection';
  if (kind !== 'file') return 'folder';
  return BY_TYPE.find(([pattern]) => pattern.test(type ?? ''))?.[1] ?? 'page';
}

/** All shapes once, hidden; icons refer to them. */
export function iconSheet(): string {
  const symbols = Object.entries(SHAPES).map(
    ([name, shape]) => `<symbol id="i-${name}" viewBox="0 0 24 24">${shape}</symbol>`,
  );
  return `<svg hidden>${symbols.join('')}</svg>`;
}

export function iconElement(icon: Icon): string {
  return `<svg class="icon ${icon}" aria-hidden="true"><use href="#i-${icon}"/></svg>`;
}
