/** What the named groups of a route's expression matched. */
export type PathParameters = Readonly<Record<string, string>>;

/** Methods separated by spaces, or ALL; an expression for the percent-decoded path; a handler for the caller's arguments. */
export type Route<Args extends unknown[]> = [
  methods: string,
  path: RegExp,
  handler: (...args: [...Args, PathParameters]) => Response | Promise<Response>,
];

/**
 * A table of routes as a function; the first match wins, and what matches no route is undefined. A single dot as a component means
 * nothing (Go clients send it).
 * @returns a function of the method, the percent-decoded path and the arguments of the handlers
 */
export function createRouteTable<Args extends unknown[]>(
  routes: Route<Args>[],
): (method: string, path: string, ...args: Args) => Response | Promise<Response> | undefined {
  const table = routes.map(([methods, path, handler]) => ({ methods: new Set(methods.split(' ')), path, handler }));
  return (method, path, ...args) => {
    const wanted = withoutDots(path);
    for (const { methods, path: expression, handler } of table) {
      if (!methods.has(method) && !methods.has('ALL')) continue;
      const match = expression.exec(wanted);
      if (match !== null) return handler(...args, match.groups ?? {});
    }
    return undefined;
  };
}

function withoutDots(path: string): string {
  return path.includes('/.') ? path.replace(/(\/\.)+(?=\/|$)/g, '') || '/' : path;
}
