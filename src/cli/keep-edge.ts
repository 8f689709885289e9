import { reasonOf } from './block-jobs.ts';
import { argumentsOf } from './fs-path.ts';
import { main } from './main.ts';
import { note } from './terminal.ts';

// A closed pipe, as behind `| head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  note(`keep-edge: standard output: ${reasonOf(error)}`);
  process.exit(1);
});
process.exitCode = await main(argumentsOf(process.argv));
