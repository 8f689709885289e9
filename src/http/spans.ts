import { describeError } from '../keep/redact.ts';
import type { RequestContext } from './context.ts';
import { surfaceOf } from './surface-of.ts';

type Attributes = Record<string, string | number | boolean>;

interface Span {
  /** Whether this request is sampled. */
  readonly isTraced: boolean;
  setAttributes(attributes: Attributes): unknown;
  recordException(exception: { name: string; message: string }): void;
  setStatus(status: { code: 'error'; message: string }): unknown;
}

/** The part of the platform's tracing that is used (developers.cloudflare.com/workers/observability/traces/custom-spans). */
export interface Tracing {
  /** The span ends when the work's promise settles; spans that are made meanwhile are its children. */
  enterSpan<Result>(name: string, work: (span: Span) => Result): Result;
  getActiveSpan(): Span | undefined;
}

export interface Spans {
  inSpan<Result>(name: string, attributes: Attributes, work: () => Promise<Result>): Promise<Result>;
  /** Lets a trace be found by the id of its request, and be grouped by what was asked. Returns whether there is one. */
  nameTrace(context: Pick<RequestContext, 'requestId' | 'path'>): boolean;
}

/** @param known whether the request at hand is sampled, if that is known: each span is an object, also where none is sampled */
export function createSpans(tracing: Tracing, known: () => boolean | null): Spans {
  return {
    inSpan(name, attributes, work) {
      // Outside of any custom span the active one is the invocation's own.
      if (!(known() ?? tracing.getActiveSpan()?.isTraced)) return work();
      return tracing.enterSpan(name, async (span) => {
        span.setAttributes(attributes);
        try {
          return await work();
        } catch (error) {
          const message = describeError(error);
          span.recordException({ name: error instanceof Error ? error.name : 'Error', message });
          span.setStatus({ code: 'error', message });
          throw error;
        }
      });
    },
    nameTrace({ requestId, path }) {
      const span = tracing.getActiveSpan();
      if (!span?.isTraced) return false;
      span.setAttributes({ 'keep.request_id': requestId, 'keep.surface': surfaceOf(path) });
      return true;
    },
  };
}
