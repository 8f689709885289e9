/** Of this source; package.json has the same (docs/release.md). Health checks, logs and `keep-edge --version` tell it. */
export const VERSION = '0.2.0';
