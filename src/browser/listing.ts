import { copyButtons } from './copy-buttons.ts';
import { filterRows } from './filter-rows.ts';

/** What every page has: select all, count what is selected, filter as one types, open a file by its name, copy a command. */

copyButtons();
filterRows();
selection();
openByName();

function selection(): void {
  const form = document.getElementById('files');
  if (form === null) return;
  const boxes = [...form.querySelectorAll<HTMLInputElement>('td.pick input')];
  const all = document.getElementById('all') as HTMLInputElement;
  const tools = [...form.querySelectorAll<HTMLButtonElement>('button[data-selected]')];
  const labels = tools.map((button) => button.textContent);
  const visible = () => boxes.filter((box) => box.closest('tr')?.hidden !== true);
  const show = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    all.checked = chosen > 0 && chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
    for (const [i, button] of tools.entries()) {
      const [verb = '', rest = ''] = (button.dataset.selected ?? '').split('|');
      button.disabled = chosen === 0;
      button.textContent = chosen > 0 ? `${verb} ${chosen} selected ${rest}`.trimEnd() : (labels[i] ?? '');
    }
  };
  all.hidden = false;
  all.onchange = () => {
    for (const box of visible()) box.checked = all.checked;
    show();
  };
  form.addEventListener('change', show);
  addEventListener('pageshow', show);
  show();
}

/** A click on a file's name opens the page about it, as its link “Open” does; with a modifier it stays the file itself. */
function openByName(): void {
  document.addEventListener('click', (event) => {
    if (!(event.target instanceof Element) || event.button !== 0) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const open = event.target.closest('a.item')?.closest('tr')?.querySelector<HTMLAnchorElement>('a[data-open]');
    if (!open) return;
    event.preventDefault();
    location.href = open.href;
  });
}
