"""What is said of the bridge's own side, of OpenID providers and of SAML ones."""

from __future__ import annotations

from fedbridge.cli.check.advice import Advice, Catalogue

_BREAKS = "Every sign-in of this connection fails."
_REFUSED = "the bridge refuses the metadata as they are, and no sign-in begins."
_READS = _REFUSED.capitalize()

CONFIGURATION = {
    "configuration_invalid": Advice(
        "error", "configuration", "What the file says cannot be published or served.",
        "Mend the line; `fedbridge connections validate` names them all.",
    ),
    "issuer_not_https": Advice(
        "error", "configuration", "Whoever sits on the way could answer in the IdP's place.",
        "Give the issuer's https:// address, as it stands in the IdP's discovery document.",
    ),
    "connection_disabled": Advice(
        "warning", "configuration", "Every sign-in is refused while it is.",
        "Remove `disabled: true`, or run `fedbridge connections enable`.",
    ),
}  # fmt: skip

NETWORK = {
    "dns_failed": Advice(
        "error", "network", "No call reaches the IdP.",
        "Correct the host name; if only the company's DNS knows it, run the functions in a VPC that asks it.",
    ),
    "target_refused": Advice(
        "error", "network", "The bridge calls public https addresses on port 443 and no others.",
        "If this private address is right, allow it: --private-host here, the stack's parameter there.",
    ),
    "host_unreachable": Advice(
        "error", "network", "No call reaches the IdP.",
        "Ask whether the IdP is up, and whether it lets your addresses through: many take a list of them.",
    ),
    "host_slow": Advice(
        "error", "network", "A sign-in waits at most 22 seconds for all its calls.",
        "Ask the IdP why; a firewall that drops packets looks like this too.",
    ),
    "answer_unreadable": Advice(
        "error", "network", "The bridge reads HTTP/1.1 without compression, up to a size, and no more.",
        "Look at the address with curl: is it the right one, and does the IdP itself answer?",
    ),
    "tls_certificate_expired": Advice(
        "error", "network", _BREAKS, "Tell the IdP; only it can renew its certificate.",
    ),
    "tls_certificate_expires_soon": Advice(
        "warning", "network", "From that day every sign-in of this connection fails.",
        "Ask the IdP whether it will renew in time.",
    ),
    "tls_certificate_untrusted": Advice(
        "error", "network", "The bridge cannot tell the IdP from somebody on the way.",
        "If the IdP has an authority of its own, give it as FEDBRIDGE_CA_BUNDLE (here: --ca-bundle); else the IdP must"
        " send its whole chain.",
    ),
    "tls_certificate_name": Advice(
        "error", "network", "The bridge cannot tell the IdP from somebody on the way.",
        "Use a name that stands in the certificate, or have the IdP renew it with this one.",
    ),
    "tls_failed": Advice(
        "error", "network", "No call reaches the IdP.",
        "The server must speak TLS 1.2 or later; behind a gateway that asks for a client certificate, set mutual_tls.",
    ),
    "clock_off": Advice(
        "error", "network", "Assertions and tokens are refused as expired or not yet valid.",
        "Set the clock that is wrong by NTP. If it is the IdP's, tell them; id_token.clock_skew allows at most 300 s.",
    ),
    "clock_drifts": Advice(
        "warning", "network", "Beyond the connection's clock_skew sign-ins begin to fail.",
        "Set the clock that is wrong by NTP.",
    ),
    "local_clock_off": Advice(
        "warning", "network", "Sign-ins do not notice: the bridge's clock is right. What this check says of times is not.",
        "Set this machine's clock by NTP and check again.",
    ),
}  # fmt: skip

