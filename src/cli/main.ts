import { VERSION } from '../keep/version.ts';
import { CliError } from './cli-error.ts';
import { commandHelp, parseCommandLine } from './command-line.ts';
import { COMMANDS, findCommand, overview } from './commands.ts';
import { errorScreen } from './progress.ts';
import { oneLine, plain, print } from './terminal.ts';

/** Runs the command line. @returns the exit code; errors have been reported on standard error */
export async function main(args: string[]): Promise<number> {
  const [name = '', ...rest] = args;
  try {
    if (['', '--help', '-h', 'help'].includes(name)) {
      const asked = rest[0] === undefined ? undefined : findCommand(rest[0]);
      process.stdout.write(asked === undefined ? overview() : commandHelp(asked));
      return name === '' ? 2 : 0;
    }
    if (name === '--version' || name === '-V') {
      print(`keep-edge ${VERSION}`);
      return 0;
    }
    const command = findCommand(name);
    if (command === undefined) {
      const known = COMMANDS.map((each) => each.name).join(', ');
      throw new CliError(`There is no command ${JSON.stringify(name)}. There are: ${known}.`, 2);
    }
    const end = rest.indexOf('--');
    const options = end < 0 ? rest : rest.slice(0, end);
    if (options.includes('--help') || options.includes('-h')) {
      process.stdout.write(commandHelp(command));
      return 0;
    }
    return await command.run(parseCommandLine(command, rest));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return 0;
    errorScreen().write(`${plain(`keep-edge: ${explain(error)}`)}\n`);
    return error instanceof CliError ? error.exitCode : 1;
  }
}

function explain(error: unknown): string {
  if (process.env.KEEP_EDGE_DEBUG && error instanceof Error) return error.stack ?? error.message;
  if (error instanceof CliError) return error.message;
  return oneLine(error instanceof Error ? error.message : String(error));
}
