import type { User } from '../accounts/account.ts';
import type { RequestContext } from '../http/context.ts';
import { limited, redactPath } from '../keep/redact.ts';
import type { FileDependencies, FileSettings } from './dependencies.ts';

export interface Upload {
  context: RequestContext;
  deps: FileDependencies & { downloads: FileSettings };
  client: { token: string; user: User };
  /** Path in the collection. */
  target: { uuid: string; path: string };
}

/** Notes an upload in the request's log line and, like downloads, in the cluster's log. */
export function logUpload({ context, deps, client, target }: Upload, bytes: number): void {
  const facts = { collection_uuid: target.uuid, collection_file_path: target.path };
  Object.assign(context.log, facts, { user_uuid: client.user.uuid, user_full_name: client.user.fullName, bytes });
  if (!deps.downloads.logEvents) return;
  const properties = {
    reqPath: limited(`/${redactPath(context.path)}`),
    ...facts,
    collection_file_path: limited(facts.collection_file_path),
  };
  const event = { event_type: 'file_upload' as const, object_uuid: client.user.uuid, properties };
  deps.recordDownload(event, client.token, context.waitUntil);
}
