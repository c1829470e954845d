"""What is said of the bridge's own side, and of the way to others."""

from __future__ import annotations

from fedbridge.cli.check.advice import Advice

_BREAKS = "Every sign-in of this connection fails."

CONFIGURATION = {
    "configuration_invalid": Advice(
        "error", "configuration", "What the file says cannot be published or served.",
        "Mend the line; `fedbridge connections validate` names them all.",
    ),
    "issuer_not_https": Advice(
        "error", "configuration", "Whoever sits on the way could answer in the IdP's place.",
        "Give the issuer's https:// address, as it stands in the IdP's discovery document.",
    ),
    "client_id_missing": Advice(
        "error", "configuration", "No IdP knows a client without a name; nothing was tried there.",
        "Set client_id to what the IdP gave you, or let `fedbridge register` ask for one.",
    ),
    "connection_disabled": Advice(
        "warning", "configuration", "Every sign-in is refused while it is.",
        "Remove `disabled: true`, or run `fedbridge connections enable`.",
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
