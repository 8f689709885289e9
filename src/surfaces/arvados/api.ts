import { requireAccount, requireUser } from '../../accounts/access.ts';
import { lockedByClient } from '../../collections/commits.ts';
import { type RequestContext, requireAdmitted } from '../../http/context.ts';
import { requestText } from '../../http/request-chunks.ts';
import { createRouteTable } from '../../http/route-table.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import { requestTokens } from '../../keep/token.ts';
import {
  activateUser,
  createToken,
  createUploaderAccount,
  createUser,
  currentToken,
  currentUser,
  deleteToken,
  getToken,
  getUser,
  listTokens,
  listUploads,
  listUsers,
  setupUser,
  unsetupUser,
  updateToken,
  updateUser,
} from './accounts-handlers.ts';
import { API_CORS, errorAnswer } from './answer.ts';
import type { ApiCall, ApiDependencies, ClusterApi, EmbeddedApi } from './call.ts';
import { changeIfNew } from './cluster-change.ts';
import {
  createCollection,
  getCollection,
  listCollections,
  restoreVersion,
  trashCollection,
  untrashCollection,
  updateCollection,
} from './collection-handlers.ts';
import { configDocument } from './config-document.ts';
import { groupContents, noWorkflows, sharedGroups } from './contents-handlers.ts';
import { discoveryDocument } from './discovery-document.ts';
import { forwardToCluster } from './forward.ts';
import {
  createGroup,
  createLog,
  getGroup,
  listGroups,
  listLogs,
  trashGroup,
  untrashGroup,
  updateGroup,
} from './group-handlers.ts';
import {
  accessibleServices,
  createService,
  deleteService,
  getService,
  listServices,
  updateService,
} from './keep-services-handler.ts';
import { createLink, deleteLink, getLink, listLinks, listPermissions, updateLink } from './link-handlers.ts';
import { isSet, queryParameters } from './parameters.ts';
import { BodyReader } from './request-body.ts';
import { searchRecords } from './search-handler.ts';
import {
  createSharingLink,
  deleteSharingLink,
  getAudience,
  getSharingLink,
  listSharingLinks,
  transferUser,
} from './sharing-handlers.ts';

type Handler = (call: ApiCall, api: EmbeddedApi) => Promise<Response>;

/** Answered without a token, as in the Arvados API. */
const openRoutes = createRouteTable<[RequestContext, EmbeddedApi]>([
  ['GET HEAD', /^\/discovery\/v1\/apis\/arvados\/v1\/rest$/, discoveryDocument],
  ['GET HEAD', /^\/arvados\/v1\/config$/, configDocument],
  ['GET HEAD', /^\/arvados\/v1\/keep_services\/accessible$/, accessibleServices],
]);

