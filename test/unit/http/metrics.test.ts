import { expect, test } from 'vitest';
import { count, countRequest, renderMetrics } from '../../../src/http/metrics.ts';

test('figures are rendered in families with help and type, summaries as one family of sum and count', () => {
  countRequest('GET', 200, 5, 250);
  countRequest('GET', 200, 5, 250);
  count('arvados_keepstore_volume_operations', { device_id: 'a"b\\c\nd', operation: 'get' });
  const text = renderMetrics([
    { name: 'x_entries', help: 'Entries of x.', value: 2 },
    { name: 'y_entries_total', help: 'Entries of y.', labels: { result: 'done' }, value: 3, type: 'counter' },
    { name: 'y_entries_total', help: 'Entries of y.', labels: { result: 'failed' }, value: 4, type: 'counter' },
  ]);
  expect(text).toBe(`# HELP arvados_keepstore_volume_operations Requests to the bucket of a volume (a counter).
# TYPE arvados_keepstore_volume_operations untyped
arvados_keepstore_volume_operations{device_id="a\\"b\\\\c\\nd",operation="get"} 1
# HELP request_duration_seconds Time from the arrival of a request to the end of its answer.
# TYPE request_duration_seconds summary
request_duration_seconds_sum{code="200",method="get"} 0.5
request_duration_seconds_count{code="200",method="get"} 2
# HELP time_to_status_seconds Time from the arrival of a request to the head of its answer.
# TYPE time_to_status_seconds summary
time_to_status_seconds_sum{code="200",method="get"} 0.01
time_to_status_seconds_count{code="200",method="get"} 2
# HELP x_entries Entries of x.
# TYPE x_entries gauge
x_entries 2
# HELP y_entries_total Entries of y.
# TYPE y_entries_total counter
y_entries_total{result="done"} 3
y_entries_total{result="failed"} 4
`);
});
