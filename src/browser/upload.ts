import { type ChosenFile, filesOfDrop, filesOfInput } from './chosen-files.ts';
import { createHashPool } from './hash-pool.ts';
import { openKeptBlocks } from './kept-blocks.ts';
import { runUpload } from './run-upload.ts';
import { formatBytes, formatLeft } from './upload-words.ts';

/** The page that uploads: choose or drop, watch, pause, go on. */

/** Asks before the page is left while something is on its way. */
function warn(event: Event): void {
  event.preventDefault();
}

const SHOWN_ROWS = 200;
const MAX_WORKERS = 4;

const place = document.getElementById('upload');
if (place !== null) void start(place);

async function start(element: HTMLElement): Promise<void> {
  const { uuid = '', to = '' } = element.dataset;
  const find = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
  const [drop, state, total, button, table] = [
    find('drop'),
    find('upload-state'),
    find<HTMLProgressElement>('upload-total'),
    find<HTMLButtonElement>('upload-pause'),
    find<HTMLTableElement>('upload-files'),
  ];
  element.hidden = false;
  const kept = await openKeptBlocks(uuid);
  if (kept.known.size > 0)
    state.textContent =
      'An upload to this collection was cut off: choose the same files again, and it goes on where it stopped.';
  let files: ChosenFile[] = [];
  let running: AbortController | null = null;

  const begin = async () => {
    const pool = createHashPool(Math.min(MAX_WORKERS, navigator.hardwareConcurrency || 2));
    const control = new AbortController();
    running = control;
    button.hidden = false;
    button.textContent = 'Pause';
    const bars = rowsFor(table, files);
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    const sizes = files.map(() => 0);
    let done = 0;
    let trouble = '';
    total.hidden = false;
    total.max = Math.max(bytes, 1);
    const started = performance.now();
    const show = () => {
      const seconds = (performance.now() - started) / 1000;
      const rate = done / Math.max(seconds, 0.001);
      total.value = done;
      state.textContent = `${formatBytes(done)} of ${formatBytes(bytes)}, ${formatBytes(rate)}/s, ${formatLeft((bytes - done) / rate)} left${trouble === '' ? '' : `. ${trouble}`}`;
    };
    const report = {
      file: (index: number, count: number) => {
        trouble = '';
        done += count - (sizes[index] ?? 0);
        sizes[index] = count;
        const bar = bars[index];
        if (bar !== undefined) bar.value = count;
        show();
      },
      say: (text: string) => {
        state.textContent = text;
      },
      retry: (why: string) => {
        trouble = why;
        show();
      },
    };
    try {
      await runUpload({ uuid, to, files, pool, kept, signal: control.signal, report });
      removeEventListener('beforeunload', warn);
      location.href = `/c=${uuid}/${to === '' ? '' : `${to.split('/').map(encodeURIComponent).join('/')}/`}?done=uploaded`;
    } catch (error) {
      control.abort();
      const isPaused = error instanceof DOMException && error.name === 'AbortError';
      state.textContent = isPaused
        ? 'Paused.'
        : `It stopped: ${error instanceof Error ? error.message : String(error)}`;
      button.textContent = 'Go on';
    }
    pool.end();
    running = null;
  };
  const take = (chosen: ChosenFile[]) => {
    if (chosen.length === 0 || running !== null) return;
    files = chosen.toSorted((a, b) => (a.path < b.path ? -1 : 1));
    addEventListener('beforeunload', warn);
    void begin();
  };
  button.onclick = () => {
    if (running !== null) running.abort();
    else void begin();
  };
  for (const id of ['choose-files', 'choose-folder']) {
    const input = find<HTMLInputElement>(id);
    input.onchange = () => take(filesOfInput(input));
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
    if (event.dataTransfer !== null) void filesOfDrop(event.dataTransfer).then(take);
  });
}

function rowsFor(table: HTMLTableElement, files: ChosenFile[]): HTMLProgressElement[] {
  const body = table.tBodies[0] ?? table.createTBody();
  body.replaceChildren();
  table.hidden = false;
  return files.slice(0, SHOWN_ROWS).map(({ path, size }) => {
    const row = body.insertRow();
    row.insertCell().textContent = path;
    row.insertCell().textContent = formatBytes(size);
    const bar = document.createElement('progress');
    bar.max = Math.max(size, 1);
    bar.value = size === 0 ? 1 : 0;
    bar.setAttribute('aria-label', `Progress of ${path}`);
    row.insertCell().append(bar);
    return bar;
  });
}