/** Routes of the embedded API below /arvados/v1. `*` is one path component; `record` names the record in a body. */
const ROUTES: [methods: string, path: string, record: string, handler: Handler][] = [
  ['GET', 'users/current', 'user', currentUser],
  ['GET', 'users', 'user', listUsers],
  ['POST', 'users', 'user', createUser],
  ['POST', 'users/setup', 'user', setupUser],
  ['GET', 'users/*', 'user', getUser],
  ['PATCH', 'users/*', 'user', updateUser],
  ['POST', 'users/*/activate', 'user', activateUser],
  ['POST', 'users/*/setup', 'user', setupUser],
  ['POST', 'users/*/unsetup', 'user', unsetupUser],
  ['POST', 'uploader_accounts', 'uploader_account', createUploaderAccount],
  ['GET', 'upload_log', 'upload', listUploads],

  ['GET', 'api_client_authorizations/current', 'api_client_authorization', currentToken],
  ['GET', 'api_client_authorizations', 'api_client_authorization', listTokens],
  ['POST', 'api_client_authorizations', 'api_client_authorization', createToken],
  ['GET', 'api_client_authorizations/*', 'api_client_authorization', getToken],
  ['PATCH', 'api_client_authorizations/*', 'api_client_authorization', updateToken],
  ['DELETE', 'api_client_authorizations/*', 'api_client_authorization', deleteToken],

  ['GET', 'keep_services', 'keep_service', listServices],
  ['POST', 'keep_services', 'keep_service', createService],
  ['GET', 'keep_services/*', 'keep_service', getService],
  ['PATCH', 'keep_services/*', 'keep_service', updateService],
  ['DELETE', 'keep_services/*', 'keep_service', deleteService],

  ['GET', 'collections', 'collection', listCollections],
  ['POST', 'collections', 'collection', createCollection],
  ['GET', 'collections/*', 'collection', getCollection],
  ['PATCH', 'collections/*', 'collection', updateCollection],
  ['DELETE', 'collections/*', 'collection', trashCollection],
  ['POST', 'collections/*/trash', 'collection', trashCollection],
  ['POST', 'collections/*/untrash', 'collection', untrashCollection],
  ['POST', 'collections/*/restore_version', 'collection', restoreVersion],

  ['GET', 'groups', 'group', listGroups],
  ['POST', 'groups', 'group', createGroup],
  ['GET', 'groups/contents', 'group', groupContents],
  ['GET', 'groups/shared', 'group', sharedGroups],
  ['GET', 'groups/*', 'group', getGroup],
  ['PATCH', 'groups/*', 'group', updateGroup],
  ['DELETE', 'groups/*', 'group', trashGroup],
  ['GET', 'groups/*/contents', 'group', groupContents],
  ['POST', 'groups/*/trash', 'group', trashGroup],
  ['POST', 'groups/*/untrash', 'group', untrashGroup],

  ['GET', 'links', 'link', listLinks],
  ['POST', 'links', 'link', createLink],
  ['GET', 'links/*', 'link', getLink],
  ['PATCH', 'links/*', 'link', updateLink],
  ['DELETE', 'links/*', 'link', deleteLink],
  ['GET', 'permissions/*', 'link', listPermissions],

  ['GET', 'sharing_links', 'sharing_link', listSharingLinks],
  ['POST', 'sharing_links', 'sharing_link', createSharingLink],
  ['GET', 'sharing_links/*', 'sharing_link', getSharingLink],
  ['DELETE', 'sharing_links/*', 'sharing_link', deleteSharingLink],
  ['GET', 'audience/*', 'audience', getAudience],
  ['POST', 'users/*/transfer', 'transfer', transferUser],

  ['GET', 'search', 'search', searchRecords],

  ['GET', 'workflows', 'workflow', noWorkflows],

  ['GET', 'logs', 'log', listLogs],
  ['POST', 'logs', 'log', createLog],
];
const BASE = '/arvados/v1/';
/** A request for one of these without a token gets what is public. */
const PUBLIC_PATHS = /^\/arvados\/v1\/(collections\/[^/]+|groups\/[0-9a-z]{5}-j7d0g-[0-9a-z]{15}(\/contents)?)$/;

/** A call before its route is known: the route names the record in the body. */
type Accepted = Omit<ApiCall, 'path' | 'record' | 'body'> & { request: Request };

const routes = createRouteTable<[Accepted, EmbeddedApi]>(
  ROUTES.map(([methods, path, record, handler]) => [
    methods,
    new RegExp(`^${BASE}${path.replace('*', '(?<uuid>[^/]+)')}$`),
    ({ request, ...accepted }, api, params) => {
      const body = new BodyReader(request, record);
      return handler({ ...accepted, path: Object.values(params), record, body }, api).finally(() => body.release());
    },
  ]),
);

/** The API below /arvados/v1 and the discovery document: answered here, or forwarded to the cluster's API server. */
export async function arvadosApi(context: RequestContext, { api }: ApiDependencies): Promise<Response> {
  if (context.method === 'OPTIONS') return new Response(null, { headers: API_CORS });
  const response = await attempt(context, api);
  for (const [name, value] of Object.entries(API_CORS)) response.headers.set(name, value);
  return response;
}

async function attempt(context: RequestContext, api: ApiDependencies['api']): Promise<Response> {
  try {
    requireAdmitted(context);
    if (api === null)
      throw new KeepError('not_found', {
        message: 'Path not found: this service has neither a database (DB, MANIFESTS) nor an API_HOST',
      });
    if (api.mode === 'cluster') return await besideCluster(context, api);
    return await dispatch(context, api);
  } catch (error) {
    context.error = error;
    return errorAnswer(error, context.requestId);
  }
}

/**
 * The request's tokens without those that a browser sends by itself (cookie, HTTP Basic): it does so also for a page of
 * another site or an uploaded HTML file.
 */
function statedTokens({ request }: RequestContext): string[] {
  return requestTokens(request, { ambient: false });
}

const READING = new Set(['GET', 'HEAD', 'OPTIONS']);
const ONE_COLLECTION = /^\/arvados\/v1\/collections\/([0-9a-z]{5}-4zz18-[0-9a-z]{15})(\/.*)?$/s;

