/**
 * Arvados' permission rules, plain and slow: from a user downwards over everything there is. It shares nothing with the
 * service's own way, which goes from a record upwards in SQL.
 */
export interface World {
  /** Users by UUID; an uploader account has an owner. */
  users: Map<string, { owner: string | null }>;
  roles: Set<string>;
  projects: Map<string, { owner: string; trashed: boolean }>;
  collections: Map<string, { owner: string; trashed: boolean; modified: number }>;
  /** Permission links, at most one for each tail and head. */
  links: { tail: string; head: string; level: number }[];
  everyone: string;
  anonymous: string;
}

/** What a user reaches: a level for each record, by the best path. */
export function reach(world: World, user: string): Map<string, number> {
  const found = new Map<string, number>();
  /** Nodes whose links and possessions count, with the level that gets through. */
  const open: { node: string; level: number; acts: boolean; owns: boolean }[] = [];
  const visit = (node: string, level: number, acts: boolean, owns: boolean) => {
    found.set(node, Math.max(found.get(node) ?? 0, level));
    open.push({ node, level, acts, owns });
  };
  const done = new Set<string>();
  visit(user, 3, true, true);
  if (world.users.get(user)?.owner === null) {
    visit(world.everyone, 2, true, false);
    visit(world.anonymous, 1, true, false);
  }
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const key = JSON.stringify(next);
    if (done.has(key)) continue;
    done.add(key);
    const { node, level, acts, owns } = next;
    if (owns) {
      for (const [uuid, { owner }] of world.projects) if (owner === node) visit(uuid, level, false, true);
      for (const [uuid, { owner }] of world.collections) if (owner === node) visit(uuid, level, false, false);
      for (const [uuid, { owner }] of world.users) if (owner === node) visit(uuid, level, false, true);
    }
    if (!acts) continue;
    for (const link of world.links) {
      if (link.tail !== node) continue;
      const least = Math.min(level, link.level);
      if (world.roles.has(link.head)) visit(link.head, least, true, false);
      else if (world.users.has(link.head)) visit(link.head, least, false, link.level === 3);
      else visit(link.head, least, false, world.projects.has(link.head));
    }
  }
  // Every person sees every role.
  if (world.users.get(user)?.owner === null)
    for (const role of world.roles) found.set(role, Math.max(found.get(role) ?? 0, 1));
  return found;
}

/** Whether a record is inside a trashed project, at whatever depth. */
export function isInsideTrash(world: World, uuid: string): boolean {
  const owner = (world.projects.get(uuid) ?? world.collections.get(uuid))?.owner;
  const above = owner === undefined ? undefined : world.projects.get(owner);
  return owner !== undefined && above !== undefined && (above.trashed || isInsideTrash(world, owner));
}

/** Whether a project lies inside another, or is it. */
export function isWithin(world: World, uuid: string, outer: string): boolean {
  if (uuid === outer) return true;
  const owner = world.projects.get(uuid)?.owner;
  return owner !== undefined && isWithin(world, owner, outer);
}
