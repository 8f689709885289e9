import type { Row } from './columns.ts';

/** Something to ask the database, made so that several such things take one round trip and see one state. */
export interface Look<Found> {
  statements: D1PreparedStatement[];
  /** @param rows of each statement */
  found(rows: Row[][]): Found | Promise<Found>;
}

type Founds<Looks extends readonly Look<unknown>[]> = {
  -readonly [I in keyof Looks]: Looks[I] extends Look<infer Found> ? Found : never;
};

export function together<const Looks extends readonly Look<unknown>[]>(...looks: Looks): Look<Founds<Looks>> {
  return {
    statements: looks.flatMap(({ statements }) => statements),
    async found(rows) {
      const left = [...rows];
      const parts = looks.map(({ statements }) => left.splice(0, statements.length));
      return (await Promise.all(looks.map((look, i) => look.found(parts[i] ?? [])))) as Founds<Looks>;
    },
  };
}

export async function lookAt<Found>(db: D1Database, { statements, found }: Look<Found>): Promise<Found> {
  const results = statements.length === 0 ? [] : await db.batch<Row>(statements);
  return found(results.map((result) => result.results));
}

/** In the place of a look that is not wanted. */
export const NO_LOOK: Look<undefined> = { statements: [], found: () => undefined };

/** What one statement finds, if it is one row. */
export function rowLook(statement: D1PreparedStatement): Look<Row | null> {
  return { statements: [statement], found: ([rows]) => rows?.[0] ?? null };
}
