import { env, runInDurableObject } from 'cloudflare:test';
import { type Dependencies, dependenciesOf } from '../../../src/app/composition.ts';
import { route } from '../../../src/app/routes.ts';
import type { Env } from '../../../src/config/env.ts';
import { createContext } from '../../../src/http/context.ts';
import { measuredDatabase } from '../../support/measured-database.ts';
import { database } from './database.ts';

/** What a request has asked of the bindings, its collection's Durable Object included. */
export interface RequestCost {
  /** Round trips to D1. */
  d1: number;
  rowsRead: number;
  rowsWritten: number;
  /** Calls of buckets. */
  r2: number;
  /** Calls of Durable Objects. */
  objects: number;
}

export interface CountedAnswer {
  status: number;
  /** Where a redirect leads. */
  location: string | null;
  text: string;
  /** Until the answer was through. */
  answered: RequestCost;
  /** With what it left to be done, such as the log. */
  done: RequestCost;
}

export interface CountedService {
  deps: Dependencies;
  ask(request: Request): Promise<CountedAnswer>;
  /** The object of this collection counts as well, from now on. */
  countObject(uuid: string): Promise<void>;
}

interface Bindings {
  BLOCKS: R2Bucket;
  MANIFESTS: R2Bucket;
  COLLECTION: DurableObjectNamespace;
}

/** The whole service in this isolate, with bindings that count. @param vars laid over those of wrangler.toml */
export async function countedService(vars: Record<string, unknown> = {}): Promise<CountedService> {
  const { db, cost, reset } = measuredDatabase(await database());
  let [r2, objects] = [0, 0];
  const { BLOCKS, MANIFESTS, COLLECTION } = env as unknown as Bindings;
  const buckets = { BLOCKS: counting(BLOCKS, () => r2++), MANIFESTS: counting(MANIFESTS, () => r2++) };
  const namespace = {
    getByName: (name: string) => counting(COLLECTION.getByName(name) as unknown as object, () => objects++),
  };
  // Figures are handed over by whichever request comes when they are due.
  const bindings = { ...env, ...vars, ...buckets, DB: db, COLLECTION: namespace, FIGURES: undefined } as unknown as Env;
  const built = dependenciesOf(bindings);
  if (!built.ok) throw new Error(built.problems.join('; '));
  const { deps } = built;
  const taken = (): RequestCost => {
    const { roundTrips: d1, rowsRead, rowsWritten } = cost;
    return { d1, rowsRead, rowsWritten, r2, objects };
  };
  return {
    deps,
    async ask(request) {
      reset();
      [r2, objects] = [0, 0];
      const begun: Promise<unknown>[] = [];
      const response = await route(
        createContext(request, (work) => void begun.push(work)),
        deps,
      );
      const text = await response.text();
      const answered = taken();
      for (let at = 0; at < begun.length; at++) await begun[at];
      return { status: response.status, location: response.headers.get('Location'), text, answered, done: taken() };
    },
    async countObject(uuid) {
      await runInDurableObject(COLLECTION.getByName(uuid), (instance) => {
        Object.assign(instance, { env: bindings });
      });
    },
  };
}

/** The same object, told of each call of a method. */
function counting<Binding extends object>(binding: Binding, onCall: () => void): Binding {
  return new Proxy(binding, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) => {
        onCall();
        return Reflect.apply(value, target, given) as unknown;
      };
    },
  });
}