DISCOVERY = {
    "discovery_unavailable": Advice(
        "error", "discovery", "No sign-in begins while the bridge has no metadata.",
        "Open the address: is the issuer right, path included? An IdP without discovery needs `endpoints`.",
    ),
    "discovery_malformed": Advice(
        "error", "discovery", _READS,
        "Open the address: is it the IdP that answers? Write `endpoints` down by hand if it stays so.",
    ),
    "issuer_mismatch": Advice(
        "error", "discovery", "An IdP that calls itself something else may be another one; " + _REFUSED,
        "Set `issuer` to exactly what the document says, if that is the IdP you mean; a slash at the end counts.",
    ),
    "endpoint_missing": Advice(
        "error", "discovery", _READS, "Write all endpoints down by hand under `endpoints`.",
    ),
    "endpoint_malformed": Advice(
        "error", "discovery", _READS, "Tell the IdP; until then write `endpoints` down by hand.",
    ),
    "endpoint_host_unknown": Advice(
        "error", "discovery", "Codes and secrets would go to a host that you never named; " + _REFUSED,
        "If the host is the IdP's, add it to `endpoint_hosts`.",
    ),
    "endpoint_not_https": Advice(
        "error", "discovery", "Codes and secrets would travel in the clear; " + _REFUSED,
        "Tell the IdP; often a proxy in front of it does not say that it speaks https.",
    ),
}  # fmt: skip

JWKS = {
    "jwks_unavailable": Advice(
        "error", "the IdP's keys", "No ID token can be verified.", "Open the address; ask the IdP.",
    ),
    "jwks_malformed": Advice(
        "error", "the IdP's keys", "No ID token can be verified.",
        "Open the address: is it a JWK Set of at most 100 keys?",
    ),
    "jwks_key_symmetric": Advice(
        "warning", "the IdP's keys", "A published secret is none; the bridge ignores the key.",
        "Tell the IdP: it has published a secret.",
    ),
    "jwks_key_private": Advice(
        "error", "the IdP's keys", "Anybody can sign as the IdP with it; the bridge ignores the key.",
        "Tell the IdP at once: a private key of theirs is public.",
    ),
    "jwks_key_weak": Advice(
        "warning", "the IdP's keys", "The bridge ignores it, and refuses every token that is signed with it.",
        "Ask the IdP for RSA keys of 2,048 bits or more.",
    ),
    "jwks_kid_missing": Advice(
        "warning", "the IdP's keys", "Without names keys cannot be told apart; the IdP's next rotation breaks sign-ins.",
        "Ask the IdP to publish a `kid` with every key, and to set it in its tokens.",
    ),
    "jwks_kid_duplicate": Advice(
        "error", "the IdP's keys", "The bridge ignores all keys of that name, and refuses tokens signed with them.",
        "Tell the IdP: a `kid` names one key.",
    ),
    "jwks_no_key_for_algorithms": Advice(
        "error", "the IdP's keys", "No ID token can be verified.",
        "Set id_token.algorithms to what the IdP signs with, and register that at the IdP.",
    ),
    "jwks_encryption_keys_only": Advice(
        "error", "the IdP's keys", "No ID token can be verified.",
        "Ask the IdP where its signing keys are; it may have given you the wrong address.",
    ),
    "jwks_encryption_key_missing": Advice(
        "error", "the IdP's keys", "Request objects cannot be encrypted.",
        "Set authorization.request_object.encryption_algorithm to one that the IdP has a key for, or leave it out.",
    ),
    "jwks_certificate_expired": Advice(
        "warning", "the IdP's keys", "The bridge looks at the key alone, but the IdP seems to have forgotten it.",
        "Ask the IdP whether the key is still in use.",
    ),
}  # fmt: skip

_REGISTERED = "Register what the connection does at the IdP, or change the connection to what it offers."

