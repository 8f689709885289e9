import { blockOf, sign } from '../support/keep.ts';
import { serving, startKeepServer } from '../support/keep-server.ts';
import { type Act, ask, type Ledger, refuse, TTL_SECONDS } from './ledger.ts';

/** Clients that need the service directory, which is in KV: they read from a gateway that the admin added, and add services. */
export interface Gateway {
  acts: Act[];
  /** Every service whose addition was acknowledged is known, and the gateway is read from. */
  audit(url: string, ledger: Ledger): Promise<void>;
  stop(): Promise<void>;
}

const SERVICES = '/arvados/v1/keep_services';
const JSON_HEADERS = { 'content-type': 'application/json' };
const MAX_ADDED = 20;

export async function startGateway(url: string): Promise<Gateway> {
  const block = blockOf('what is behind the gateway');
  const server = await startKeepServer(serving(block.data));
  const added: string[] = [];

  const add = (port: number) => {
    const body = JSON.stringify({ keep_service: { service_host: '127.0.0.1', service_port: port } });
    return ask(url, SERVICES, { method: 'POST', body, headers: JSON_HEADERS });
  };
  const uuidOf = (text: string) => (JSON.parse(text) as { uuid: string }).uuid;

  const first = await add(server.port);
  if (first?.status !== 200) throw new Error(`no gateway: ${first?.status} ${first?.text}`);
  const gateway = uuidOf(first.text);

  const read: Act = async (service, _, ledger) => {
    const answer = await ask(service, `/${sign(block.locator, { ttlSeconds: TTL_SECONDS })}+K@${gateway}`);
    if (answer?.status !== 200) refuse(ledger, 'read from a gateway', answer);
    else if (answer.text !== 'what is behind the gateway')
      ledger.findings.push('a gateway’s block reads as other bytes');
  };
  const list: Act = async (service, _, ledger) => {
    const answer = await ask(service, `${SERVICES}/accessible`);
    if (answer?.status !== 200) refuse(ledger, 'list of services', answer);
    else if (!answer.text.includes('keepedge')) ledger.findings.push('a list of services without this one');
  };
  const change: Act = async (service, random, ledger) => {
    const known = added.length < MAX_ADDED ? undefined : added.splice(random.below(added.length), 1)[0];
    const answer = await (known === undefined
      ? add(1 + random.below(60_000))
      : ask(service, `${SERVICES}/${known}`, { method: 'DELETE' }));
    if (answer?.status !== 200) refuse(ledger, known === undefined ? 'new service' : 'service taken away', answer);
    else if (known === undefined) added.push(uuidOf(answer.text));
  };

  return {
    acts: [read, list, change],
    async audit(service, ledger) {
      for (const uuid of [gateway, ...added]) {
        const answer = await ask(service, `${SERVICES}/${uuid}`);
        if (answer?.status !== 200) ledger.findings.push(`service ${uuid} was acknowledged: ${answer?.status}`);
      }
    },
    stop: () => server.stop(),
  };
}
