import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { trustedAuthorities } from './certificates.ts';
import { hostOf, portOf, proxyFor, proxyHeaders } from './proxy.ts';

type Environment = Record<string, string | undefined>;

export interface NetworkOptions {
  /** Accept any certificate (ARVADOS_API_HOST_INSECURE). */
  insecure?: boolean;
  /** Where proxies and certificates are named. */
  env?: Environment;
  /** Milliseconds after which an idle connection is closed; 0 leaves that to the server. */
  idleTimeoutMs?: number;
}

export interface OutgoingRequest {
  method: string;
  headers: Record<string, string | number>;
  signal?: AbortSignal;
  /** Milliseconds without traffic, see http.request. */
  timeout?: number;
}

/** HTTP/1.1 over kept-alive connections, through the proxies and with the certificates that the environment names. */
export interface Network {
  /** @throws CliError when the environment names a proxy or certificates that cannot be used */
  request(url: URL, options: OutgoingRequest): http.ClientRequest;
  /** Ends idle connections, so that the process can exit. */
  close(): void;
}

const TUNNEL_TIMEOUT_MS = 20_000;

export function createNetwork({
  insecure = false,
  env = process.env,
  idleTimeoutMs = 0,
}: NetworkOptions = {}): Network {
  const kept = { keepAlive: true, ...(idleTimeoutMs > 0 ? { timeout: idleTimeoutMs } : {}) };
  const plain = new http.Agent(kept);
  const tunnels = new Map<string, TunnelAgent>();
  let direct: https.Agent | null = null;
  let context: tls.SecureContext | null = null;

  const tlsOptions = (): https.AgentOptions => {
    const ca = insecure ? null : trustedAuthorities(env);
    // One context for all connections: making it means parsing every certificate.
    context ??= tls.createSecureContext(ca === null ? {} : { ca });
    return { ...kept, secureContext: context, rejectUnauthorized: !insecure };
  };
  const directAgent = () => {
    direct ??= new https.Agent(tlsOptions());
    return direct;
  };
  const tunnelTo = (proxy: URL) => {
    let agent = tunnels.get(proxy.href);
    if (agent === undefined) {
      agent = new TunnelAgent(proxy, tlsOptions());
      tunnels.set(proxy.href, agent);
    }
    return agent;
  };

  return {
    request(url, options) {
      const proxy = proxyFor(url, env);
      if (url.protocol === 'https:')
        return https.request(url, { ...options, agent: proxy === null ? directAgent() : tunnelTo(proxy) });
      if (proxy === null) return http.request(url, { ...options, agent: plain });
      const to = {
        ...options,
        host: hostOf(proxy),
        port: portOf(proxy),
        path: `${url.origin}${url.pathname}${url.search}`,
        headers: { ...options.headers, Host: url.host, ...proxyHeaders(proxy) },
      };
      return proxy.protocol === 'https:'
        ? https.request({ ...to, agent: directAgent() })
        : http.request({ ...to, agent: plain });
    },
    close() {
      for (const agent of [plain, direct, ...tunnels.values()]) agent?.destroy();
    },
  };
}

/** TLS connections through a proxy that is asked to CONNECT. */
class TunnelAgent extends https.Agent {
  readonly #proxy: URL;
  readonly #pending = new Set<{ destroy(): unknown }>();

  constructor(proxy: URL, options: https.AgentOptions) {
    super(options);
    this.#proxy = proxy;
  }

  override createConnection(
    options: https.RequestOptions & tls.ConnectionOptions,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const proxy = this.#proxy;
    const { host = '', port, servername, secureContext, rejectUnauthorized } = options;
    const authority = `${String(host).includes(':') ? `[${host}]` : host}:${port}`;
    const connect = (proxy.protocol === 'https:' ? https : http).request({
      host: hostOf(proxy),
      port: portOf(proxy),
      method: 'CONNECT',
      path: authority,
      headers: { Host: authority, ...proxyHeaders(proxy) },
      agent: false,
      ...(proxy.protocol === 'https:' ? { secureContext, rejectUnauthorized } : {}),
    });
    let ended = false;
    const finish = (error: Error | null, stream?: Duplex) => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      this.#pending.delete(connect);
      if (stream === undefined) connect.destroy();
      callback(error, stream as Duplex);
    };
    const timer = setTimeout(
      () => finish(new Error(`no connection through the proxy ${proxy.host} within ${TUNNEL_TIMEOUT_MS / 1000} s`)),
      TUNNEL_TIMEOUT_MS,
    );
    this.#pending.add(connect);
    connect.on('error', (error) => finish(new Error(`the proxy ${proxy.host}: ${error.message}`, { cause: error })));
    const closed = () => finish(new Error(`the proxy ${proxy.host} closed the connection`));
    connect.once('close', closed);
    connect.once('response', ({ statusCode }) => finish(refusal(proxy, statusCode)));
    connect.once('connect', ({ statusCode = 0 }, socket) => {
      // The request ends here, its socket goes on.
      connect.off('close', closed);
      if (statusCode < 200 || statusCode > 299) {
        socket.destroy();
        finish(refusal(proxy, statusCode));
        return;
      }
      const secure = tls.connect({
        socket,
        ...(servername === undefined ? {} : { servername }),
        ...(secureContext === undefined ? {} : { secureContext }),
        host: String(host),
        rejectUnauthorized: rejectUnauthorized !== false,
      });
      const fail = (error: Error) => finish(error);
      secure.once('error', fail);
      secure.once('close', closed);
      secure.once('secureConnect', () => {
        secure.off('error', fail);
        secure.off('close', closed);
        finish(null, secure);
      });
    });
    connect.end();
    return undefined;
  }

  override destroy(): void {
    for (const connect of this.#pending) connect.destroy();
    super.destroy();
  }
}

function refusal({ host }: URL, status: number | undefined): Error {
  const advice = status === 407 ? ': it wants a user and a password in its address' : '';
  return new Error(`the proxy ${host} refused with ${status}${advice}`);
}
