import { formatBytes } from '../keep/human-format.ts';
import type { ChosenFile } from './chosen-files.ts';

/** Rows at a time: of more files, a finished one makes room for the next. */
const SHOWN_ROWS = 200;

/** The table of an upload's files, with a bar for each. */
export function uploadRows(table: HTMLTableElement, more: HTMLElement, files: readonly ChosenFile[]) {
  const body = table.tBodies[0] ?? table.createTBody();
  body.replaceChildren();
  table.hidden = false;
  const bars = new Map<number, { row: HTMLTableRowElement; bar: HTMLProgressElement }>();
  let next = 0;
  let finished = files.filter(({ size }) => size === 0).length;
  const add = () => {
    const file = files[next];
    if (file === undefined) return;
    const row = body.insertRow();
    row.insertCell().textContent = file.path;
    row.insertCell().textContent = formatBytes(file.size);
    const bar = document.createElement('progress');
    bar.max = Math.max(file.size, 1);
    bar.value = file.size === 0 ? 1 : 0;
    bar.setAttribute('aria-label', `Progress of ${file.path}`);
    row.insertCell().append(bar);
    bars.set(next++, { row, bar });
  };
  while (next < Math.min(SHOWN_ROWS, files.length)) add();
  const tell = () => {
    const hidden = files.length - bars.size;
    more.hidden = hidden === 0;
    more.textContent = `${finished} of ${files.length} files have arrived; ${bars.size} are shown.`;
  };
  tell();
  return {
    /** @param bytes of the file that have arrived */
    show(index: number, bytes: number): void {
      const { row, bar } = bars.get(index) ?? {};
      if (bar !== undefined) bar.value = bytes;
      if (bytes < (files[index]?.size ?? 0)) return;
      finished++;
      if (next < files.length) {
        row?.remove();
        bars.delete(index);
        add();
      }
      if (files.length > SHOWN_ROWS) tell();
    },
  };
}
