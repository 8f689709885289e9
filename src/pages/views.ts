import type { RequestContext } from '../http/context.ts';

/** What the pages of collections and files are made from: plain data of the surface that found them. */

/** Reads the beginning of a file as text. */
export type ReadText = (maxBytes: number) => Promise<string>;

/** Reads the first bytes of a file; fewer where it has no more. */
export type ReadBytes = (maxBytes: number) => Promise<Uint8Array>;

interface View {
  /** What opened the address. */
  token: string;
  /** The collection's or project's own host. */
  ownOrigin: boolean;
  /** HTML: links to what is above in the collection, each with its slash; '' at its root. */
  crumbs: string;
  name: string;
  collection: { uuid: string | null; portableDataHash: string; name: string } | null;
  /** Path of the collection's root on this host. */
  root: string;
  /** Components from the collection's root. */
  path: string[];
}

export interface DirectoryView extends View {
  /** UUID of a project or a user whose contents these are; null for collections and the roots of the site. */
  ownerUuid: string | null;
  /** HTML: the table of the files, its forms and pages. @param tools HTML of more buttons for what is selected */
  files: (tools: string) => string;
  /** HTML: commands for a terminal. */
  commands: string;
  totals: { files: number; bytes: number } | null;
  readme: { name: string; read: ReadText } | null;
}

export interface FileView extends View {
  size: number;
  type: string;
  /** Path of the file itself on this host, without query. */
  href: string;
  read: ReadBytes;
  /** Names in the same directory: indexes lie beside what they are for. Null where there are too many to look through. */
  siblings: string[] | null;
}

/** What the workspace makes of directories and files for browsers, and how it asks for a token. */
export interface PeoplePages {
  directory(context: RequestContext, view: DirectoryView): Promise<Response>;
  file(context: RequestContext, view: FileView): Promise<Response>;
  /** Asks for a token; null where this host asks in its own way. @param problem with the one that was tried */
  signIn(context: RequestContext, problem: 'invalid' | 'no_access' | null): Response | null;
}
