// From our configuration to oidc-provider's. `config.oidc_provider` is laid over the result, so whatever the library
// can do (PAR, JAR, DPoP, JARM, JWE, mTLS, FAPI 2.0) can be switched on from Python.

import { errors, interactionPolicy } from 'oidc-provider';

import { errorPage } from './pages.mjs';
import { assertNonce, assertStrictly } from './strictness.mjs';

const CLAIMS = {
  openid: ['sub', 'acr', 'amr'],
  profile: ['name', 'given_name', 'family_name', 'middle_name', 'nickname', 'preferred_username', 'profile', 'picture',
    'website', 'gender', 'birthdate', 'zoneinfo', 'locale', 'updated_at'],
  email: ['email', 'email_verified'],
  phone: ['phone_number', 'phone_number_verified'],
  address: ['address'],
  groups: ['groups'],
};

/** Lay `over` over `base`: objects member by member, everything else replaced. */
export function merge(base, over) {
  const merged = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const nested = value !== null && typeof value === 'object' && !Array.isArray(value);
    merged[name] = nested && typeof base[name] === 'object' ? merge(base[name], value) : value;
  }
  return merged;
}

/** Which assertions are taken from a client; from one that registered itself, those of `config.assertion`. */
export function assertionRules(config, clientId) {
  return config.clients.find(({ metadata }) => metadata.client_id === clientId)?.assertion ?? config.assertion;
}

function account(config, subject) {
  const user = config.users.find(({ sub }) => sub === subject);
  return user && { accountId: subject, claims: async () => ({ ...user.claims, sub: subject }) };
}

/**
 * Consent is given without a page: everything that was asked for. The grant of the browser's session is kept, because
 * replacing it would revoke the codes of other tabs.
 */
async function grantAll(ctx) {
  const { oidc } = ctx;
  const { clientId } = oidc.client;
  const id = oidc.session.grantIdFor(clientId);
  const grant = (id && await oidc.provider.Grant.find(id))
    || new oidc.provider.Grant({ clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope([...oidc.requestParamOIDCScopes].join(' '));
  grant.addOIDCClaims([...oidc.requestParamClaims]);
  await grant.save();
  return grant;
}

/** Checked at every authorization request, after pushed and signed requests have been resolved. */
function policy(config) {
  const base = interactionPolicy.base();
  base.get('login').checks.add(new interactionPolicy.Check('strict', 'a strict provider refuses this', (ctx) => {
    const error = ctx.state.fault?.error;
    if (error) throw new errors.CustomOIDCProviderError(error.error, error.error_description);
    if (config.require_nonce) assertNonce(ctx);
    return interactionPolicy.Check.NO_NEED_TO_PROMPT;
  }), 0);
  return base;
}

/** What JSON cannot say: the functions and buffers of features that were switched on from outside. */
function withFunctions(features) {
  const { dPoP, mTLS } = features;
  if (typeof dPoP?.nonceSecret === 'string') dPoP.nonceSecret = Buffer.from(dPoP.nonceSecret, 'base64url');
  if (typeof dPoP?.requireNonce === 'boolean') {
    const required = dPoP.requireNonce;
    dPoP.requireNonce = () => required;
  }
  if (mTLS?.enabled) {
    mTLS.getCertificate = (ctx) => ctx.socket.getPeerX509Certificate?.()?.toString();
    mTLS.certificateAuthorized = (ctx) => ctx.socket.authorized;
    mTLS.certificateSubjectMatches = (ctx, property, expected) => {
      const certificate = ctx.socket.getPeerX509Certificate();
      if (property === 'tls_client_auth_san_dns') return certificate.checkHost(expected) !== undefined;
      return certificate.subject.split('\n').reverse().join(',') === expected; // RFC 4514: last part first
    };
  }
  return features;
}

export function configuration(config) {
  const settings = merge({
    acrValues: config.acr_values,
    claims: CLAIMS,
    clients: config.clients.map(({ metadata }) => metadata),
    clockTolerance: 0,
    conformIdTokenClaims: !config.claims_in_id_token,
    cookies: { names: {}, long: { sameSite: 'lax' }, short: { sameSite: 'lax' } },
    features: { devInteractions: { enabled: false } },
    routes: {
      authorization: '/authorize', token: '/token', userinfo: '/userinfo', jwks: '/jwks',
      pushed_authorization_request: '/par', end_session: '/logout', revocation: '/revoke',
    },
    scopes: ['openid', 'offline_access', ...Object.keys(CLAIMS)],
    ttl: {
      AccessToken: 600, AuthorizationCode: config.code_lifetime, Grant: 3600, IdToken: config.id_token_lifetime,
      Interaction: 600, Session: 3600,
    },
  }, structuredClone(config.oidc_provider));
  return {
    ...settings,
    features: withFunctions(settings.features),
    async assertJwtClientAuthClaimsAndHeader(ctx, claims, header, client) {
      assertStrictly(assertionRules(config, client.clientId), claims, header);
    },
    // The library refuses to fetch a client's jwks_uri from loopback, where ours is.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    findAccount: async (ctx, subject) => account(config, subject),
    interactions: { policy: policy(config), url: (ctx, { uid }) => `${config.path}/interaction/${uid}` },
    ...(!config.consent && { loadExistingGrant: grantAll }),
    pkce: { required: () => config.require_pkce },
    async renderError(ctx, out) {
      ctx.type = 'html';
      ctx.body = errorPage({ style: config.pages, details: Object.entries(out) });
    },
  };
}
