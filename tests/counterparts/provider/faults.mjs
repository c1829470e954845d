// Faults of one endpoint, set at run time: a delay, another answer, members of a JSON answer changed, an ID token
// signed anew with other claims, the connection cut. They act around the real provider, never instead of its checks
// unless the answer is a canned one that shall come `instead`.

import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { decodeJwt, decodeProtectedHeader, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose';

const ROUTES = {
  '/.well-known/openid-configuration': 'discovery',
  '/authorize': 'authorization',
  '/jwks': 'jwks',
  '/par': 'pushed_authorization_request',
  '/token': 'token',
  '/userinfo': 'userinfo',
};

export const routeOf = (path) => ROUTES[path] ?? (path.startsWith('/authorize/') ? 'authorization' : null);

/** The fault of a route, if one is set and not used up. */
function take(faults, route) {
  const fault = faults.get(route);
  if (fault?.times !== undefined && fault.times !== null) {
    if (fault.times <= 1) faults.delete(route);
    fault.times -= 1;
  }
  return fault;
}

function answer(ctx, { status, content_type: type, body, headers }) {
  ctx.body = body === '' ? null : body;
  ctx.status = status;
  if (body === '') ctx.remove('content-type'); else ctx.type = type;
  ctx.set(headers ?? {});
}

/** Change members of a JSON object; null takes one away. */
function patch(body, members) {
  const changed = { ...body, ...members };
  for (const [name, value] of Object.entries(members)) if (value === null) delete changed[name];
  return changed;
}

async function signAnew(provider, idToken, { claims, header, key }) {
  const payload = patch(decodeJwt(idToken), claims);
  const original = decodeProtectedHeader(idToken);
  if (key === 'none') return new UnsecuredJWT(payload).encode();
  if (key === 'public-key-as-secret') {
    const publicKey = provider.keys.find(({ kid }) => kid === original.kid).n;
    const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const input = `${encode(patch({ ...original, alg: 'HS256' }, header))}.${encode(payload)}`;
    return `${input}.${createHmac('sha256', publicKey).update(input).digest('base64url')}`;
  }
  const signer = key === 'stranger'
    ? (await generateKeyPair(original.alg)).privateKey
    : await importJWK(provider.keys.find(({ kid }) => kid === original.kid), original.alg);
  return new SignJWT(payload).setProtectedHeader(patch(original, header)).sign(signer);
}

export async function applyFaults(provider, ctx, next) {
  const fault = take(provider.faults, routeOf(ctx.path));
  if (!fault) {
    await next();
    return;
  }
  ctx.state.fault = fault; // an authorization error is raised where the provider decides, see configuration.mjs
  if (!fault.answer || fault.after) await next();
  if (fault.delay) await sleep(fault.delay * 1000);
  if (fault.drop) {
    ctx.respond = false;
    ctx.req.socket.destroy();
    return;
  }
  if (fault.answer) answer(ctx, fault.answer);
  if (fault.id_token && ctx.body?.id_token) {
    ctx.body = { ...ctx.body, id_token: await signAnew(provider, ctx.body.id_token, fault.id_token) };
  }
  if (fault.members && ctx.status === 200) ctx.body = patch(ctx.body, fault.members);
}
