"""What is said of OpenID providers: their metadata, keys and offers, and how they take the bridge."""

from __future__ import annotations

from fedbridge.cli.check.advice import Advice

_BREAKS = "Every sign-in of this connection fails."
_REFUSED = "the bridge refuses the metadata as they are, and no sign-in begins."
_READS = _REFUSED.capitalize()
_REGISTERED = "Register what the connection does at the IdP, or change the connection to what it offers."

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
