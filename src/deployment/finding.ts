/** What `GET /keep-edge/v1/deployment` answers, and parts of it. */
// biome-ignore lint/suspicious/noExplicitAny: read field by field
export type Facts = Record<string, any>;

/** One check of a deployment. `unknown`: it could not be checked, or is worth knowing; that is no problem. */
export interface Finding {
  state: 'good' | 'bad' | 'unknown';
  what: string;
  /** What to do. */
  advice?: string;
}
