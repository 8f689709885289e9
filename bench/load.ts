import { Agent, get } from 'node:http';
import { text } from 'node:stream/consumers';
import { bearer } from '../test/support/keep.ts';
import { ROOT_TOKEN } from '../test/support/service.ts';

/**
 * Load generator with the root token, run in a process of its own: node bench/load.ts CONNECTIONS SECONDS, with one URL a line on standard input,
 * and a range behind it after a space if that is to be asked for. 0 seconds: each line once.
 * Prints the requests per second that came back whole with status 200, or 206, and fails on any other answer.
 */
const [connections = 16, seconds = 2] = process.argv.slice(2).map(Number);
const urls = (await text(process.stdin)).trim().split('\n');
const headers = bearer(ROOT_TOKEN);
const agent = new Agent({ keepAlive: true, maxSockets: connections });
const end = performance.now() + seconds * 1000;
const mayGoOn = (index: number) => (seconds === 0 ? index < urls.length : performance.now() < end);
let done = 0;

const lane = async (first: number) => {
  for (let index = first; mayGoOn(index); index += connections) {
    await fetchOnce(urls[index % urls.length] ?? '');
    done++;
  }
};
const started = performance.now();
await Promise.all(Array.from({ length: connections }, (_, index) => lane(index)));
console.log(done / ((performance.now() - started) / 1000));
agent.destroy();

function fetchOnce(line: string): Promise<void> {
  const [url = '', range] = line.split(' ');
  return new Promise((resolve, reject) => {
    get(url, { agent, headers: range === undefined ? headers : { ...headers, range } }, (response) => {
      if (response.statusCode !== (range === undefined || !url.includes('/c=') ? 200 : 206))
        reject(new Error(`${url}: ${response.statusCode}`));
      response.on('error', reject).on('end', resolve).resume();
    }).on('error', reject);
  });
}
