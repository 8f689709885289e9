import { tracing } from 'cloudflare:workers';
import { createSpans } from '../http/spans.ts';
import { isTraced } from './request-scope.ts';

/**
 * Spans of the platform's traces. It makes its own for each fetch, D1 statement, R2 and KV request and call of a Durable Object;
 * these say what they are for. The local runtime knows the calls and samples nothing: a trace can be looked at on the platform only.
 */
export const { inSpan, nameTrace } = createSpans(tracing, isTraced);