OFFERS = {
    "auth_method_not_offered": Advice(
        "error", "what the IdP offers", "The IdP refuses the bridge at the token endpoint.",
        "Set client_authentication.method to one of those, and register it at the IdP.",
    ),
    "auth_method_unavailable": Advice(
        "error", "what the IdP offers", "The bridge has nothing to authenticate with.",
        "Give the key, secret or certificate that one of the offered methods takes.",
    ),
    "assertion_algorithm_not_offered": Advice(
        "error", "what the IdP offers", "The IdP refuses the bridge's assertions.",
        "Set client_authentication.algorithm to one of those, with a key that goes with it.",
    ),
    "id_token_algorithm_not_offered": Advice(
        "error", "what the IdP offers", "The bridge refuses every ID token.",
        "Set id_token.algorithms to what the IdP signs this client's tokens with.",
    ),
    "id_token_encryption_not_offered": Advice(
        "error", "what the IdP offers", "The IdP cannot encrypt as the connection demands.",
        "Set id_token.encryption to none, or token_decryption.algorithms to what the IdP has.",
    ),
    "userinfo_algorithm_not_offered": Advice(
        "error", "what the IdP offers", "The bridge refuses userinfo as the IdP answers it.",
        "Set userinfo.format to json, or userinfo.algorithms to what the IdP signs with.",
    ),
    "response_algorithm_not_offered": Advice(
        "error", "what the IdP offers", "The bridge refuses every signed authorization response.",
        "Set authorization_response.algorithms to what the IdP signs with.",
    ),
    "request_object_algorithm_not_offered": Advice(
        "error", "what the IdP offers", "The IdP refuses every authorization request.",
        "Set authorization.request_object.algorithm to one of those.",
    ),
    "request_object_encryption_not_offered": Advice(
        "error", "what the IdP offers", "The IdP refuses every authorization request.",
        "Set authorization.request_object.encryption_algorithm to one of those, or leave it out.",
    ),
    "request_object_not_offered": Advice(
        "error", "what the IdP offers", "The IdP ignores or refuses the signed request.",
        "Leave authorization.request_object out, or push the requests (par: required) if the IdP takes them so.",
    ),
    "par_required": Advice(
        "error", "what the IdP offers", "The IdP refuses every authorization request.",
        "Set authorization.par to auto or required.",
    ),
    "par_not_offered": Advice(
        "error", "what the IdP offers", "No request can be pushed, so no sign-in begins.",
        "Set authorization.par to auto or off.",
    ),
    "pkce_not_offered": Advice(
        "error", "what the IdP offers", "The IdP may refuse a request with an S256 challenge.",
        "Set authorization.pkce to off, after asking the IdP what stops a stolen code there.",
    ),
    "code_flow_not_offered": Advice(
        "error", "what the IdP offers", "The bridge knows no other flow.", "Ask the IdP to allow it for your client.",
    ),
    "response_mode_not_offered": Advice(
        "error", "what the IdP offers", "The IdP refuses every authorization request.",
        "Set authorization.response_mode to one of those, or leave it out.",
    ),
    "scope_not_offered": Advice(
        "warning", "what the IdP offers", "The IdP may refuse the request, or leave out the claims. Not every IdP lists all.",
        "Remove the scope, or ask the IdP to allow it for your client.",
    ),
    "acr_not_offered": Advice(
        "warning", "what the IdP offers", "Nobody can reach an assurance that the IdP does not know.",
        "Set authorization.acr_values to values that the IdP lists.",
    ),
    "claims_parameter_not_offered": Advice(
        "error", "what the IdP offers", "The IdP ignores the parameter `claims`, or refuses the request.",
        "Remove authorization.parameters.claims and ask by scope.",
    ),
    "claim_not_offered": Advice(
        "warning", "what the IdP offers", "A required claim that never comes fails every sign-in.",
        "Map another claim, or ask the IdP to send this one.",
    ),
    "dpop_algorithm_not_offered": Advice(
        "error", "what the IdP offers", "The IdP refuses the bridge's proofs.", "Set dpop.algorithm to one of those.",
    ),
    "userinfo_not_offered": Advice(
        "warning", "what the IdP offers", "Claims come from the ID token alone.",
        "Set userinfo.method to none, or name the endpoint under `endpoints`.",
    ),
    "logout_not_offered": Advice(
        "error", "what the IdP offers", "Signing out leaves the session at the IdP alive.",
        "Set logout.mode to none, or name end_session_endpoint under `endpoints`.",
    ),
    "logout_notice_not_offered": Advice(
        "warning", "what the IdP offers", "Sessions in Cognito go on when somebody signs out at the IdP.",
        "Ask the IdP; remove logout.back_channel or logout.front_channel if it tells nobody.",
    ),
    "revocation_not_offered": Advice(
        "warning", "what the IdP offers", "The IdP's tokens live on until they expire.", "Set logout.revoke_tokens to false.",
    ),
}  # fmt: skip

