/** What the person at the terminal is told; never shown with a stack. */
export class CliError extends Error {
  readonly exitCode: number;

  /** @param exitCode 1: it did not work; 2: the command line makes no sense */
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** A mistake on the command line. */
export function usageError(message: string): CliError {
  return new CliError(message, 2);
}
