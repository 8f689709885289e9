import { S3Error } from './errors.ts';

/**
 * `bytes=first-last` of UploadPartCopy: both must be there and in the source. Null is all of it.
 * @throws S3Error InvalidArgument, InvalidRange
 */
export function parseByteRange(header: string | null, size: number): { offset: number; length: number } {
  if (header === null) return { offset: 0, length: size };
  const [, first, last] = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header) ?? [];
  if (first === undefined || Number(first) > Number(last))
    throw new S3Error(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
    );
  if (Number(last) >= size)
    throw new S3Error('InvalidRange', `Range specified is not valid for source object of size: ${size}`);
  return { offset: Number(first), length: Number(last) - Number(first) + 1 };
}
