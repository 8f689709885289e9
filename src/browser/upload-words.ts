/** Time that is left, roughly. */
export function formatLeft(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'some time';
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** In the units that speeds of hashing are given in: millions of bytes. */
export function formatSpeed(bytesPerSecond: number): string {
  return `${Math.round(bytesPerSecond / 1e6)} MB/s`;
}
