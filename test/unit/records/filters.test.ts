import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { COLLECTIONS } from '../../../src/collections/tables.ts';
import { isKeepError } from '../../../src/keep/errors.ts';
import { parseFilters } from '../../../src/records/filters.ts';

describe('parseFilters', () => {
  test('puts nothing that a client sends into the SQL: it is refused or bound', () => {
    const names = fc.oneof(fc.constantFrom(...Object.keys(COLLECTIONS.columns), 'any', 'properties.x'), fc.string());
    const operators = fc.oneof(
      fc.constantFrom('=', '!=', '<', 'like', 'ilike', 'in', 'not in', 'is_a', 'exists', 'contains'),
      fc.string(),
    );
    const marker = "x'); DROP TABLE users; --";
    const operands = fc.oneof(fc.jsonValue(), fc.constant(marker), fc.constant([marker]), fc.constant(`%${marker}%`));
    fc.assert(
      fc.property(fc.tuple(names, operators, operands), (filter) => {
        try {
          for (const { sql, values } of parseFilters(COLLECTIONS, [filter])) {
            expect(sql).not.toContain('DROP');
            expect(sql.match(/\?/g)?.length ?? 0).toBe(values.length);
            expect(sql.replace(/'array'|'\[\]'|'%Y-%m-%dT%H:%M:%fZ'|'now'/g, '')).not.toMatch(/'/);
          }
        } catch (error) {
          if (!isKeepError(error, 'invalid_record')) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('knows its own operators only, not names that every object has', () => {
    for (const operator of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      expect(() => parseFilters(COLLECTIONS, [['name', operator, 'a']])).toThrow('invalid operator');
    }
  });

  test('refuses more filters than a statement has room for', () => {
    expect(() => parseFilters(COLLECTIONS, Array(21).fill(['uuid', '=', 'x']))).toThrow(/at most 20/);
  });
});
