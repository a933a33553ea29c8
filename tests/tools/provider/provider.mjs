// An OpenID provider for tests: oidc-provider (certified) with three people, a login
// page that a plain HTTP client can post, and a way to misbehave. It keeps all in
// memory, listens on loopback alone, and ends when its standard input does.
//
//   SETTINGS='{"redirect_uris":["http://127.0.0.1:1234/callback"]}' node provider.mjs
//
// It writes {"issuer":…} to standard output once it is up. SETTINGS (JSON, all optional):
//   port              0: any
//   redirect_uris     of the web clients
//   people            {name: claims}; default alice, bob, carol
//   id_token_seconds  how long ID tokens last
//   seconds_ago       how far its clock is behind
//
// Clients: `halligan` (secret `halligan-web-secret`), `other` (`other-secret`), `hs256`
// (`hs256-secret-of-32-characters-or-more`: its ID tokens are signed with the secret), and
// `halligan-cli` (public: loopback redirect, device flow, refresh tokens).
//
// POST /admin/rotate {"keep": bool}: new keys; the old ones stay published or not.
// POST /admin/behave: sets some of {
//   "only": "/token",        requests whose path begins so; default all but /admin
//   "status": 500,           answered with it
//   "hold": true,            never answered
//   "empty_key_set": true,   the key set has no keys
//   "issuer": "https://…" }  it describes itself as another issuer
// POST /admin/behave {}: well again. GET /admin/asked: how often each path was asked for.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

// Newer than some of the Nodes that the library runs on.
URL.parse ??= (url, base) => (URL.canParse(url, base) ? new URL(url, base) : null);
const { default: Provider } = await import('oidc-provider');

const settings = JSON.parse(process.env.SETTINGS ?? '{}');
if (settings.seconds_ago) {
  const now = Date.now;
  globalThis.Date = class extends Date {
    constructor(...parts) {
      super(...(parts.length > 0 ? parts : [now() - 1000 * settings.seconds_ago]));
    }
    static now() {
      return now() - 1000 * settings.seconds_ago;
    }
  };
}
const redirectUris = settings.redirect_uris ?? ['http://127.0.0.1/callback'];
const people = settings.people ?? {
  alice: { email: 'alice@example.com', groups: ['sre', 'payments'] },
  bob: { email: 'bob@example.com', groups: ['sre'] },
  carol: { email: 'carol@example.com', groups: ['security'] },
};
const everyClaim = ['sub', 'acr', 'amr', 'auth_time', ...new Set(Object.values(people).flatMap(Object.keys))];

const web = (id, secret, more = {}) => ({
  client_id: id,
  client_secret: secret,
  redirect_uris: redirectUris,
  token_endpoint_auth_method: 'client_secret_basic',
  ...more,
});
const clients = [
  web('halligan', 'halligan-web-secret'),
  web('other', 'other-secret'),
  web('hs256', 'hs256-secret-of-32-characters-or-more', { id_token_signed_response_alg: 'HS256' }),
  {
    client_id: 'halligan-cli',
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    id_token_signed_response_alg: 'ES256',
    redirect_uris: ['http://127.0.0.1/callback'],
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  },
];

// What the provider keeps, over a change of keys too.
const kept = new Map();
class Memory {
  constructor(model) {
    this.model = model;
  }
  key(id) {
    return `${this.model}:${id}`;
  }
  async upsert(id, payload) {
    kept.set(this.key(id), payload);
  }
  async find(id) {
    return kept.get(this.key(id));
  }
  async findBy(name, value) {
    for (const [key, payload] of kept) if (key.startsWith(`${this.model}:`) && payload[name] === value) return payload;
  }
  findByUid(uid) {
    return this.findBy('uid', uid);
  }
  findByUserCode(userCode) {
    return this.findBy('userCode', userCode);
  }
  async consume(id) {
    kept.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }
  async destroy(id) {
    kept.delete(this.key(id));
  }
  async revokeByGrantId(grantId) {
    for (const [key, payload] of kept) if (payload.grantId === grantId) kept.delete(key);
  }
}

function newKeys() {
  const jwk = (type, options, alg) => ({
    ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
    kid: randomUUID(),
    use: 'sig',
    alg,
  });
  return [jwk('rsa', { modulusLength: 2048 }, 'RS256'), jwk('ec', { namedCurve: 'P-256' }, 'ES256')];
}

