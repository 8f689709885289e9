import { argumentsOf } from './fs-path.ts';
import { main } from './main.ts';

// A closed pipe, as behind `| head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.exitCode = await main(argumentsOf(process.argv));