/** A change that passes through here sees the locks of WebDAV clients, and is seen at once by what reads files here. */
async function forwardChange(uuid: string, context: RequestContext, api: ClusterApi): Promise<Response> {
  const { commits } = api;
  if (commits === null || !api.forward) return forwardToCluster(context, api);
  const isUpdate = ['PATCH', 'PUT'].includes(context.method);
  if (isUpdate && isSet(queryParameters(context.url.searchParams), 'must_be_new'))
    return changeIfNew(uuid, statedTokens(context), context, api, commits);
  const [held] = await commits.locks(uuid);
  if (held !== undefined) throw lockedByClient(held);
  try {
    return await forwardToCluster(context, api);
  } finally {
    await commits.changed(uuid);
  }
}

/** Everything but the upload log is the cluster's. */
async function besideCluster(context: RequestContext, api: ClusterApi): Promise<Response> {
  const { method, path, url, signal } = context;
  const tokens = statedTokens(context);
  if (path !== `${BASE}upload_log` || method !== 'GET' || api.uploadLog === null) {
    const uuid = READING.has(method) ? undefined : ONE_COLLECTION.exec(path)?.[1];
    return uuid === undefined ? forwardToCluster(context, api) : forwardChange(uuid, context, api);
  }
  const user = await requireUser(api.authority, { tokens, method, path, signal });
  return listUploads({ user, parameters: queryParameters(url.searchParams) }, api.uploadLog);
}

async function dispatch(context: RequestContext, api: EmbeddedApi): Promise<Response> {
  const path = context.path.length > 1 ? context.path.replace(/\/$/, '') : context.path;
  const open = await openRoutes(context.method, path, context, api);
  if (open !== undefined) return open;
  const { method, request, form } = await settleMethod(context);
  const stated = statedTokens(context);
  const isPublic = stated.length === 0 && method === 'GET' && PUBLIC_PATHS.test(path);
  const tokens = isPublic ? [api.facts.anonymousToken] : stated;
  const account = await requireAccount(api.authority, { tokens, method, path, signal: context.signal });
  const { user } = account;
  if (user === null) throw new KeepError('forbidden');
  context.log.userUUID = user.uuid;
  await api.builtIns();
  const parameters = { ...queryParameters(context.url.searchParams), ...queryParameters(form) };
  const accepted = { context, parameters, request, account, user, token: tokens[0] ?? '' };
  const response = await routes(method, path, accepted, api).catch((error: unknown) => {
    throw isPublic && isKeepError(error, 'not_found') ? new KeepError('no_token') : error;
  });
  if (response === undefined) throw new KeepError('not_found', { message: 'Path not found' });
  if (method !== 'GET') {
    api.search.catchUpSoon();
    api.near.changed();
  }
  return response;
}

/** PUT means PATCH, HEAD means GET, and POST may name another method. */
async function settleMethod({
  request,
  url,
  method,
}: RequestContext): Promise<{ method: string; request: Request; form: URLSearchParams }> {
  const none = new URLSearchParams();
  const plain = method === 'PUT' ? 'PATCH' : method === 'HEAD' ? 'GET' : method;
  if (method !== 'POST') return { method: plain, request, form: none };
  const asked = request.headers.get('X-HTTP-Method-Override') ?? url.searchParams.get('_method');
  const isForm = /^application\/x-www-form-urlencoded\b/i.test(request.headers.get('Content-Type') ?? '');
  const isShort = Number(request.headers.get('Content-Length') ?? Number.POSITIVE_INFINITY) <= MAX_QUERY_FORM_BYTES;
  if (asked === null && !(isForm && isShort)) return { method: plain, request, form: none };
  if (!isForm) return { method: checkMethod(asked ?? 'POST'), request, form: none };
  if (!isShort) throw new KeepError('too_large', { message: 'a query in a form is too long' });
  const text = await requestText(request);
  const form = new URLSearchParams(text);
  const override = asked ?? form.get('_method');
  if (override === null) return { method: plain, request: withBody(request, text), form: none };
  const settled = checkMethod(override);
  if (settled === 'GET') return { method: settled, request: withBody(request, ''), form };
  return { method: settled, request: withBody(request, text), form: none };
}

const MAX_QUERY_FORM_BYTES = 1024 * 1024;

function withBody(request: Request, body: string): Request {
  return new Request(request.url, { method: 'POST', headers: request.headers, body });
}

function checkMethod(text: string): string {
  const method = text.toUpperCase();
  if (method === 'PUT') return 'PATCH';
  if (['GET', 'POST', 'PATCH', 'DELETE'].includes(method)) return method;
  throw new KeepError('bad_request', { message: 'unknown method override' });
}