function build(keys) {
  const provider = new Provider(issuer, {
    adapter: Memory,
    clients,
    jwks: { keys },
    cookies: { keys: ['only for tests'] },
    claims: { openid: everyClaim },
    conformIdTokenClaims: false,
    acrValues: ['pwd', 'mfa'],
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'HS256'] },
    features: {
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
    },
    scopes: ['openid', 'email', 'offline_access'],
    pkce: { required: () => true },
    ttl: {
      AccessToken: 600,
      AuthorizationCode: 60,
      DeviceCode: 600,
      Grant: 86400,
      IdToken: settings.id_token_seconds ?? 600,
      Interaction: 600,
      RefreshToken: 86400,
      Session: 86400,
    },
    issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) =>
      people[id] && {
        accountId: id,
        claims: () => ({ sub: id, ...people[id] }),
      },
    // Whoever signs in consents to all.
    loadExistingGrant: async (ctx) => {
      const { client, session, params } = ctx.oidc;
      const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope(params.scope ?? 'openid');
      grant.addOIDCClaims(everyClaim);
      await grant.save();
      return grant;
    },
    renderError: (ctx, out) => {
      ctx.type = 'text';
      ctx.body = `${out.error}: ${out.error_description ?? ''}\n`;
    },
  });
  return { provider, handle: provider.callback() };
}

async function bodyOf(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

function answer(response, status, body, type = 'application/json') {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(type === 'application/json' ? JSON.stringify(body) : body);
}

const page = (uid, prompt) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in</title></head><body>
<h1>Sign in</h1>
<form method="post" action="/interaction/${uid}">
  <input type="hidden" name="prompt" value="${prompt}">
  <label>Name <input name="login" autofocus></label>
  <label><input type="checkbox" name="mfa" value="yes"> with a second factor</label>
  <button type="submit">Sign in</button>
</form></body></html>`;

async function interaction(request, response) {
  const { uid, prompt } = await current.provider.interactionDetails(request, response);
  if (request.method !== 'POST') return answer(response, 200, page(uid, prompt.name), 'text/html; charset=utf-8');
  const form = new URLSearchParams(await bodyOf(request));
  const how = form.get('mfa') ? { acr: 'mfa', amr: ['pwd', 'otp', 'mfa'] } : { acr: 'pwd', amr: ['pwd'] };
  const result = Object.hasOwn(people, form.get('login'))
    ? { login: { accountId: form.get('login'), ...how }, consent: {} }
    : { error: 'access_denied', error_description: 'nobody of that name' };
  return current.provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

let keys = newKeys();
let current;
let issuer;
let behaviour = {};
const asked = {};

async function admin(request, response, path) {
  const body = JSON.parse((await bodyOf(request)) || '{}');
  if (path === '/admin/rotate') {
    keys = [...newKeys(), ...(body.keep ? keys : [])];
    current = build(keys);
  } else if (path === '/admin/behave') {
    behaviour = body;
  } else if (path === '/admin/asked') {
    return answer(response, 200, asked);
  } else {
    return answer(response, 404, {});
  }
  return answer(response, 200, {});
}

const server = createServer(async (request, response) => {
  const path = request.url.split('?')[0];
  try {
    if (path.startsWith('/admin/')) return await admin(request, response, path);
    asked[path] = (asked[path] ?? 0) + 1;
    if (path.startsWith(behaviour.only ?? '/')) {
      if (behaviour.hold) return undefined;
      if (behaviour.status) return answer(response, behaviour.status, { error: 'server_error' });
    }
    if (behaviour.empty_key_set && path === '/jwks') return answer(response, 200, { keys: [] });
    if (behaviour.issuer && path === '/.well-known/openid-configuration') {
      const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
      return answer(response, 200, { ...metadata, issuer: behaviour.issuer });
    }
    if (path.startsWith('/interaction/')) return await interaction(request, response);
    return await current.handle(request, response);
  } catch (error) {
    console.error(error);
    if (!response.headersSent) answer(response, 500, { error: String(error) });
  }
});
server.listen(settings.port ?? 0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  current = build(keys);
  console.log(JSON.stringify({ issuer }));
});
process.stdin.on('end', () => process.exit(0)).resume();
