import { fillAll } from './look-ups.ts';

/** `BENCH_PLACES=DIRECTORY BENCH_ENTRIES=10000000 node bench/places/fill.ts`: see look-ups.ts. */
if (process.env.BENCH_PLACES === undefined) throw new Error('BENCH_PLACES: name a directory that keeps the entries');
await fillAll((line) => console.log(line));
