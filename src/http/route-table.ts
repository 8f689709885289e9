import { type IRequest, IttyRouter, type RouteEntry } from 'itty-router';

/** What the named groups of a route's expression matched, percent-decoded. */
export type PathParameters = Readonly<Record<string, string>>;

/** Methods separated by spaces, or ALL; an expression for the percent-decoded path; a handler for the caller's arguments. */
export type Route<Args extends unknown[]> = [
  methods: string,
  path: RegExp,
  handler: (...args: [...Args, PathParameters]) => Response | Promise<Response>,
];

/**
 * A table of routes as a function; the first match wins, and what matches no route is undefined.
 * @returns a function of the method, the percent-decoded path and the arguments of the handlers
 */
export function createRouteTable<Args extends unknown[]>(
  routes: Route<Args>[],
): (method: string, path: string, ...args: Args) => Promise<Response | undefined> {
  const router = IttyRouter({
    routes: routes.flatMap(([methods, path, handler]) =>
      methods
        .split(' ')
        .map(
          (method): RouteEntry => [
            method,
            path,
            [({ params, args }: IRequest) => handler(...(args as Args), decoded(params))],
            path.source,
          ],
        ),
    ),
  });
  return (method, path, ...args) => {
    const url = `http://route${encodeURI(path.toWellFormed()).replace(/[?#]/g, encodeURIComponent)}`;
    // itty-router reads only method and url; the arguments travel in the request.
    return router.fetch({ method, url, args } as unknown as IRequest);
  };
}

function decoded(params: Record<string, string>): PathParameters {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, decodeURIComponent(value)]));
}
