/** The field `#filter` hides the rows of the page's table whose names do not contain every word in it. */
export function filterRows(): void {
  const input = document.getElementById('filter');
  if (!(input instanceof HTMLInputElement)) return;
  const rows = [...document.querySelectorAll<HTMLTableRowElement>('main tbody tr')].filter(
    (row) => row.querySelector('a.item') !== null,
  );
  const names = rows.map((row) => (row.querySelector('td.name')?.textContent ?? '').toLowerCase());
  input.hidden = false;
  input.oninput = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const [i, row] of rows.entries()) row.hidden = !words.every((word) => names[i]?.includes(word));
  };
  // Enter would send the form that the field stands in.
  input.onkeydown = (event) => {
    if (event.key === 'Enter') event.preventDefault();
  };
}