OWN_KEYS = {
    "key_invalid": Advice(
        "error", "own keys and secrets", _BREAKS, "Store a key that the connection can use; `fedbridge keys new` makes one.",
    ),
    "key_ring_not_filled": Advice(
        "unknown", "own keys and secrets", "The ring's keys are in the table alone, not in the file.",
        "Check what is published: --table.",
    ),
    "key_missing": Advice(
        "error", "own keys and secrets", _BREAKS, "Correct the reference, or create the key.",
    ),
    "key_disabled": Advice(
        "error", "own keys and secrets", _BREAKS,
        "Enable the key in KMS (aws kms enable-key), or cancel its deletion.",
    ),
    "key_access_denied": Advice(
        "error", "own keys and secrets", "If the functions are denied as you are, every sign-in fails.",
        "Check your own credentials first; the functions need the tags fedbridge:environment and fedbridge:use on KMS keys,"
        " and secrets below fedbridge/ENVIRONMENT/.",
    ),
    "key_unavailable": Advice(
        "unknown", "own keys and secrets", "A sign-in that meets this fails.", "Check again in a minute.",
    ),
    "key_does_not_work": Advice(
        "error", "own keys and secrets", _BREAKS, "Replace the key: what it signs or decrypts does not fit its public half.",
    ),
    "keys_conflict": Advice(
        "error", "own keys and secrets", "The connection cannot be published.", "Use one key for one purpose.",
    ),
    "secret_missing": Advice(
        "error", "own keys and secrets", _BREAKS, "Store the secret under this reference, or correct the reference.",
    ),
    "secret_too_short": Advice(
        "error", "own keys and secrets", "client_secret_jwt cannot sign with it (RFC 7518 section 3.2).",
        "Ask the IdP for a longer secret, or use another method.",
    ),
    "client_secret_expired": Advice(
        "error", "own keys and secrets", "The IdP refuses it, or is about to.",
        "Make a new one at the IdP, store it under the same reference, and set client_authentication.secret_expires.",
    ),
    "client_secret_expires_soon": Advice(
        "warning", "own keys and secrets", "From that day every sign-in of this connection fails.",
        "Make a new one at the IdP, store it under the same reference, and set client_authentication.secret_expires.",
    ),
    "certificate_invalid": Advice(
        "error", "own keys and secrets", _BREAKS, "Store the PEM certificate of this key; `fedbridge keys export` makes one.",
    ),
    "certificate_mismatch": Advice(
        "error", "own keys and secrets", "Nobody who looks at the certificate accepts what the key signs.",
        "Store the certificate that was issued for this key, or the key that belongs to it.",
    ),
    "certificate_expired": Advice(
        "error", "own keys and secrets", "Whoever looks at the certificate refuses the bridge.",
        "Have it renewed, store it under the same reference, and upload it where the IdP keeps a copy.",
    ),
    "certificate_expires_soon": Advice(
        "warning", "own keys and secrets", "From that day whoever looks at the certificate refuses the bridge.",
        "Have it renewed now; an IdP that keeps a copy needs an upload first.",
    ),
}  # fmt: skip

BRIDGE = {
    "bridge_unreachable": Advice(
        "error", "the bridge itself", "Neither Cognito nor the IdP reaches the bridge.",
        "Give the stack's output BaseUrl as --base-url; a domain of your own needs its DNS record.",
    ),
    "bridge_discovery_missing": Advice(
        "error", "the bridge itself", "Cognito cannot discover the bridge.",
        "Publish the connection (`fedbridge connections apply`); it takes effect within a minute.",
    ),
    "bridge_issuer_mismatch": Advice(
        "error", "the bridge itself", "Cognito refuses ID tokens of another issuer than it was told.",
        "Use the address that the stack was deployed with: the parameter of its domain, or its output BaseUrl.",
    ),
    "bridge_keys_missing": Advice(
        "error", "the bridge itself", "Cognito cannot verify the bridge's ID tokens.",
        "See the alarms and the log of the back channel: the key of ID tokens cannot be used.",
    ),
    "client_jwks_unavailable": Advice(
        "error", "the bridge itself", "An IdP that fetches the bridge's keys cannot verify its assertions.",
        "Publish the connection (`fedbridge connections apply`); it takes effect within a minute.",
    ),
    "client_jwks_outdated": Advice(
        "error", "the bridge itself", "The IdP sees other keys than the bridge uses, or will.",
        "Publish the connection (`fedbridge connections apply`) and wait a minute; IdPs may keep the old ones for a day.",
    ),
    "sp_metadata_unavailable": Advice(
        "error", "the bridge itself", "An IdP that fetches the bridge's metadata cannot know it.",
        "Publish the connection (`fedbridge connections apply`); see the log of the SAML function.",
    ),
    "sp_metadata_outdated": Advice(
        "error", "the bridge itself", "The IdP sees other certificates than the bridge uses, or will.",
        "Publish the connection (`fedbridge connections apply`) and wait a minute; then have the IdP read them anew.",
    ),
}  # fmt: skip

