// The OAuth2 server of the tests: `oidc-provider`, which others wrote, on a free port of loopback, set up as the one argument says (JSON).
// Clients, tokens and keys live in its memory alone. It ends with its standard input.
//
//   folder        where `npm ci` has put node_modules
//   port          0: any
//   now           the time that it has until it is told another; without it the machine's
//   tokenSeconds  how long a token lasts
//   scopes        scopes that there are
//   clients       as RFC 7591 writes them; `private_key` (PEM) stands for the `jwks` with its public half
//
// A line of standard input is a command, and its answer is a line of JSON:
//   advance SECONDS   moves the time on
//   asked             every request to an endpoint so far
import { createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const setUp = JSON.parse(process.argv[2]);
const library = (file) => import(pathToFileURL(`${setUp.folder}/node_modules/${file}`));
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
// Its notices go the way of its warnings: standard output is for answers.
console.info = console.warn;

// The first releases of Node 20 lack it, and the library uses it.
URL.parse ??= (text, base) => (URL.canParse(text, base) ? new URL(text, base) : null);

if (setUp.now) {
  let now = Date.parse(setUp.now);
  globalThis.Date = class extends Date {
    constructor(...given) {
      super(...(given.length ? given : [now]));
    }

    static now() {
      return now;
    }

    static move(seconds) {
      now += seconds * 1000;
    }
  };
}

// After the time: libraries may keep what they find.
const { default: Provider, errors } = await library('oidc-provider/lib/index.js');
const { createLocalJWKSet, jwtVerify } = await library('jose/dist/webapi/index.js');

const server = createServer();
server.listen(setUp.port, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

function client({ private_key: key, ...metadata }) {
  const jwks = key && { keys: [{ ...createPublicKey(key).export({ format: 'jwk' }), kid: 'k1' }] };
  return { redirect_uris: [], response_types: [], ...(jwks && { jwks }), ...metadata };
}

const provider = new Provider(issuer, {
  clients: setUp.clients.map(client),
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  scopes: setUp.scopes,
  ttl: { AccessToken: setUp.tokenSeconds, ClientCredentials: setUp.tokenSeconds },
  enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'RS384', 'RS512', 'ES256', 'ES384'] },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    devInteractions: { enabled: false },
  },
});

// RFC 7523, 2.1. The server knows no such grant: it is registered with what its library has for signatures.
provider.registerGrantType(JWT_BEARER, async (ctx) => {
  const known = createLocalJWKSet(ctx.oidc.client.jwks);
  const wanted = { issuer: ctx.oidc.client.clientId, audience: `${issuer}/token`, requiredClaims: ['exp', 'sub'] };
  const { payload } = await jwtVerify(ctx.oidc.params.assertion, known, wanted).catch((cause) => {
    throw new errors.InvalidGrant('the assertion does not hold', undefined, { cause });
  });
  const token = new provider.ClientCredentials({ client: ctx.oidc.client, scope: ctx.oidc.params.scope });
  token.extra = { for: payload.sub };
  ctx.body = { access_token: await token.save(), token_type: 'Bearer', expires_in: token.expiration };
}, ['assertion', 'scope']);

const asked = [];
provider.use(async (ctx, next) => {
  await next();
  asked.push({ path: ctx.path, status: ctx.status, error: ctx.body?.error ?? null });
});

server.on('request', provider.callback());
say({ issuer });

const commands = {
  advance: (seconds) => Date.move(Number(seconds)) ?? {},
  asked: () => asked,
};
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const [name, ...given] = line.split(' ');
  say(commands[name](...given));
});
lines.on('close', () => process.exit(0));
