import type { ErrorCode } from '../errors.ts';

/** Two sets of rules, as in Arvados: the API server checks what is stored, keep-web is more lenient about names. */
export interface ManifestRules {
  /** What a broken rule is thrown as. */
  code: ErrorCode;
  /** Names only as the format documents them: no empty, '.' or '..' components, proper escapes, UTF-8. */
  strictNames: boolean;
  /** Hints only as the format documents them. */
  strictHints: boolean;
  /** Every locator must say its size, below 2^31. */
  sizeRequired: boolean;
  /** No file may reach past the end of its stream's data. */
  withinStream: boolean;
}

/** What the API server requires of a manifest before it stores it. */
export const STORE_RULES: ManifestRules = {
  code: 'invalid_record',
  strictNames: true,
  strictHints: true,
  sizeRequired: false,
  withinStream: false,
};

/** What keep-web requires of a manifest to serve files from it. */
export const READ_RULES: ManifestRules = {
  code: 'unreadable_manifest',
  strictNames: false,
  strictHints: false,
  sizeRequired: true,
  withinStream: true,
};
