import { type RequestContext, requireAdmitted } from '../../http/context.ts';
import { createRouteTable, type PathParameters, type Route } from '../../http/route-table.ts';
import { KeepError } from '../../keep/errors.ts';
import { VERSION } from '../../keep/version.ts';
import { originOf } from './access-url.ts';
import type { Ga4ghDependencies } from './dependencies.ts';
import {
  authorizations,
  bulkAccess,
  bulkAuthorizations,
  bulkObjects,
  drsError,
  drsServiceInfo,
  getAccess,
  getObject,
} from './drs.ts';
import { htsgetTicket } from './htsget.ts';
import { htsgetError } from './htsget-error.ts';
import { type Datatype, FORMATS } from './htsget-query.ts';

const DRS = '\\/ga4gh\\/drs\\/v1';
const HTSGET = '\\/ga4gh\\/htsget\\/v1';

type Args = [context: RequestContext, deps: Ga4ghDependencies];
type Handler = (...args: [...Args, PathParameters]) => Response | Promise<Response>;

const ROUTES: Route<Args>[] = [
  ['GET HEAD', new RegExp(`^${DRS}\\/service-info$`), drs((context, deps) => drsServiceInfo(context, deps, VERSION))],
  ['POST', new RegExp(`^${DRS}\\/objects$`), drs(bulkObjects)],
  ['OPTIONS', new RegExp(`^${DRS}\\/objects$`), drs(bulkAuthorizations)],
  ['POST', new RegExp(`^${DRS}\\/objects\\/access$`), drs(bulkAccess)],
  [
    'GET POST',
    new RegExp(`^${DRS}\\/objects\\/(?<id>[^/]+)\\/access\\/(?<access>[^/]+)$`),
    drs((context, deps, { id = '', access = '' }) => getAccess(context, deps, id, access)),
  ],
  [
    'GET HEAD POST',
    new RegExp(`^${DRS}\\/objects\\/(?<id>.+)$`, 's'),
    drs((context, deps, { id = '' }) => getObject(context, deps, id)),
  ],
  [
    'OPTIONS',
    new RegExp(`^${DRS}\\/objects\\/(?<id>.+)$`, 's'),
    drs((context, deps, { id = '' }) => authorizations(context, deps, id)),
  ],
  ['ALL', new RegExp(`^${DRS}(\\/.*)?$`, 's'), drs(noSuchRoute)],

  [
    'GET HEAD',
    new RegExp(`^${HTSGET}\\/(?<datatype>reads|variants)\\/service-info$`),
    htsget((context, deps, { datatype }) => htsgetServiceInfo(context, deps, datatype as Datatype)),
  ],
  [
    'GET POST',
    new RegExp(`^${HTSGET}\\/(?<datatype>reads|variants)\\/(?<id>.+)$`, 's'),
    htsget((context, deps, { datatype, id = '' }) => htsgetTicket(context, deps, datatype as Datatype, id)),
  ],
  ['ALL', /^\/ga4gh(\/.*)?$/s, htsget(noSuchRoute)],
];

const dispatch = createRouteTable(ROUTES);

/** DRS 1.5 and htsget 1.3 over collections. Errors become answers here: nothing is thrown. */
export async function ga4gh(context: RequestContext, deps: Ga4ghDependencies): Promise<Response> {
  const { request } = context;
  const isPreflight = request.method === 'OPTIONS' && request.headers.has('Access-Control-Request-Method');
  const response = isPreflight
    ? new Response(null, { status: 204 })
    : ((await dispatch(context.method, context.path, context, deps)) ?? htsgetError(notFound()));
  return withCors(request, response);
}

function noSuchRoute(): Promise<Response> {
  return Promise.reject(notFound());
}

function notFound(): KeepError {
  return new KeepError('not_found', { message: 'there is nothing at this address' });
}

function drs(handler: Handler): Handler {
  return (...args) => attempt(handler, args, drsError);
}

function htsget(handler: Handler): Handler {
  return (...args) => attempt(handler, args, htsgetError);
}

async function attempt(
  handler: Handler,
  args: Parameters<Handler>,
  onError: (error: unknown) => Response,
): Promise<Response> {
  try {
    requireAdmitted(args[0]);
    return await handler(...args);
  } catch (error) {
    args[0].error = error;
    return onError(error);
  }
}

function htsgetServiceInfo(context: RequestContext, { settings }: Ga4ghDependencies, datatype: Datatype): Response {
  return Response.json({
    id: `${settings.clusterId}.htsget.${datatype}`,
    name: `Keep collections of ${settings.clusterId}: ${datatype}`,
    type: { group: 'org.ga4gh', artifact: 'htsget', version: '1.3.0' },
    organization: { name: settings.clusterId, url: originOf(context) },
    version: VERSION,
    htsget: {
      datatype,
      formats: FORMATS[datatype],
      fieldsParameterEffective: false,
      tagsParametersEffective: false,
    },
  });
}

/** htsget wants the origin repeated, and what a preflight asks for allowed for 30 days. */
function withCors({ headers }: Request, response: Response): Response {
  const origin = headers.get('Origin');
  response.headers.set('Access-Control-Allow-Origin', origin ?? '*');
  response.headers.set('Vary', 'Origin, Authorization');
  response.headers.set('Access-Control-Expose-Headers', 'Retry-After, Content-Range, ETag, Accept-Ranges');
  response.headers.set('X-Content-Type-Options', 'nosniff');
  if (headers.has('Access-Control-Request-Method')) {
    response.headers.set('Access-Control-Allow-Methods', 'GET, HEAD, POST, OPTIONS');
    const asked = headers.get('Access-Control-Request-Headers') ?? 'Authorization, Content-Type, Range';
    response.headers.set('Access-Control-Allow-Headers', asked);
    response.headers.set('Access-Control-Max-Age', '2592000');
  }
  return response;
}
