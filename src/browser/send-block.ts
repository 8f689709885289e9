/** What went wrong with a block: whether the same again may help. */
export class SendProblem extends Error {
  readonly mayPass: boolean;
  constructor(message: string, mayPass: boolean) {
    super(message);
    this.mayPass = mayPass;
  }
}

/** Stores a block under its hash. @returns its locator, signed for this visitor */
export function putBlock(
  hash: string,
  block: Blob,
  progress: (sent: number) => void,
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    // fetch tells nothing of what is sent.
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal.addEventListener('abort', abort, { once: true });
    const end = (settle: () => void) => {
      signal.removeEventListener('abort', abort);
      settle();
    };
    request.open('PUT', `/${hash}`);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.onprogress = ({ loaded }) => progress(loaded);
    request.onload = () =>
      end(() => {
        const { status, responseText } = request;
        if (status === 200) return resolve(responseText.trim());
        const mayPass = status >= 500 || status === 429 || status === 408;
        reject(new SendProblem(responseText.trim() || `the service answered ${status}`, mayPass));
      });
    request.onerror = () => end(() => reject(new SendProblem('the network is down', true)));
    request.onabort = () => end(() => reject(new DOMException('paused', 'AbortError')));
    request.send(block);
  });
}

/** Whether the service still has a block, and takes this locator for it. */
export async function hasBlock(locator: string, signal: AbortSignal): Promise<boolean> {
  const answer = await fetch(`/${locator}`, { method: 'HEAD', signal }).catch((error: unknown) => {
    throw error instanceof DOMException ? error : new SendProblem('the network is down', true);
  });
  return answer.ok;
}
