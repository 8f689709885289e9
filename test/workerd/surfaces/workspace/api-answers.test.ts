import { expect, test } from 'vitest';
import { createContext } from '../../../../src/http/context.ts';
import { ask, change } from '../../../../src/surfaces/workspace/api.ts';
import type { WorkspaceDependencies } from '../../../../src/surfaces/workspace/dependencies.ts';

/** What pages do with answers of the API, which may be a cluster's. */

const context = createContext(new Request('http://keep.test/'), () => undefined);

/** An API that answers with MiB after MiB of white space. */
function endless(status = 200) {
  const seen = { mib: 0, isCancelled: false };
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        seen.mib++;
        controller.enqueue(new Uint8Array(2 ** 20).fill(32));
        if (seen.mib === 100) controller.close();
      },
      cancel() {
        seen.isCancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  const deps = { api: () => Promise.resolve(new Response(body, { status })) } as unknown as WorkspaceDependencies;
  return { deps, seen };
}

test('an answer without end is no answer', async () => {
  const { deps, seen } = endless();
  await expect(ask(context, deps, 'tok', 'collections')).rejects.toMatchObject({ code: 'bad_gateway' });
  expect(seen.mib).toBeLessThan(20);
});

test('of a refusal without end the beginning is read', async () => {
  const { deps, seen } = endless(422);
  await expect(ask(context, deps, 'tok', 'collections')).rejects.toMatchObject({ status: 422 });
  expect(seen).toEqual({ mib: 1, isCancelled: true });
});

test('of a change nothing is read, but that it was made', async () => {
  const { deps, seen } = endless();
  await change(context, deps, 'tok', 'collections/x', { method: 'PATCH', body: {} });
  expect(seen).toEqual({ mib: 0, isCancelled: true });
  await expect(change(context, endless(403).deps, 'tok', 'collections/x')).rejects.toMatchObject({ status: 403 });
});
