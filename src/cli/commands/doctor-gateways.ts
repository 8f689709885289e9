import type { Finding } from '../../deployment/finding.ts';
import { formatBytes, plural } from '../../keep/human-format.ts';
import type { Api, Row } from '../api-client.ts';

const MARKS_SHOWN = 5;

/** Gateways that the user may adopt from, and objects that readers have found changed. Nothing on another kind of server. */
export async function checkGateways(api: Api): Promise<Finding[]> {
  const answer = await api('keep-edge/v1/gateways', { patient: false }).catch(() => null);
  if (answer === null || !Array.isArray(answer.items)) return [];
  return (answer.items as Row[]).map(({ name, source, places, bytes, marked, marks }): Finding => {
    const what = `gateway ${name} (${source}): ${plural(Number(places), 'block')}, ${formatBytes(Number(bytes))}`;
    if (Number(marked) === 0) return { state: 'good', what };
    const shown = (marks as Row[]).slice(0, MARKS_SHOWN).map(({ key, problem }) => `${key}: ${problem}`);
    const more = Number(marked) > shown.length ? [`and ${Number(marked) - shown.length} more`] : [];
    return {
      state: 'bad',
      what: `${what}; readers found ${plural(Number(marked), 'block')} changed: ${[...shown, ...more].join('; ')}`,
      advice: 'Adopt the source again (keep-edge adopt): the collection takes the objects as they are now.',
    };
  });
}
