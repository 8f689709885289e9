/** What went wrong with a block: whether the same again may help. */
export class SendProblem extends Error {
  readonly mayPass: boolean;
  constructor(message: string, mayPass: boolean) {
    super(message);
    this.mayPass = mayPass;
  }
}

/** What the service refuses, and what a person can do about it. @param text what it said, for people */
export function refusal(status: number, text: string): SendProblem {
  const said = text.trim().slice(0, 500);
  if (status === 401)
    return new SendProblem('you are not signed in any more. Sign in in another tab, then press “Go on”', false);
  if (status === 403) return new SendProblem(`you may not store files here (${said || 'not permitted'})`, false);
  if (status === 404) return new SendProblem('the collection is gone, or you may not see it any more', false);
  if (status === 413)
    return new SendProblem(`this is more than the service takes at once (${said || 'too large'})`, false);
  if (status === 507) return new SendProblem(`there is no room: ${said}`, false);
  const mayPass = status >= 500 || status === 429 || status === 408;
  return new SendProblem(said || `the service answered ${status}`, mayPass);
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
        // The bytes are not those that were hashed: broken on their way, or the file was changed in between.
        if (status === 422) return reject(new SendProblem('a block arrived other than it was read', true));
        reject(refusal(status, responseText));
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
  if (answer.ok) return true;
  // A service that is busy has said nothing about the block.
  const refused = refusal(answer.status, '');
  if (refused.mayPass) throw refused;
  return false;
}
