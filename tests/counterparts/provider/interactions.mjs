// Sign-in and consent, by the same form fields as oidc-provider's own development pages, so that a script drives
// either: `prompt=login&login=NAME&password=…`, `prompt=consent`, and `prompt=abort` for somebody who gives up.

import { errors } from 'oidc-provider';

import { consentPage, errorPage, loginPage } from './pages.mjs';

function send(res, status, page) {
  res.writeHead(status, {
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    'content-type': 'text/html; charset=utf-8',
  }).end(page);
}

async function grantFor(op, { grantId, session, params, prompt: { details } }) {
  const grant = grantId
    ? await op.Grant.find(grantId)
    : new op.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (details.missingOIDCScope) grant.addOIDCScope(details.missingOIDCScope.join(' '));
  if (details.missingOIDCClaims) grant.addOIDCClaims(details.missingOIDCClaims);
  return grant.save();
}

async function submit({ op, config }, req, res, details, view) {
  const form = new URLSearchParams(req.body.toString());
  const prompt = form.get('prompt');
  if (prompt === 'abort') {
    const result = { error: 'access_denied', error_description: 'End-User aborted interaction' };
    await op.interactionFinished(req, res, result, { mergeWithLastSubmission: false });
  } else if (prompt === 'login' && details.prompt.name === 'login') {
    const user = config.users.find(({ name }) => name === form.get('login'));
    if (!user || (user.password !== null && user.password !== form.get('password'))) {
      const problem = 'This user name and password do not match.';
      send(res, 401, loginPage({ ...view, hint: form.get('login'), problem }));
      return;
    }
    const login = { accountId: user.sub, ...(user.acr && { acr: user.acr }), ...(user.amr && { amr: user.amr }) };
    await op.interactionFinished(req, res, { login }, { mergeWithLastSubmission: false });
  } else if (prompt === 'consent' && details.prompt.name === 'consent') {
    const consent = { grantId: await grantFor(op, details) };
    await op.interactionFinished(req, res, { consent });
  } else {
    send(res, 400, errorPage({ ...view, problem: `This page was not waiting for ${prompt}.` }));
  }
}

export async function interact(provider, req, res) {
  const { op, config } = provider;
  const view = { style: config.pages };
  let details;
  try {
    details = await op.interactionDetails(req, res);
  } catch (error) {
    if (!(error instanceof errors.OIDCProviderError)) throw error;
    send(res, 400, errorPage({ ...view, problem: 'This sign-in has expired or was begun in another browser.' }));
    return;
  }
  Object.assign(view, {
    clientId: details.params.client_id,
    clientName: provider.client(details.params.client_id)?.metadata.client_name,
    hint: details.params.login_hint,
    scopes: details.prompt.details.missingOIDCScope ?? [],
    users: config.users,
  });
  if (req.method === 'POST') {
    await submit(provider, req, res, details, view);
  } else {
    send(res, 200, details.prompt.name === 'login' ? loginPage(view) : consentPage(view));
  }
}
