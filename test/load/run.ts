import { parseArgs } from 'node:util';
import { startService } from '../support/service.ts';
import { runLoad } from './mix.ts';

/**
 * `npm run test:load`: 64 clients for ten minutes; `-- --seconds N` for another time, `--p99 MS` for
 * another bound on reads of small blocks (a busy machine needs one). Fails when anything was lost, wrong or left over.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    large: { type: 'string', default: String(16 << 20) },
    p99: { type: 'string', default: '2000' },
  },
});
/** Of the Worker's own isolate. The process's size is the simulators' and the allocator's: it is told, not judged. */
const MAX_GROWTH = 1.25;
const GROWTH_ROOM_MIB = 8;
/** What the platform gives an isolate. */
const MAX_ISOLATE_MIB = 128;

await using service = await startService({ vars: { VERIFY_READS: 'attested' }, inspect: true });
console.log(`64 clients for ${values.seconds} s against ${service.url}, large blocks of ${values.large} bytes`);
const result = await runLoad(service, {
  seconds: Number(values.seconds),
  largeBytes: Number(values.large),
  onProgress: (line) => console.log(line),
});
console.log(JSON.stringify(result, null, 1));
const { worker } = result.memory;
const problems = [
  result.failures.length > 0 && `${result.failures.length} failures`,
  result.lost.length > 0 && `${result.lost.length} lost`,
  result.leaks > 0 && `${result.leaks} log lines with secrets`,
  result.smallReads.p99 > Number(values.p99) && `small reads: p99 ${result.smallReads.p99} ms`,
  worker.late > worker.early * MAX_GROWTH + GROWTH_ROOM_MIB &&
    `the Worker grows: ${worker.early} to ${worker.late} MiB`,
  worker.peak > MAX_ISOLATE_MIB && `the Worker held ${worker.peak} MiB`,
  result.leftConnections > 0 && `${result.leftConnections} connections left with something to send`,
  result.idleCpuMs > 500 && `${result.idleCpuMs} ms of work in two seconds without clients`,
].filter((problem) => problem !== false);
console.log(problems.length === 0 ? 'ALL WELL' : `NOT WELL: ${problems.join('; ')}`);
process.exitCode = problems.length === 0 ? 0 : 1;
