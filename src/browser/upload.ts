import { formatBytes } from '../keep/human-format.ts';
import { encodePath, stepsInto } from '../keep/uri-paths.ts';
import { type ChosenFile, filesOfDrop, filesOfInput } from './chosen-files.ts';
import { createHashPool, type HashPool } from './hash-pool.ts';
import { openKeptBlocks } from './kept-blocks.ts';
import { createRate } from './rate.ts';
import { runUpload } from './run-upload.ts';
import { uploadRows } from './upload-rows.ts';
import { formatLeft, formatSpeed } from './upload-words.ts';

/** The page that uploads: choose or drop, watch, pause, go on. */

/** Asks before the page is left while something is on its way. */
function warn(event: Event): void {
  event.preventDefault();
}

const MAX_WORKERS = 4;
const SHOWN_EVERY_MS = 200;
/** A screen reader is told how far it is, but not all the time. */
const SAID_EVERY_MS = 15_000;

const place = document.getElementById('upload');
if (place !== null) void start(place);

async function start(element: HTMLElement): Promise<void> {
  const { uuid = '', to = '' } = element.dataset;
  const find = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
  const [drop, state, said, total, button, md5] = [
    find('drop'),
    find('upload-state'),
    find('upload-said'),
    find<HTMLProgressElement>('upload-total'),
    find<HTMLButtonElement>('upload-pause'),
    find('upload-md5'),
  ];
  element.hidden = false;
  const kept = await openKeptBlocks(uuid);
  const say = (text: string) => {
    state.textContent = text;
    said.textContent = text;
  };
  if (kept.known.size > 0)
    say('An upload to this collection was cut off: choose the same files again, and it goes on where it stopped.');
  let files: ChosenFile[] = [];
  /** Chosen while others are on their way. */
  let waiting: ChosenFile[] = [];
  let running: AbortController | null = null;

  const begin = async () => {
    const pool = createHashPool(Math.min(MAX_WORKERS, navigator.hardwareConcurrency || 2));
    const control = new AbortController();
    running = control;
    button.hidden = false;
    button.textContent = 'Pause';
    const rows = uploadRows(find<HTMLTableElement>('upload-files'), find('upload-more'), files);
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    const sizes = files.map(() => 0);
    const rate = createRate();
    let done = 0;
    let trouble = '';
    let shownAt = 0;
    let saidAt = performance.now();
    total.hidden = false;
    total.max = Math.max(bytes, 1);
    total.value = 0;
    say(`Uploading ${files.length === 1 ? files[0]?.path : `${files.length} files`}, ${formatBytes(bytes)} …`);
    const show = () => {
      const now = performance.now();
      if (now - shownAt < SHOWN_EVERY_MS && trouble === '') return;
      shownAt = now;
      total.value = done;
      const speed = rate.value(now);
      const text = `${formatBytes(done)} of ${formatBytes(bytes)}${speed === null ? '' : `, ${formatBytes(Math.round(speed))}/s, ${formatLeft((bytes - done) / speed)} left`}${trouble === '' ? '' : `. ${trouble}`}${waiting.length === 0 ? '' : `. ${waiting.length} more afterwards`}`;
      state.textContent = text;
      showSpeed(md5, pool);
      if (now - saidAt < SAID_EVERY_MS) return;
      saidAt = now;
      said.textContent = text;
    };
    const report = {
      file: (index: number, count: number, isSent: boolean) => {
        trouble = '';
        const more = count - (sizes[index] ?? 0);
        done += more;
        sizes[index] = count;
        if (isSent) rate.add(more, performance.now());
        rows.show(index, count);
        show();
      },
      say: (text: string) => {
        total.value = done;
        showSpeed(md5, pool);
        say(text);
      },
      retry: (why: string) => {
        trouble = why;
        show();
      },
    };
    try {
      await runUpload({ uuid, to, files, pool, kept, signal: control.signal, report });
      pool.end();
      running = null;
      if (waiting.length > 0) return next();
      removeEventListener('beforeunload', warn);
      const below = stepsInto(to.split('/').filter((name) => name !== ''));
      location.href = `${encodePath([`c=${uuid}`, ...below], true)}?done=uploaded`;
    } catch (error) {
      control.abort();
      pool.end();
      running = null;
      const isPaused = error instanceof DOMException && error.name === 'AbortError';
      say(isPaused ? 'Paused.' : `It stopped: ${error instanceof Error ? error.message : String(error)}.`);
      button.textContent = 'Go on';
    }
  };
  const next = () => {
    files = waiting;
    waiting = [];
    void begin();
  };
  const take = (chosen: ChosenFile[]) => {
    if (chosen.length === 0) return;
    waiting = [...waiting, ...chosen].toSorted((a, b) => (a.path < b.path ? -1 : 1));
    addEventListener('beforeunload', warn);
    if (running === null) next();
  };
  button.onclick = () => {
    if (running !== null) running.abort();
    else void begin();
  };
  for (const id of ['choose-files', 'choose-folder']) {
    const input = find<HTMLInputElement>(id);
    input.onchange = () => {
      take(filesOfInput(input));
      // The same files again are a change, too.
      input.value = '';
    };
    // Chosen before this script ran.
    take(filesOfInput(input));
  }
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
  document.addEventListener('dragleave', () => drop.classList.remove('over'));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    if (event.dataTransfer !== null)
      filesOfDrop(event.dataTransfer).then(take, (error: unknown) => say(`This cannot be read: ${String(error)}.`));
  });
}

function showSpeed(element: HTMLElement, pool: HashPool): void {
  const speed = pool.speed();
  if (speed === null) return;
  element.hidden = false;
  element.textContent = `MD5 by hash-wasm (WebAssembly), ${formatSpeed(speed)} in each of ${pool.workers} workers.`;
}
