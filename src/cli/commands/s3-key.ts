import { parseToken } from '../../keep/token.ts';
import { ApiError } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession, type Session } from '../session.ts';
import { print } from '../terminal.ts';

export const s3Key: Command = {
  name: 's3-key',
  summary: 'the key pair of your token, for programs that speak S3',
  usage: '[options]',
  forms: { '': [0, 0] },
  options: {
    json: { value: null, help: "as AWS's credential_process wants it" },
    retries: FEW_RETRIES,
  },
  help: `
Prints the variables that aws, boto3, rclone and other S3 programs read. The pair may do what the token may, and ends
with it; it is stored nowhere. docs/s3.md shows how to use it.

  eval "$(keep-edge s3-key)"
  aws s3 ls

In ~/.aws/config, so that no key is in a file:

  [profile keep]
  credential_process = keep-edge s3-key --json`,
  run: runS3Key,
};

async function runS3Key(given: Given): Promise<number> {
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const { accessKey, secretKey, region } = await keyPair(session);
    if (given.has('json')) print(JSON.stringify({ Version: 1, AccessKeyId: accessKey, SecretAccessKey: secretKey }));
    else
      print(
        [
          `export AWS_ACCESS_KEY_ID=${accessKey}`,
          `export AWS_SECRET_ACCESS_KEY=${secretKey}`,
          `export AWS_ENDPOINT_URL=${session.settings.apiUrl}`,
          `export AWS_DEFAULT_REGION=${region} AWS_REGION=${region}`,
        ].join('\n'),
      );
    return 0;
  } finally {
    session.close();
  }
}

/** Beside a cluster the pair is made of the token's own parts, as for the cluster's keep-web. */
async function keyPair({ api, settings }: Session): Promise<{ accessKey: string; secretKey: string; region: string }> {
  try {
    const made = await api('keep-edge/v1/s3-key', { method: 'POST' });
    return {
      accessKey: String(made.access_key_id),
      secretKey: String(made.secret_access_key),
      region: String(made.region),
    };
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    const { uuid, secret } = parseToken(settings.token);
    if (uuid === null)
      throw new CliError('This token has no UUID: S3 needs a v2 token (v2/UUID/SECRET), whose parts are the key pair.');
    return { accessKey: uuid, secretKey: secret, region: uuid.slice(0, 5) };
  }
}
