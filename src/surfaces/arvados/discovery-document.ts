import { LINKS } from '../../accounts/links.ts';
import { TOKENS } from '../../accounts/tokens.ts';
import { USERS } from '../../accounts/users.ts';
import { COLLECTIONS, GROUPS, LOGS } from '../../collections/tables.ts';
import type { RequestContext } from '../../http/context.ts';
import type { ColumnType, Row, Table } from '../../records/columns.ts';
import { INFIX } from '../../records/ids.ts';
import { answer } from './answer.ts';
import type { EmbeddedApi } from './call.ts';
import { replicationTold } from './keep-services-handler.ts';

/** Date of the last change to the API below; workbench2 compares it as a number. */
const REVISION = '20261128';
/** Short: another cluster may be started at the same local address. */
const CACHE_CONTROL = 'public, max-age=60';

interface Parameter {
  type: string;
  location: 'query' | 'path';
  required?: boolean;
}
const query = (type: string): Parameter => ({ type, location: 'query' });
const SELECT = { select: query('array') };
const UUID = { uuid: { type: 'string', location: 'path', required: true } as Parameter };
const TRASH = { include_trash: query('boolean') };
const LIST = {
  filters: query('array'),
  order: query('array'),
  select: query('array'),
  distinct: query('boolean'),
  limit: query('integer'),
  offset: query('integer'),
  count: query('string'),
  ...TRASH,
  include_old_versions: query('boolean'),
};
const UNIQUE = { ensure_unique_name: query('boolean') };
const CONTENTS = {
  uuid: query('string'),
  recursive: query('boolean'),
  include: query('array'),
  exclude_home_project: query('boolean'),
};
const FILES = { replace_files: query('object'), replace_segments: query('object') };

type Method = [name: string, httpMethod: string, path: string, parameters?: Record<string, Parameter>, body?: true];

const LIST_METHOD = (path: string): Method => ['list', 'GET', path, LIST];
const GET_METHOD = (path: string, more: Record<string, Parameter> = {}): Method => [
  'get',
  'GET',
  `${path}/{uuid}`,
  { ...UUID, ...SELECT, ...more },
];
const UPDATE_METHOD = (path: string, more: Record<string, Parameter> = {}): Method => [
  'update',
  'PUT',
  `${path}/{uuid}`,
  { ...UUID, ...SELECT, ...more },
  true,
];
const DELETE_METHOD = (path: string): Method => ['delete', 'DELETE', `${path}/{uuid}`, UUID];
const TRASH_METHODS = (path: string): Method[] => [
  ['trash', 'POST', `${path}/{uuid}/trash`, UUID],
  ['untrash', 'POST', `${path}/{uuid}/untrash`, { ...UUID, ...UNIQUE }],
];

interface Resource {
  /** Null: its answers have no schema. */
  schema: string | null;
  /** Name of the record in a body. */
  record: string;
  methods: Method[];
}

const RESOURCES: Record<string, Resource> = {
  configs: { schema: null, record: 'config', methods: [['get', 'GET', 'config']] },
  users: {
    schema: 'User',
    record: 'user',
    methods: [
      ['current', 'GET', 'users/current'],
      LIST_METHOD('users'),
      GET_METHOD('users'),
      ['create', 'POST', 'users', SELECT, true],
      ['setup', 'POST', 'users/setup', { uuid: query('string'), send_notification_email: query('boolean') }],
      ['activate', 'POST', 'users/{uuid}/activate', UUID],
      ['unsetup', 'POST', 'users/{uuid}/unsetup', UUID],
      UPDATE_METHOD('users'),
    ],
  },
  api_client_authorizations: {
    schema: 'ApiClientAuthorization',
    record: 'api_client_authorization',
    methods: [
      ['current', 'GET', 'api_client_authorizations/current'],
      LIST_METHOD('api_client_authorizations'),
      GET_METHOD('api_client_authorizations'),
      ['create', 'POST', 'api_client_authorizations', SELECT, true],
      UPDATE_METHOD('api_client_authorizations'),
      DELETE_METHOD('api_client_authorizations'),
    ],
  },
  keep_services: {
    schema: null,
    record: 'keep_service',
    methods: [
      ['accessible', 'GET', 'keep_services/accessible'],
      LIST_METHOD('keep_services'),
      GET_METHOD('keep_services'),
      ['create', 'POST', 'keep_services', SELECT, true],
      UPDATE_METHOD('keep_services'),
      DELETE_METHOD('keep_services'),
    ],
  },
  collections: {
    schema: 'Collection',
    record: 'collection',
    methods: [
      LIST_METHOD('collections'),
      GET_METHOD('collections', TRASH),
      ['create', 'POST', 'collections', { ...SELECT, ...UNIQUE, ...FILES }, true],
      UPDATE_METHOD('collections', { ...FILES, must_be_new: query('boolean'), unchanged_from: query('string') }),
      DELETE_METHOD('collections'),
      ...TRASH_METHODS('collections'),
      ['restore_version', 'POST', 'collections/{uuid}/restore_version', UUID],
    ],
  },
  groups: {
    schema: 'Group',
    record: 'group',
    methods: [
      LIST_METHOD('groups'),
      GET_METHOD('groups', TRASH),
      ['create', 'POST', 'groups', { ...SELECT, ...UNIQUE }, true],
      UPDATE_METHOD('groups'),
      DELETE_METHOD('groups'),
      ...TRASH_METHODS('groups'),
      ['contents', 'GET', 'groups/contents', { ...LIST, ...CONTENTS }],
      ['shared', 'GET', 'groups/shared', { ...LIST, include: query('string') }],
    ],
  },
  links: {
    schema: 'Link',
    record: 'link',
    methods: [
      LIST_METHOD('links'),
      GET_METHOD('links'),
      ['create', 'POST', 'links', SELECT, true],
      UPDATE_METHOD('links'),
      DELETE_METHOD('links'),
      ['get_permissions', 'GET', 'permissions/{uuid}', { ...LIST, ...UUID }],
    ],
  },
  logs: { schema: 'Log', record: 'log', methods: [LIST_METHOD('logs'), ['create', 'POST', 'logs', SELECT, true]] },
  // arv-copy asks for the workflows of a project: there are none here.
  workflows: { schema: null, record: 'workflow', methods: [LIST_METHOD('workflows')] },
};

