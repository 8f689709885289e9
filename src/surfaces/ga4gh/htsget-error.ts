import { BadGenomicFile } from '../../genomics/ranged-file.ts';
import { failureOf } from '../../http/error-response.ts';
import { isKeepError } from '../../keep/errors.ts';

/** Errors that htsget names, and their status. */
const STATUS = {
  InvalidAuthentication: 401,
  PermissionDenied: 403,
  NotFound: 404,
  PayloadTooLarge: 413,
  UnsupportedFormat: 400,
  InvalidInput: 400,
  InvalidRange: 400,
} as const;

export type HtsgetErrorName = keyof typeof STATUS;

export class HtsgetError extends Error {
  override name = 'HtsgetError';
  readonly error: HtsgetErrorName;

  constructor(error: HtsgetErrorName, message: string) {
    super(message);
    this.error = error;
  }
}

const NAMES: Partial<Record<number, HtsgetErrorName>> = {
  400: 'InvalidInput',
  401: 'InvalidAuthentication',
  403: 'PermissionDenied',
  404: 'NotFound',
  413: 'PayloadTooLarge',
};

/** Anything thrown as htsget writes errors. */
export function htsgetError(error: unknown): Response {
  const { status, name, message, headers } = describe(error);
  return Response.json(
    { htsget: { error: name, message } },
    { status, headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers } },
  );
}

function describe(error: unknown): { status: number; name: string; message: string; headers?: Record<string, string> } {
  if (error instanceof HtsgetError) return { status: STATUS[error.error], name: error.error, message: error.message };
  if (error instanceof BadGenomicFile)
    return {
      status: 400,
      name: 'UnsupportedFormat',
      message: `the file or its index cannot be used: ${error.message}`,
    };
  const { status, message, headers } = failureOf(error);
  const challenge = isKeepError(error) && status === 401 ? { 'WWW-Authenticate': 'Bearer realm="htsget"' } : {};
  return { status, name: NAMES[status] ?? 'InternalError', message, headers: { ...headers, ...challenge } };
}
