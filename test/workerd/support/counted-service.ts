import { env, runInDurableObject } from 'cloudflare:test';
import { type Dependencies, dependenciesOf } from '../../../src/app/composition.ts';
import { route } from '../../../src/app/routes.ts';
import type { Env } from '../../../src/config/env.ts';
import { createContext } from '../../../src/http/context.ts';
import { measuredDatabase } from '../../support/measured-database.ts';
import { createTrips } from '../../support/trips.ts';
import { database } from './database.ts';
import { withHeldStatements } from './held-statements.ts';

/** What a request has asked of the bindings, its collection's Durable Object included. */
export interface RequestCost {
  /** Round trips to D1. */
  d1: number;
  statements: number;
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
  /** What the answer waited for, one after the other. */
  trips: string[];
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
  const trips = createTrips();
  const held = withHeldStatements(await database());
  const { db, cost, reset } = measuredDatabase(held.db, trips);
  let [r2, objects] = [0, 0];
  const { BLOCKS, MANIFESTS, COLLECTION } = env as unknown as Bindings;
  const bucket = (name: string, binding: R2Bucket) =>
    counting(binding, (method, call) => {
      r2++;
      return trips.take(`${name}: ${method}`, call);
    });
  const buckets = { BLOCKS: bucket('BLOCKS', BLOCKS), MANIFESTS: bucket('MANIFESTS', MANIFESTS) };
  const namespace = {
    getByName: (name: string) =>
      counting(COLLECTION.getByName(name) as unknown as object, (method, call) => {
        objects++;
        trips.goThere(`object: ${method}`);
        return call();
      }),
  };
  // Figures are handed over by whichever request comes when they are due.
  const bindings = { ...env, ...vars, ...buckets, DB: db, COLLECTION: namespace, FIGURES: undefined } as unknown as Env;
  const built = dependenciesOf(bindings);
  if (!built.ok) throw new Error(built.problems.join('; '));
  const { deps } = built;
  const taken = (): RequestCost => {
    const { roundTrips: d1, statements, rowsRead, rowsWritten } = cost;
    return { d1, statements, rowsRead, rowsWritten, r2, objects };
  };
  return {
    deps,
    async ask(request) {
      reset();
      trips.reset();
      held.hold();
      [r2, objects] = [0, 0];
      const begun: Promise<unknown>[] = [];
      const response = await route(
        createContext(request, (work) => void begun.push(work)),
        deps,
      );
      const text = await response.text();
      const answered = { trips: trips.inSequence(), answered: taken() };
      held.release();
      for (let at = 0; at < begun.length; at++) await begun[at];
      await trips.settled();
      const location = response.headers.get('Location');
      return { status: response.status, location, text, ...answered, done: taken() };
    },
    async countObject(uuid) {
      await runInDurableObject(COLLECTION.getByName(uuid), (instance) => {
        Object.assign(instance, { env: bindings });
      });
    },
  };
}

/** The same object, told of each call of a method. */
function counting<Binding extends object>(
  binding: Binding,
  onCall: (method: string, call: () => Promise<unknown>) => Promise<unknown>,
): Binding {
  return new Proxy(binding, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) =>
        onCall(String(name), () => Reflect.apply(value, target, given) as Promise<unknown>);
    },
  });
}
