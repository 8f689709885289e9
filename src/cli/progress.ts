import { formatBytes, formatSeconds } from '../keep/human-format.ts';
import { plain } from './terminal.ts';

/** Progress of a transfer. */
export interface Standing {
  bytesDone: number;
  /** Null for a stream of unknown length. */
  bytesTotal: number | null;
  /** Bytes that went over the network: the rate counts only these. */
  bytesMoved: number;
  /** Further text, such as counts of blocks. */
  note: string;
}

/** Where messages go: standard error, so that standard output holds results only. */
export interface Screen {
  write(text: string): void;
  isTTY: boolean;
  columns: number;
}

export interface Progress {
  /** Prints a line above the bar. */
  say(line: string): void;
  /** Removes the bar. */
  stop(): void;
}

const BAR_EVERY_MS = 200;
const LINE_EVERY_MS = 10_000;
const RATE_OVER_MS = 10_000;
const BAR_CELLS = 24;
const GREEN = '\x1b[32m';
const DIM = '\x1b[2m';
const PLAIN = '\x1b[0m';
const CLEAR_LINE = '\r\x1b[K';

export function errorScreen(): Screen {
  return {
    write: (text) => void process.stderr.write(text),
    isTTY: process.stderr.isTTY === true,
    get columns() {
      return process.stderr.columns ?? 80;
    },
  };
}

/** Prints a line above the bar, which is drawn again by its timer. */
export function sayAbove({ isTTY, write }: Screen, line: string): void {
  write(`${isTTY ? CLEAR_LINE : ''}${plain(line)}\n`);
}

/** A bar on a terminal, a line every ten seconds elsewhere, nothing when `quiet`. */
export function showProgress(
  look: () => Standing,
  { quiet = false, screen = errorScreen(), now = Date.now } = {},
): Progress {
  if (quiet) return { say: (line) => screen.write(`${plain(line)}\n`), stop: () => undefined };
  const samples: { at: number; moved: number; done: number }[] = [];
  const colours = screen.isTTY && !process.env.NO_COLOR;

  const line = (): string => {
    const standing = look();
    const at = now();
    samples.push({ at, moved: standing.bytesMoved, done: standing.bytesDone });
    while (samples.length > 2 && at - (samples[0]?.at ?? at) > RATE_OVER_MS) samples.shift();
    const { at: from = at, moved = 0, done = 0 } = samples[0] ?? {};
    const seconds = Math.max(0.001, (at - from) / 1000);
    const rate = (standing.bytesMoved - moved) / seconds;
    const pace = (standing.bytesDone - done) / seconds;
    // The rate of done bytes: repeated attempts lower it.
    const missing = (standing.bytesTotal ?? 0) - standing.bytesDone;
    const left = pace > 0 ? missing / pace : Number.POSITIVE_INFINITY;
    return describe(standing, rate, missing > 0 ? left : null, colours && screen.isTTY, screen);
  };
  const draw = () => screen.write(screen.isTTY ? `${CLEAR_LINE}${line()}` : `${line()}\n`);
  const timer = setInterval(draw, screen.isTTY ? BAR_EVERY_MS : LINE_EVERY_MS);
  timer.unref();
  return {
    say: (text) => sayAbove(screen, text),
    stop() {
      clearInterval(timer);
      if (screen.isTTY) screen.write(CLEAR_LINE);
    },
  };
}

function describe(
  { bytesDone, bytesTotal, note }: Standing,
  rate: number,
  secondsLeft: number | null,
  colours: boolean,
  { isTTY, columns }: Screen,
): string {
  if (bytesTotal === null) {
    const words = [formatBytes(bytesDone), `${formatBytes(Math.round(rate))}/s`, ...(note === '' ? [] : [note])];
    return words.join(', ').slice(0, isTTY ? columns - 1 : undefined);
  }
  const share = bytesTotal === 0 ? 1 : bytesDone / bytesTotal;
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const words = [
    `${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`,
    `${formatBytes(Math.round(rate))}/s`,
    ...(secondsLeft === null ? [] : [`${formatSeconds(secondsLeft)} left`]),
    ...(note === '' ? [] : [note]),
  ].join(', ');
  if (!isTTY) return `${percent.trim()} ${words}`;
  const cells = Math.min(BAR_CELLS, Math.max(0, columns - words.length - 9));
  const full = Math.round(share * cells);
  const bar = colours
    ? `${GREEN}${'━'.repeat(full)}${DIM}${'━'.repeat(cells - full)}${PLAIN}`
    : `${'#'.repeat(full)}${'.'.repeat(cells - full)}`;
  return `${percent} ${bar} ${words}`.slice(0, columns + (colours ? GREEN.length + DIM.length + PLAIN.length : 0) - 1);
}
