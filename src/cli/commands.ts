import { adopt } from './adopt/adopt-command.ts';
import type { Command } from './command.ts';
import { backup } from './commands/backup.ts';
import { balance } from './commands/balance.ts';
import { cat } from './commands/cat.ts';
import { check } from './commands/check.ts';
import { exportCommand, importCommand } from './commands/cluster-copy.ts';
import { completionCommand } from './commands/completion.ts';
import { cp, mv } from './commands/copy.ts';
import { deployConfig } from './commands/deploy-config.ts';
import { doctor } from './commands/doctor.ts';
import { drs } from './commands/drs.ts';
import { erase } from './commands/erase.ts';
import { group } from './commands/group.ts';
import { ls } from './commands/ls.ts';
import { manifest } from './commands/manifest.ts';
import { mkdir } from './commands/mkdir.ts';
import { restore } from './commands/restore.ts';
import { rm } from './commands/rm.ts';
import { s3Key } from './commands/s3-key.ts';
import { search } from './commands/search.ts';
import { services } from './commands/services.ts';
import { share } from './commands/share.ts';
import { sign } from './commands/sign.ts';
import { token } from './commands/token.ts';
import { uploader } from './commands/uploader.ts';
import { usage } from './commands/usage.ts';
import { user } from './commands/user.ts';
import { restoreVersion, versions } from './commands/versions.ts';
import { get } from './get/get-command.ts';
import { put } from './put/put-command.ts';

export const COMMANDS: readonly Command[] = [
  put,
  get,
  ls,
  cat,
  cp,
  mv,
  rm,
  mkdir,
  manifest,
  drs,
  s3Key,
  sign,
  search,
  share,
  uploader,
  user,
  token,
  group,
  adopt,
  balance,
  backup,
  restore,
  check,
  exportCommand,
  importCommand,
  usage,
  versions,
  restoreVersion,
  erase,
  services,
  doctor,
  deployConfig,
  completionCommand(() => COMMANDS),
];

export function findCommand(name: string): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}

/** `keep-edge --help` */
export function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length)) + 2;
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`);
  return `keep-edge: large data into Arvados Keep and out of it, resumable

Usage: keep-edge COMMAND ...

${lines.join('\n')}

keep-edge COMMAND --help says more about each; keep-edge --version prints the version.

Settings are those of other Arvados programs, from the environment or ~/.config/arvados/settings.conf:
  ARVADOS_API_HOST           host[:port], or with a scheme for a local service: http://127.0.0.1:8787
  ARVADOS_API_TOKEN          who you are
  ARVADOS_API_HOST_INSECURE  1 accepts any certificate
  ARVADOS_KEEP_SERVICES      base URLs of Keep services, in place of those that the API server lists
`;
}
