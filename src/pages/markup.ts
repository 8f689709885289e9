import { escapeXml } from '../http/xml.ts';

/** HTML that is safe to put into a page: made by `html`, which escapes every text in it. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

/** What may stand in a template: texts and numbers are escaped, nothing is left out for null, undefined and false. */
export type Content = Markup | string | number | null | undefined | false | readonly Content[];

/** `html\`<p>${text}</p>\``: HTML in which every text is escaped, in content and in quoted attributes. */
export function html(strings: TemplateStringsArray, ...values: Content[]): Markup {
  return new Markup(strings.map((text, i) => text + (i < values.length ? shown(values[i]) : '')).join(''));
}

/** Text that is HTML already: of this repository, or escaped by who made it. */
export function trusted(text: string): Markup {
  return new Markup(text);
}

function shown(value: Content): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'object') return value.map(shown).join('');
  return escapeXml(String(value));
}

/** Bidirectional controls could make `exe` look like the beginning of a name. */
export function visible(name: string): string {
  return name.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}
