import { type Browser, chromium } from 'playwright-core';
import { tool } from './tools.ts';

/** The machine's own Chromium, without a window. */
export async function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: (await tool('sh', ['-c', 'command -v chromium'])).trim(),
    args: ['--no-sandbox', '--disable-gpu'],
  });
}
