import type { RequestContext } from '../../http/context.ts';
import type { DirectoryView, FileView } from '../../pages/views.ts';
import { collectionPage } from './collection-page.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { filePage } from './file-page.ts';
import { isHome } from './hosts.ts';
import { projectPage } from './project-page.ts';
import { signInPage } from './sign-in.ts';

/** What the workspace makes of directories and files, for the surface that finds them. */
export function peoplePages(deps: WorkspaceDependencies) {
  return {
    directory(context: RequestContext, view: DirectoryView): Promise<Response> {
      return view.collection === null ? projectPage(context, deps, view) : collectionPage(context, deps, view);
    },
    file(context: RequestContext, view: FileView): Promise<Response> {
      return filePage(context, deps, view);
    },
    /** A collection's own host has no sign-in: one comes there from the workspace. */
    signIn(context: RequestContext, problem: 'invalid' | 'no_access' | null): Response | null {
      if (isHome(context.url.host, deps.settings)) return signInPage(context, deps, problem);
      return null;
    },
  };
}
