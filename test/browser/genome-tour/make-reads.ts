import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { createRandom, type Random } from '../../fuzz/random.ts';
import { tool } from '../../support/tools.ts';

/** Read pairs of 150 bases, 30 on each base, as a sequencer of today gives them: a whole human genome of these is 50 to 60 GB. */
const READ = 150;
const COVERAGE = 30;
const INSERT = [320, 160] as const;
const CHROMOSOMES = ['chr20', 'chr21'];
/** Bases of the reference for each MiB of the BAM file. */
const BASES_PER_MIB = 71_000;
/** A read in this many bases differs from the reference. */
const VARIED = 400;
const FLUSHED_LINES = 4000;

/** Writes `reads.bam` with its index and `reference.fa` with its own into `directory`, about `mib` large. */
export async function makeReads(directory: string, mib: number): Promise<{ length: number }> {
  const random = createRandom(20);
  const length = Math.round((mib * BASES_PER_MIB) / CHROMOSOMES.length);
  const fasta = createWriteStream(join(directory, 'reference.fa'));
  const samtools = spawn('samtools', ['view', '-@', '1', '-b', '-o', join(directory, 'reads.bam'), '-'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const sam = samtools.stdin;
  const headers = CHROMOSOMES.map((name) => `@SQ\tSN:${name}\tLN:${length}\n`);
  sam.write(`@HD\tVN:1.6\tSO:coordinate\n@RG\tID:run1\tSM:sample\n${headers.join('')}`);
  const qualities = makeQualities(random);
  for (const name of CHROMOSOMES) {
    const sequence = makeSequence(random, length);
    await write(fasta, `>${name}\n${sequence.replace(/.{1,60}/g, '$&\n')}`);
    await writePairs(sam, random, name, sequence, qualities);
  }
  fasta.end();
  sam.end();
  await Promise.all([
    finished(fasta),
    new Promise<void>((resolve, reject) =>
      samtools.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`samtools exited with ${code}`)))),
    ),
  ]);
  await tool('samtools', ['index', 'reads.bam'], { cwd: directory });
  await tool('samtools', ['faidx', 'reference.fa'], { cwd: directory });
  return { length };
}

/** In the order of their positions: each mate waits until it is its turn. */
async function writePairs(sam: Writable, random: Random, name: string, sequence: string, qualities: string) {
  const waiting = new Map<number, string[]>();
  const [shortest, spread] = INSERT;
  const pairsPerBase = COVERAGE / READ / 2;
  let lines: string[] = [];
  let due = 0;
  let pair = 0;
  for (let at = 0; at + READ <= sequence.length; at++) {
    const mates = waiting.get(at);
    if (mates !== undefined) {
      lines.push(...mates);
      waiting.delete(at);
    }
    due += pairsPerBase;
    for (; due >= 1 || random.below(1000) < due * 1000; due--) {
      const insert = shortest + random.below(spread);
      const mate = at + insert - READ;
      if (mate + READ > sequence.length) break;
      const id = `A00123:45:H7JKL:${1 + (pair % 4)}:${1101 + (pair % 78)}:${random.below(30_000)}:${pair++}`;
      const line = (flag: number, position: number, next: number, size: number) => {
        const start = random.below(qualities.length - READ);
        const bases = varied(random, sequence.slice(position, position + READ));
        return `${id}\t${flag}\t${name}\t${position + 1}\t60\t${READ}M\t=\t${next + 1}\t${size}\t${bases}\t${qualities.slice(start, start + READ)}\tNM:i:0\tAS:i:150\tRG:Z:run1\n`;
      };
      lines.push(line(99, at, mate, insert));
      const others = waiting.get(mate) ?? [];
      others.push(line(147, mate, at, -insert));
      waiting.set(mate, others);
    }
    if (lines.length >= FLUSHED_LINES) {
      await write(sam, lines.join(''));
      lines = [];
    }
  }
  await write(sam, lines.join(''));
}

async function write(stream: Writable, text: string): Promise<void> {
  if (!stream.write(text)) await new Promise((resolve) => stream.once('drain', resolve));
}

function varied(random: Random, bases: string): string {
  const at = random.below(VARIED);
  return at >= bases.length ? bases : `${bases.slice(0, at)}${'ACGT'[random.below(4)]}${bases.slice(at + 1)}`;
}

function makeSequence(random: Random, length: number): string {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = 'ACGT'.charCodeAt(random.below(4));
  return bytes.toString('latin1');
}

/** Eight levels, mostly the best. */
function makeQualities(random: Random): string {
  const levels = 'FFFFFFFF:FFFFFF,FFF?F8F5F2#';
  return Array.from({ length: 1_000_000 }, () => levels[random.below(levels.length)]).join('');
}
