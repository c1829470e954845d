// npm samlify as a SAML identity provider. One line of JSON a command on stdin, one line of JSON a result on stdout; see
// samlify_idp.py. Its XML stack (xmldom, xpath, xml-crypto, xml-encryption) shares nothing with lxml and xmlsec. It ends when
// stdin ends.

import readline from 'node:readline';

import * as samlify from 'samlify';

// samlify demands a validator and brings none; the schema is checked elsewhere.
samlify.setSchemaValidator({ validate: async () => 'not checked' });

const template = (context, values) => samlify.SamlLib.replaceTagsByValue(context, values);

const RESPONSE = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"
 ID="{ID}" Version="2.0" IssueInstant="{Now}" Destination="{ACS}" InResponseTo="{RequestID}"><saml:Issuer>{Issuer}</saml:Issuer>
<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema"
 xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{AssertionID}" Version="2.0" IssueInstant="{Now}"><saml:Issuer>{Issuer}</saml:Issuer><saml:Subject>
<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{NameID}</saml:NameID>
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="{Later}"
 Recipient="{ACS}" InResponseTo="{RequestID}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{Now}"
 NotOnOrAfter="{Later}"><saml:AudienceRestriction><saml:Audience>{Audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>
<saml:AuthnStatement AuthnInstant="{Now}" SessionIndex="{ID}"><saml:AuthnContext><saml:AuthnContextClassRef>{Context}</saml:AuthnContextClassRef>
</saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="urn:oid:0.9.2342.19200300.100.1.3"
 FriendlyName="mail" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml:AttributeValue xsi:type="xs:string">{Mail}</saml:AttributeValue>
</saml:Attribute><saml:Attribute Name="groups"><saml:AttributeValue>staff</saml:AttributeValue><saml:AttributeValue>admins</saml:AttributeValue>
</saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>`;

// What answers a request, or, where `request` names none, nobody asked for: then InResponseTo is not there at all.
async function response({ settings, idp, sp, request, user }) {
  const now = new Date();
  const id = `_${crypto.randomUUID()}`;
  const values = {
    ID: id, AssertionID: `_${crypto.randomUUID()}`, Now: now.toISOString(), Later: new Date(now.getTime() + 300_000).toISOString(),
    ACS: sp.entityMeta.getAssertionConsumerService('post'), RequestID: request.extract?.request.id, Issuer: idp.entityMeta.getEntityID(),
    Audience: sp.entityMeta.getEntityID(), NameID: user.name_id, Mail: user.mail, Context: user.context,
  };
  const answer = await idp.createLoginResponse(
    sp, request, 'post', {}, (context) => ({ id, context: template(context, values) }), settings.order === 'encrypt-then-sign',
  );
  return answer.context;
}

const SSO = { redirect: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect', post: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST' };

function provider({ entity_id: entityID, key, certificate, url, logout_url: logoutUrl, encryption, order }) {
  return samlify.IdentityProvider({
    entityID,
    signingCert: certificate,
    privateKey: key,
    wantAuthnRequestsSigned: true,
    isAssertionEncrypted: Boolean(encryption),
    messageSigningOrder: order ?? 'sign-then-encrypt',
    dataEncryptionAlgorithm: encryption || undefined,
    keyEncryptionAlgorithm: 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
    requestSignatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    nameIDFormat: ['urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'],
    singleSignOnService: Object.values(SSO).map((Binding) => ({ Binding, Location: url })),
    singleLogoutService: logoutUrl ? Object.values(SSO).map((Binding) => ({ Binding, Location: logoutUrl })) : [],
    wantLogoutRequestSigned: true,
    wantLogoutResponseSigned: true,
    loginResponseTemplate: { context: RESPONSE, attributes: [] },
  });
}

// A message as samlify wants to be handed it: what a form holds, or a query with the octets that its signature covers.
const delivered = ({ query, form }) => (query === undefined ? ['post', { body: form }] : ['redirect', {
  query: Object.fromEntries(new URLSearchParams(query)),
  octetString: query.slice(0, query.indexOf('&Signature=')),
}]);

const serviceProvider = (metadata) => samlify.ServiceProvider({
  metadata, wantLogoutRequestSigned: true, wantLogoutResponseSigned: true,
});

// A message as it leaves: a whole URL, or where a form goes and what it holds.
const leaving = (binding, made, name, relayState) => (binding === 'redirect'
  ? { id: made.id, url: made.context }
  : { id: made.id, url: made.entityEndpoint, form: { [name]: made.context, RelayState: relayState } });

const commands = {
  // The IdP's own LogoutRequest.
  async logout_request({ idp: settings, sp: metadata, binding, user, relay_state: relayState }) {
    const made = provider(settings).createLogoutRequest(
      serviceProvider(metadata), binding, { logoutNameID: user.name_id, sessionIndex: user.session_index }, relayState,
    );
    return leaving(binding, made, 'SAMLRequest', relayState);
  },

  // Verify the service provider's LogoutRequest and answer it.
  async answer_logout({ idp: settings, sp: metadata, message, binding, relay_state: relayState }) {
    const idp = provider(settings);
    const sp = serviceProvider(metadata);
    const { extract } = await idp.parseLogoutRequest(sp, ...delivered(message));
    const made = idp.createLogoutResponse(sp, { extract }, binding, relayState);
    return { request: extract, ...leaving(binding, made, 'SAMLResponse', relayState) };
  },

  // Verify the service provider's LogoutResponse.
  async read_logout_response({ idp: settings, sp: metadata, message }) {
    const { extract } = await provider(settings).parseLogoutResponse(serviceProvider(metadata), ...delivered(message));
    return extract;
  },

  async metadata({ idp }) {
    return provider(idp).getMetadata();
  },

  // Verify the AuthnRequest, whose signature covers the octets of the raw query, and answer it.
  async respond({ idp: settings, sp: metadata, request, user, message_signed: messageSigned }) {
    const idp = provider(settings);
    const sp = samlify.ServiceProvider({ metadata, wantMessageSigned: messageSigned });
    const { extract } = request.query === undefined
      ? await idp.parseLoginRequest(sp, 'post', { body: request.form })
      : await idp.parseLoginRequest(sp, 'redirect', {
        query: Object.fromEntries(new URLSearchParams(request.query)),
        octetString: request.query.slice(0, request.query.indexOf('&Signature=')),
      });
    return { response: await response({ settings, idp, sp, request: { extract }, user }), request: extract };
  },

  // A Response that nobody asked for.
  async initiate({ idp: settings, sp: metadata, user, message_signed: messageSigned }) {
    const sp = samlify.ServiceProvider({ metadata, wantMessageSigned: messageSigned });
    return response({ settings, idp: provider(settings), sp, request: {}, user });
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { result: await commands[command](given) };
  } catch (error) {
    answer = { failure: String(error?.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
