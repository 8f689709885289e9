/** The ETag if it is the MD5 of the content: stored in one part, and not encrypted with a customer's or KMS key. */
export function attestedMd5(headers: Headers): string | null {
  const encryption = headers.get('x-amz-server-side-encryption') ?? '';
  if (encryption.startsWith('aws:kms') || headers.has('x-amz-server-side-encryption-customer-algorithm')) return null;
  return /^"?([0-9a-f]{32})"?$/.exec(headers.get('etag') ?? '')?.[1] ?? null;
}
