/** The statements of a migration. Semicolons inside a trigger's body do not end it: that takes END at the end of a line. */
export function sqlStatements(sql: string): string[] {
  const statements: string[] = [];
  let open = '';
  for (const part of sql.replace(/^\s*--.*$/gm, '').split(/;\s*$/m)) {
    open = open === '' ? part.trim() : `${open};\n${part.trim()}`;
    if (/^CREATE TRIGGER\b/i.test(open) && !/\bEND$/i.test(open)) continue;
    if (open !== '') statements.push(open);
    open = '';
  }
  return statements;
}