CLIENT = {
    "client_secret_wrong": Advice(
        "error", "client authentication", _BREAKS,
        "Store the secret that the IdP shows for this client id, without a line end or blanks around it.",
    ),
    "client_method_wrong": Advice(
        "error", "client authentication", _BREAKS, "Change client_authentication to what the IdP accepted.",
    ),
    "assertion_audience_wrong": Advice(
        "error", "client authentication", _BREAKS, "Set client_authentication.audience to what the IdP accepted.",
    ),
    "assertion_time_refused": Advice(
        "error", "client authentication", _BREAKS, "Set the clock of the machine that signs by NTP.",
    ),
    "client_key_unknown": Advice(
        "error", "client authentication", _BREAKS,
        "Register the key that client-jwks.json publishes now (or have the IdP fetch it anew), and compare algorithm, kid"
        " and typ with what the IdP expects.",
    ),
    "client_certificate_refused": Advice(
        "error", "client authentication", _BREAKS,
        "Register the certificate, or its subject and authority, as it is now.",
    ),
    "client_unknown": Advice(
        "error", "client authentication", _BREAKS,
        "Compare client_id with the IdP's, and the issuer: test and production have different clients.",
    ),
    "client_not_allowed": Advice(
        "error", "client authentication", _BREAKS,
        "Ask the IdP to activate the client and to allow it the authorization code flow.",
    ),
    "client_refused": Advice(
        "error", "client authentication", _BREAKS,
        "Compare client id, method and credentials with the registration; ask the IdP what its log says.",
    ),
    "token_request_refused": Advice(
        "error", "client authentication", "A real code would most likely be refused as well.",
        "Look the error up in the IdP's documentation.",
    ),
    "token_request_inconclusive": Advice(
        "unknown", "client authentication", "Some IdPs look at the code before the client: this proves nothing.",
        "Try a sign-in; add `probe = false` to a preset of your own where the IdP minds being asked.",
    ),
    "token_endpoint_failing": Advice(
        "unknown", "client authentication", "The IdP failed by itself; a made-up code may be what it stumbled over.",
        "Try a sign-in; ask the IdP.",
    ),
    "made_up_code_accepted": Advice(
        "error", "client authentication", "Whatever answers there gives tokens for any code at all.",
        "Check token_endpoint; no identity from there can be trusted.",
    ),
    "dpop_refused": Advice(
        "error", "client authentication", _BREAKS, "Compare dpop with what the IdP demands; compare the clocks.",
    ),
}  # fmt: skip

REQUEST = {
    "redirect_uri_not_registered": Advice(
        "error", "authorization request", "The IdP sends nobody back to the bridge.",
        "Register this redirect URI at the IdP, byte for byte.",
    ),
    "scope_refused": Advice(
        "error", "authorization request", _BREAKS, "Ask the IdP to allow the scopes for your client, or ask for fewer.",
    ),
    "request_object_refused": Advice(
        "error", "authorization request", _BREAKS,
        "Compare authorization.request_object (audience, algorithm, typ, key) with the registration.",
    ),
    "authorization_request_refused": Advice(
        "error", "authorization request", _BREAKS, _REGISTERED,
    ),
    "authorization_request_inconclusive": Advice(
        "unknown", "authorization request", "The IdP may treat a browser differently.",
        "Open the application in a browser and begin a sign-in.",
    ),
    "request_not_sent": Advice(
        "error", "authorization request", _BREAKS, "Change what the message names.",
    ),
    "pushed_request_failing": Advice(
        "unknown", "authorization request", "The IdP failed by itself.", "Check again later; ask the IdP.",
    ),
}  # fmt: skip

