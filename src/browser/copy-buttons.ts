const SHOWN_MS = 1500;

/** Buttons that copy the text of the element they name, or the text they carry. */
export function copyButtons(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>('[data-copy],[data-text]')) {
    const label = button.textContent;
    button.hidden = false;
    button.onclick = async () => {
      const { copy, text } = button.dataset;
      await navigator.clipboard.writeText(text ?? document.getElementById(copy ?? '')?.textContent ?? '');
      button.textContent = 'Copied';
      setTimeout(() => {
        button.textContent = label;
      }, SHOWN_MS);
    };
  }
}
