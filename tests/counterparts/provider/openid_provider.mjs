// oidc-provider itself: built anew whenever clients, users or keys change; what it has stored stays.

import { randomBytes } from 'node:crypto';

import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';
// Not public, hence the exact pin: one store that survives the provider being built anew.
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js';
// RFC 6749 appendix A allows printable ASCII in a secret; real providers have handed out others, and the bridge
// must encode them right. This one expression guards client metadata and Basic credentials alike.
import { noVSCHAR } from 'oidc-provider/lib/consts/client_attributes.js';

import { assertionRules, configuration } from './configuration.mjs';
import { applyFaults } from './faults.mjs';
import { decodeRawBasic, useOneSecretMethodOnly } from './strictness.mjs';

noVSCHAR.test = (text) => /[\x00-\x1f\x7f]/.test(text);
noVSCHAR.exec = (text) => (/[\x00-\x1f\x7f]/.exec(text ?? ''));

const KEY_TYPES = [[/^(RS|PS)/, 'RS256', 'RSA'], [/^ES256$/, 'ES256', 'P-256'], [/^ES384$/, 'ES384', 'P-384'],
  [/^ES512$/, 'ES512', 'P-521'], [/^Ed/, 'Ed25519', 'Ed25519']];

async function newKey(type, use = 'sig') {
  const [, algorithm] = KEY_TYPES.find(([,, name]) => name === type);
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const jwk = await exportJWK(privateKey);
  // Every key has an id of its own, so that a rotated key never shares one with its predecessor.
  return { ...jwk, kid: `${type.toLowerCase()}-${randomBytes(6).toString('hex')}`, use };
}

export class OpenIdProvider {
  #adapter = createMemoryAdapter();

  #cookieKeys = [randomBytes(16).toString('hex')];

  #callback;

  constructor(issuer, config) {
    this.issuer = issuer;
    this.config = config;
    this.faults = new Map();
    this.keys = []; // newest first: the first that fits an algorithm signs
    this.decryptionKeys = [];
  }

  /** Add the keys that the clients' ID token algorithms need, and build the provider. */
  async start() {
    const algorithms = ['RS256', ...this.config.clients.map(({ metadata }) => metadata.id_token_signed_response_alg)];
    for (const algorithm of algorithms) {
      const type = KEY_TYPES.find(([pattern]) => pattern.test(algorithm ?? ''))?.[2];
      if (type && !this.keys.some((key) => type === (key.crv ?? key.kty))) this.keys.push(await newKey(type));
    }
    if (this.config.decrypts && !this.decryptionKeys.length) {
      this.decryptionKeys = await Promise.all(['RSA', 'P-256'].map((type) => newKey(type, 'enc')));
    }
    const settings = configuration(this.config);
    const op = new Provider(this.issuer, {
      ...settings,
      adapter: this.#adapter,
      jwks: { keys: [...this.keys, ...this.decryptionKeys] },
      cookies: { ...settings.cookies, keys: this.#cookieKeys },
    });
    // The library reads a client's metadata when it is first used; complain at once instead.
    for (const { metadata } of this.config.clients) await op.Client.find(metadata.client_id);
    useOneSecretMethodOnly(op);
    this.#expectAudiences(op);
    op.on('server_error', (ctx, error) => console.error(error));
    op.on('grant.error', (ctx, error) => {
      console.error(`token endpoint: ${error.error_detail ?? error.error_description ?? error}`);
    });
    op.use((ctx, next) => applyFaults(this, ctx, next));
    this.op = op;
    this.#callback = op.callback();
  }

  /** Sign with new keys from now on; keep publishing the ones that signed until now, or withdraw them at once. */
  async rotate({ publishOld }) {
    const types = new Set(this.keys.map((key) => key.crv ?? key.kty));
    const signing = this.keys.slice(0, types.size);
    this.keys = await Promise.all([...types].map((type) => newKey(type)));
    if (publishOld) this.keys.push(...signing);
    await this.start();
    return this.keys.map(({ kid }) => kid);
  }

  serve(req, res) {
    decodeRawBasic(this.config.clients, req);
    this.#callback(req, res);
  }

  client(id) {
    return this.config.clients.find(({ metadata }) => metadata.client_id === id);
  }

  /** Which audience of an assertion counts is the client's registration here, not the library's generous three. */
  #expectAudiences(op) {
    const provider = this;
    Object.assign(op.OIDCContext.prototype, {
      clientJwtAuthExpectedAudience() {
        const called = {
          issuer: this.issuer,
          token_endpoint: this.urlFor('token'),
          called_endpoint: this.urlFor(this.route),
        };
        const { audience } = assertionRules(provider.config, this.client.clientId);
        return new Set(audience.map((name) => called[name] ?? name));
      },
    });
  }
}
