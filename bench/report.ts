import { readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../dev/serve.ts';

/** One measured figure. With a target it is judged, without it informs. */
export interface Row {
  what: string;
  /** The figure of our Worker, and of what it is held against if anything, in `unit`. */
  edge: number;
  floor?: number;
  unit: string;
  /** The judged figure is `ratio` if there is one, else `edge`. */
  ratio?: number;
  target?: { atMost: number } | { atLeast: number };
}

const RESULTS = join(ROOT, 'bench/results.json');

export function isOver({ edge, ratio, target }: Row): boolean {
  const judged = ratio ?? edge;
  if (target === undefined) return false;
  return 'atMost' in target ? judged > target.atMost : judged < target.atLeast;
}

export function formatRows(rows: Row[]): string {
  const lines = [['what', 'edge', 'held against', 'ratio', 'target', '']];
  for (const row of rows) {
    const { target } = row;
    const bound = target === undefined ? '' : 'atMost' in target ? `<= ${target.atMost}` : `>= ${target.atLeast}`;
    const verdict = target === undefined ? '' : isOver(row) ? 'OVER' : 'ok';
    lines.push([
      row.what,
      `${round(row.edge)} ${row.unit}`,
      row.floor === undefined ? '' : `${round(row.floor)} ${row.unit}`,
      row.ratio === undefined ? '' : round(row.ratio),
      bound,
      verdict,
    ]);
  }
  const widths = lines.reduce<number[]>((most, line) => line.map((cell, i) => Math.max(most[i] ?? 0, cell.length)), []);
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Writes bench/results.json; subjects that were not run keep what they had. */
export async function saveResults(measured: Record<string, Row[]>): Promise<void> {
  const before = JSON.parse(await readFile(RESULTS, 'utf8').catch(() => '{}')) as { subjects?: object };
  const facts = { measured: new Date().toISOString(), machine: await machineFacts() };
  const now = Object.fromEntries(
    Object.entries(measured).map(([name, rows]) => [
      name,
      { ...facts, rows: rows.map((row) => ({ ...row, verdict: verdictOf(row) })) },
    ]),
  );
  await writeFile(RESULTS, `${JSON.stringify({ subjects: { ...before.subjects, ...now } }, null, 2)}\n`);
}

function verdictOf(row: Row): string | undefined {
  if (row.target === undefined) return undefined;
  return isOver(row) ? 'over' : 'ok';
}

async function machineFacts() {
  const workerd = JSON.parse(await readFile(join(ROOT, 'node_modules/miniflare/package.json'), 'utf8')) as {
    version: string;
  };
  return {
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    openssl: process.versions.openssl,
    miniflare: workerd.version,
  };
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