const SCHEMAS: Record<string, [table: Table, infix: string]> = {
  User: [USERS, INFIX.user],
  ApiClientAuthorization: [TOKENS, INFIX.token],
  Collection: [COLLECTIONS, INFIX.collection],
  Group: [GROUPS, INFIX.group],
  Link: [LINKS, INFIX.link],
  Log: [LOGS, INFIX.log],
};

/** The Python client reads schemas for its help and fails on an incomplete one. */
const SCHEMA_TYPES: Record<ColumnType, Row> = {
  text: { type: 'string' },
  time: { type: 'string', format: 'date-time' },
  integer: { type: 'integer' },
  boolean: { type: 'boolean' },
  array: { type: 'array', items: { type: 'string' } },
  object: { type: 'object', additionalProperties: { type: 'any' } },
};

/** The document from which clients build their methods. Needs no token. */
export async function discoveryDocument(context: RequestContext, api: EmbeddedApi): Promise<Response> {
  const { facts } = api;
  const { url } = context;
  const rootUrl = `${url.origin}/`;
  const document = {
    kind: 'discovery#restDescription',
    discoveryVersion: 'v1',
    id: 'arvados:v1',
    name: 'arvados',
    version: 'v1',
    revision: REVISION,
    title: 'Keep at the edge',
    protocol: 'rest',
    rootUrl,
    baseUrl: `${rootUrl}arvados/v1/`,
    basePath: '/arvados/v1/',
    servicePath: 'arvados/v1/',
    batchPath: 'batch',
    parameters: { alt: { type: 'string', location: 'query', default: 'json', enum: ['json'] } },
    auth: {},
    uuidPrefix: facts.clusterId,
    defaultCollectionReplication: await replicationTold(context, api),
    blobSignatureTtl: facts.blobSigningTtlSeconds,
    defaultTrashLifetime: facts.trashLifetimeSeconds,
    maxItemsPerResponse: 1000,
    maxRequestSize: 0,
    keepWebServiceUrl: rootUrl,
    keepProxyUrl: rootUrl,
    remoteHosts: {},
    remoteHostsViaDNS: false,
    schemas: schemas(),
    resources: Object.fromEntries(
      Object.entries(RESOURCES).map(([name, resource]) => [name, { methods: methodsOf(name, resource) }]),
    ),
  };
  return answer(document, { 'Cache-Control': CACHE_CONTROL });
}

function methodsOf(resource: string, { schema, record, methods }: Resource): Row {
  return Object.fromEntries(
    methods.map(([name, httpMethod, path, parameters = {}, body]) => {
      const response = schema === null ? {} : { $ref: name === 'list' ? `${schema}List` : schema };
      const properties = { [record]: schema === null ? { type: 'object' } : { $ref: schema } };
      const request = body === true ? { request: { required: true, properties } } : {};
      return [
        name,
        {
          id: `arvados.${resource}.${name}`,
          path,
          httpMethod,
          description: '',
          parameters,
          response,
          scopes: [],
          ...request,
        },
      ];
    }),
  );
}

function schemas(): Row {
  return Object.fromEntries(
    Object.entries(SCHEMAS).flatMap(([name, [table, infix]]) => {
      const properties = Object.fromEntries(
        Object.entries(table.columns).map(([column, { type }]) => [column, SCHEMA_TYPES[type]]),
      );
      const list = {
        kind: { type: 'string' },
        items: { type: 'array', items: { $ref: name } },
        items_available: { type: 'integer' },
        limit: { type: 'integer' },
        offset: { type: 'integer' },
      };
      return [
        [name, { id: name, type: 'object', uuidPrefix: infix, properties }],
        [`${name}List`, { id: `${name}List`, type: 'object', properties: list }],
      ];
    }),
  );
}
