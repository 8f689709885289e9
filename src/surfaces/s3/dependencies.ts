import type { Authority } from '../../accounts/account.ts';
import type { S3Keys } from '../../accounts/s3-keys.ts';
import type { FileDependencies, FileSettings } from '../../files/dependencies.ts';
import type { Writing } from '../../files/writing.ts';
import type { S3Hosts } from './address.ts';

/** What an operator can set about S3. */
export interface S3Settings extends S3Hosts {
  clusterId: string;
  /** Opens what is public; null: nothing is, without a signature. */
  anonymousToken: string | null;
  /** Host (and port) of WEBDAV_DOWNLOAD, where cookies may open files; null when every host may be it. */
  downloadHost: string | null;
}

/** The dependencies of this surface. */
export interface S3Dependencies extends FileDependencies {
  downloads: FileSettings;
  s3: S3Settings;
  keys: S3Keys;
  authority: Authority;
  /** Null: nothing can be changed here. */
  writing: Writing | null;
}
