/** An error with a message for the user; shown without a stack. */
export class CliError extends Error {
  readonly exitCode: number;

  /** @param exitCode 1: it failed; 2: wrong usage */
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** A mistake on the command line. */
export function usageError(message: string): CliError {
  return new CliError(message, 2);
}
