/** What of a list's filters the search index can answer: texts that every match contains. */

const MIN_LENGTH = 3;
/** Of one query: more would only take longer, as what is found is looked at anyway. */
const MAX_TRIGRAMS = 40;
const TEXTS = new Set(['name', 'description', 'file_names']);

/**
 * Texts that are in the indexed text of every record that meets the filters, whatever the case of their letters. Empty where
 * the filters say nothing about a text of three characters.
 */
export function termsOf(filters: unknown): string[] {
  if (!Array.isArray(filters)) return [];
  return filters.flatMap((filter) => (Array.isArray(filter) ? filterTerms(filter) : [])).filter(isUsable);
}

function filterTerms([attribute, rawOperator, operand]: unknown[]): string[] {
  const operator = String(rawOperator).toLowerCase();
  if (typeof attribute !== 'string' || typeof operand !== 'string') return [];
  const isPattern = operator === 'like' || operator === 'ilike';
  if (attribute === 'any') return isPattern && isInner(operand) ? literals(operand) : [];
  if (TEXTS.has(attribute)) return isPattern ? literals(operand) : operator === '=' ? [operand] : [];
  if (attribute === 'properties') return operator === 'exists' ? asJson([operand]) : [];
  if (!attribute.startsWith('properties.')) return [];
  const key = attribute.slice('properties.'.length).replace(/^<(.*)>$/s, '$1');
  if (isPattern) return asJson([key, ...literals(operand)]);
  return operator === '=' || operator === 'contains' ? asJson([key, operand]) : [];
}

/** `%x%`: the only patterns of `any` that look at the indexed text, and at nothing else. */
function isInner(pattern: string): boolean {
  return pattern.length > 1 && pattern.startsWith('%') && pattern.endsWith('%');
}

/** The texts between the wildcards of a pattern. */
function literals(pattern: string): string[] {
  const parts = [''];
  for (const [, escaped, wildcard, plain] of pattern.matchAll(/\\([\s\S])|([%_])|([\s\S])/gu)) {
    if (wildcard !== undefined) parts.push('');
    else parts[parts.length - 1] += escaped ?? plain ?? '';
  }
  return parts;
}

/** Texts that stand in JSON as they are. */
function asJson(texts: string[]): string[] {
  return texts.filter((text) => JSON.stringify(text) === `"${text}"`);
}

/** A NUL ends a text for the index. */
function isUsable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0') && [...text].length >= MIN_LENGTH;
}

/** The index's query for documents with all these terms. */
export function matchQuery(terms: readonly string[]): string {
  const trigrams = terms.flatMap((term) => {
    const characters = [...term];
    return characters.slice(MIN_LENGTH - 1).map((_, start) => characters.slice(start, start + MIN_LENGTH).join(''));
  });
  return [...new Set(trigrams)]
    .slice(0, MAX_TRIGRAMS)
    .map((trigram) => `"${trigram.replaceAll('"', '""')}"`)
    .join(' ');
}

/**
 * The words of what a person typed: separated by blanks, several together in double quotes.
 * @returns as filters, one for each word
 */
export function wordFilters(query: string): [string, string, string][] {
  const words = [...query.matchAll(/"([^"]+)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  return words.map((word) => ['any', 'ilike', `%${word.replace(/[\\%_]/g, '\\$&')}%`]);
}
