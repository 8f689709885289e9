import { count, createCounter } from '../http/metrics.ts';
import type { Operation } from '../storage/instrumented-store.ts';

/** A function that counts what is asked of one volume's bucket. */
export function createStoreFigures(device: string): (operation: Operation) => void {
  const bytes = (direction: string) =>
    createCounter('arvados_keepstore_volume_io_bytes', { device_id: device, direction });
  const [countIn, countOut] = [bytes('in'), bytes('out')];
  const known = new Map<string, { operations: (by?: number) => void; seconds: (by?: number) => void }>();
  const countersOf = (operation: Operation['operation']) => {
    const labels = { device_id: device, operation };
    const counters = known.get(operation) ?? {
      operations: createCounter('arvados_keepstore_volume_operations', labels),
      seconds: createCounter('keep_edge_volume_operation_seconds_total', labels),
    };
    known.set(operation, counters);
    return counters;
  };
  return ({ operation, bytesIn, bytesOut, ms, error }) => {
    const { operations, seconds } = countersOf(operation);
    operations();
    seconds(ms / 1000);
    if (error !== null)
      count('arvados_keepstore_volume_errors', {
        device_id: device,
        error_type: error instanceof Error ? error.name : 'unknown',
      });
    if (bytesIn > 0) countIn(bytesIn);
    if (bytesOut > 0) countOut(bytesOut);
  };
}
