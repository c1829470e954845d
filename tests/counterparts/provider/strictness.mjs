// Where oidc-provider is lax, and a test against it would prove nothing.

import { errors } from 'oidc-provider';

const { InvalidClientAuth, InvalidRequest } = errors;

/** The library takes client_secret_basic and client_secret_post for one another. */
export function useOneSecretMethodOnly(op) {
  const { Client } = op;
  const compare = Client.prototype.compareClientSecret;
  Client.prototype.compareClientSecret = function compareClientSecret(secret) {
    const used = op.constructor.ctx.oidc.params.client_secret ? 'client_secret_post' : 'client_secret_basic';
    if (used !== this.clientAuthMethod) {
      throw new InvalidClientAuth(`registered for ${this.clientAuthMethod}, used ${used}`);
    }
    return compare.call(this, secret);
  };
}

/** An assertion as FAPI 2.0 profiles want it: short-lived, one audience as a string, and a named key. */
export function assertStrictly(rules, claims, header) {
  if (typeof claims.aud !== 'string') throw new InvalidClientAuth('aud must be one string');
  const lifetime = claims.exp - Math.floor(Date.now() / 1000);
  if (lifetime > rules.max_lifetime) throw new InvalidClientAuth(`exp is ${lifetime} s ahead`);
  const isSymmetric = header.alg.startsWith('HS'); // there is one key only, the secret
  if (rules.require_kid && !isSymmetric && !header.kid) throw new InvalidClientAuth('kid is missing');
  if (rules.typ && header.typ !== rules.typ) throw new InvalidClientAuth(`typ must be ${rules.typ}`);
  for (const name of rules.required_claims) {
    if (claims[name] === undefined) throw new InvalidClientAuth(`${name} is missing`);
  }
}

/** The code flow of OpenID Connect does not demand a nonce; banks do. */
export function assertNonce(ctx) {
  if (!ctx.oidc.params.nonce) throw new InvalidRequest('nonce is required');
}

/** For clients of an IdP that does not form-decode Basic credentials: hand the library what it would have decoded. */
export function decodeRawBasic(clients, req) {
  const [, credentials] = /^Basic (.+)$/i.exec(req.headers.authorization ?? '') ?? [];
  if (!credentials) return;
  const text = Buffer.from(credentials, 'base64').toString();
  const colon = text.indexOf(':');
  const [id, secret] = [text.slice(0, colon), text.slice(colon + 1)];
  const client = clients.find(({ metadata }) => metadata.client_id === id);
  if (client?.basic_credentials !== 'raw') return;
  const encoded = `${encodeURIComponent(id)}:${encodeURIComponent(secret)}`;
  req.headers.authorization = `Basic ${Buffer.from(encoded).toString('base64')}`;
}
