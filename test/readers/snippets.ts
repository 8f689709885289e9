/** One snippet of a page that is to be run. */
export interface Snippet {
  heading: string;
  /** sh, python or r. */
  language: string;
  /** The program that must be installed; `python` stands for the environment that run.ts makes. */
  program: string;
  /** What its output must contain. */
  prints: string;
  code: string;
}

/** The fenced blocks of a page that a comment `<!-- run: PROGRAM; prints TEXT -->` stands before. */
export function snippetsOf(page: string): Snippet[] {
  const pattern = /^## ([^\n]+)$|^<!-- run: (\w+); prints ([^\n]+) -->\n\n```(\w+)\n(.*?)^```$/gms;
  let heading = '';
  return [...page.matchAll(pattern)].flatMap(([, title, program = '', prints = '', language = '', code = '']) => {
    if (title === undefined) return [{ heading, language, program, prints, code }];
    heading = title;
    return [];
  });
}