SAML = {
    "saml_metadata_unavailable": Advice(
        "error", "SAML metadata", "No sign-in begins while the bridge has no metadata.",
        "Open the address; with MDQ the entityID must be known to the service.",
    ),
    "saml_metadata_malformed": Advice(
        "error", "SAML metadata", _READS, "Open the document: is it the metadata of this IdP, and the right `kind`?",
    ),
    "saml_metadata_signature_invalid": Advice(
        "error", "SAML metadata", "Somebody else may have written the document; " + _REFUSED,
        "Set saml.metadata.signer to the certificate that the federation or the IdP publishes for this.",
    ),
    "saml_metadata_entity_mismatch": Advice(
        "error", "SAML metadata", _READS, "Set `issuer` to the entityID that stands in the document.",
    ),
    "saml_metadata_expired": Advice(
        "error", "SAML metadata", _READS, "Fetch the document anew where it is published; if that has ended too, tell the IdP.",
    ),
    "saml_metadata_expires_soon": Advice(
        "warning", "SAML metadata", "From then on no sign-in begins.",
        "Give the URL rather than a copy, so that the bridge reads what is new; tell the IdP if it is the URL.",
    ),
    "saml_metadata_unlimited": Advice(
        "error", "SAML metadata", "A federation's metadata that never end could be played back for ever.",
        "Ask the federation for metadata with a validUntil of at most a month.",
    ),
    "saml_metadata_incomplete": Advice(
        "error", "SAML metadata", _READS, "Ask the IdP for complete metadata, or write `saml.provider` by hand.",
    ),
    "saml_certificate_expired": Advice(
        "error", "the IdP's certificates", "The bridge refuses whatever is signed with them.",
        "Ask the IdP for its new certificate: in its metadata, or under saml.provider.certificates.",
    ),
    "saml_certificate_old": Advice(
        "warning", "the IdP's certificates", "Another one is valid, so sign-ins work if the IdP has changed over.",
        "Ask the IdP to remove it.",
    ),
    "saml_certificate_expires_soon": Advice(
        "warning", "the IdP's certificates", "There is none that lasts longer; then every sign-in fails.",
        "Ask the IdP when the next one comes, and where it will be published.",
    ),
    "saml_certificate_weak": Advice(
        "error", "the IdP's certificates", "The bridge trusts no signature of such a key, nor the document that names it.",
        "Ask the IdP for an RSA key of 2,048 bits or more, or an EC key.",
    ),
    "saml_certificate_sha1": Advice(
        "warning", "the IdP's certificates", "The bridge does not mind: nobody vouches for it. It speaks of old software.",
        "Ask the IdP whether its messages are signed with SHA-256: the bridge refuses SHA-1 there.",
    ),
    "saml_binding_not_offered": Advice(
        "error", "SAML bindings", "No sign-in begins.", "Leave saml.request.binding out, or set it to what the IdP offers.",
    ),
    "saml_logout_not_offered": Advice(
        "error", "SAML bindings", "Signing out leaves the session at the IdP alive.",
        "Remove saml.logout, or ask the IdP for a SingleLogoutService.",
    ),
    "saml_signed_requests_wanted": Advice(
        "error", "SAML bindings", "The IdP refuses requests that are not signed.",
        "Set saml.request.signed to true and give saml.signing_keys.",
    ),
    "saml_artifact_not_offered": Advice(
        "error", "SAML bindings", "No artifact can be resolved, so no sign-in finishes.",
        "Remove saml.artifact, or ask the IdP for an ArtifactResolutionService.",
    ),
    "saml_signature_algorithm_not_offered": Advice(
        "error", "SAML bindings", "The IdP refuses the bridge's requests.",
        "Set saml.request.signature_algorithm to one of those, with a key that goes with it.",
    ),
}  # fmt: skip

CODES = Catalogue(
    {
        **CONFIGURATION, **OWN_KEYS, **NETWORK, **DISCOVERY, **JWKS, **OFFERS, **CLIENT, **REQUEST, **SAML, **BRIDGE,
    }
)  # fmt: skip

found = CODES.found
