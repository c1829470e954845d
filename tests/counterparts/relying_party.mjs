// npm openid-client in Cognito's place. One line of JSON a command on stdin, one line of JSON a result on stdout; see
// openid_client.py. It ends when stdin ends.

import readline from 'node:readline';

import { importJWK } from 'jose';
import * as client from 'openid-client';

async function clientAuthentication({ method, client_secret: secret, client_jwk: jwk, assertion }) {
  switch (method) {
    case 'client_secret_post': return client.ClientSecretPost(secret);
    case 'client_secret_basic': return client.ClientSecretBasic(secret);
    case 'client_secret_jwt': return client.ClientSecretJwt(secret);
    case 'private_key_jwt': {
      const key = await importJWK(jwk, jwk.alg);
      const modify = (header, payload) => Object.assign(payload, assertion);
      return client.PrivateKeyJwt({ key, kid: jwk.kid }, { [client.modifyAssertion]: modify });
    }
    default: throw new TypeError(`unknown method ${method}`);
  }
}

async function configuration(rp) {
  const metadata = { id_token_signed_response_alg: rp.id_token_signed_response_alg, redirect_uris: [rp.redirect_uri] };
  const authentication = await clientAuthentication(rp);
  // Plain http is for loopback; the signature of the ID token is checked although it came over the back channel.
  const strict = [client.allowInsecureRequests, client.enableNonRepudiationChecks];
  if (!rp.server_metadata) {
    return client.discovery(new URL(rp.issuer), rp.client_id, metadata, authentication, { execute: strict });
  }
  const config = new client.Configuration(rp.server_metadata, rp.client_id, metadata, authentication);
  strict.forEach((enable) => enable(config));
  return config;
}

const commands = {
  async authorization_url({ rp, parameters }) {
    const config = await configuration(rp);
    const checks = { state: rp.state ?? client.randomState() };
    const query = { redirect_uri: rp.redirect_uri, scope: rp.scope, state: checks.state, ...parameters };
    if (rp.nonce) query.nonce = checks.nonce = client.randomNonce();
    if (rp.pkce) {
      checks.code_verifier = client.randomPKCECodeVerifier();
      query.code_challenge = await client.calculatePKCECodeChallenge(checks.code_verifier);
      query.code_challenge_method = 'S256';
    }
    return { url: client.buildAuthorizationUrl(config, query).href, checks };
  },

  async callback({ rp, checks, callback_url: url, form }) {
    const config = await configuration(rp);
    const current = form
      ? new Request(url, { method: 'POST', body: new URLSearchParams(form) })
      : new URL(url);
    const tokens = await client.authorizationCodeGrant(config, current, {
      expectedState: checks.state,
      expectedNonce: checks.nonce ?? undefined,
      pkceCodeVerifier: checks.code_verifier ?? undefined,
      idTokenExpected: true,
    });
    const claims = tokens.claims();
    const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
    return { tokens, claims, userinfo };
  },
};

/** What openid-client knows about a failure: its own code, and the OAuth error if the server sent one. */
async function describe(error) {
  const response = error.response ?? (error.cause instanceof Response ? error.cause : undefined);
  return {
    name: error.name,
    message: error.message,
    code: error.code ?? null,
    error: error.error ?? null,
    error_description: error.error_description ?? null,
    status: error.status ?? response?.status ?? null,
    cause: error.cause instanceof Error ? error.cause.message : null,
  };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { command, ...input } = JSON.parse(line);
  let answer;
  try {
    answer = { result: await commands[command](input) };
  } catch (error) {
    answer = { failure: await describe(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
