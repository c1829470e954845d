"""What can be the matter with a token. docs/cognito.md has the same table."""

from __future__ import annotations

from fedbridge.cli.check.advice import Advice, Catalogue

_FORM, _ISSUER, _KEY, _AUDIENCE, _TIME = "form", "iss", "signature", "audience", "time"
_SET = "Set the issuer to https://cognito-idp.REGION.amazonaws.com/POOL_ID where tokens are verified."

CODES = Catalogue({
    "token_opaque": Advice(
        "error", _FORM, "Only who issued it can say what it stands for.",
        "Take the ID token, or the pool's access token. The bridge's access tokens and all codes are opaque.",
    ),
    "token_encrypted": Advice(
        "error", _FORM, "Only who issued it can open it.",
        "Take the ID token or the access token: refresh tokens of Cognito are encrypted, and are nobody else's business.",
    ),
    "token_malformed": Advice(
        "error", _FORM, "Nobody takes it.", "Copy it whole, without quotes, blanks or the word Bearer.",
    ),
    "algorithm_refused": Advice(
        "error", _KEY, "Whoever takes it takes forgeries.", "Find out who made it: neither Cognito nor the bridge did.",
    ),
    "header_refused": Advice(
        "error", _KEY, "Its header says that it means something else than it seems to.", "Find out who made it.",
    ),
    "issuer_is_domain": Advice(
        "error", _ISSUER, "The domain of a pool signs people in; tokens name the pool's issuer.", _SET,
    ),
    "issuer_region": Advice("error", _ISSUER, "Each Region has its own pools and keys.", _SET),
    "issuer_pool": Advice(
        "error", _ISSUER, "A pool's tokens are worth nothing at another's.",
        "Look which pool the app signs in at: often it is that of another stage.",
    ),
    "issuer_form": Advice(
        "error", _ISSUER, "A pool has an original issuer and an updated one (issuer-cognito-idp), and names one of them.",
        "Set the issuer that the token has where tokens are verified; IssuerConfiguration of the pool says which.",
    ),
    "issuer_slash": Advice("error", _ISSUER, "Issuers are compared byte for byte.", "Take the slash away, or add it, as the token has it."),
    "issuer_other": Advice(
        "error", _ISSUER, "It is somebody else's token.",
        "Name the issuer that the token has, if you trust it. A pool's domain, its own ones too, is no issuer.",
    ),
    "issuer_missing": Advice("error", _ISSUER, "Nobody can tell whose it is.", "Find out who made it."),
    "jwks_unavailable": Advice(
        "error", _KEY, "The signature could not be verified.", "Open the address; for a pool of another account it works, too.",
    ),
    "key_unknown": Advice(
        "error", _KEY, "The issuer has no such key: not any longer, or it never had.",
        "Sign in anew. If it happens again where tokens are verified, the keys that are cached there are old ones.",
    ),
    "signature_invalid": Advice(
        "error", _KEY, "It was changed on its way, or forged.", "Copy it whole; if it stays so, refuse it.",
    ),
    "token_use_missing": Advice(
        "error", _AUDIENCE, "Every token of a user pool says what it is for.", "Find out who made it.",
    ),
    "access_token_for_id": Advice(
        "error", _AUDIENCE, "An access token of Cognito has no aud (client_id in its place), and no claims of the person.",
        "Send the ID token; or, where an API takes it, check client_id and scope.",
    ),
    "id_token_for_access": Advice(
        "error", _AUDIENCE, "An ID token is for the app; APIs that look for scope find none in it.", "Send the access token.",
    ),
    "audience_wrong": Advice(
        "error", _AUDIENCE, "It was issued to another app client.", "Add that client where tokens are verified, if it may come.",
    ),
    "expired": Advice(
        "error", _TIME, "Nobody takes it any longer.", "Refresh it or sign in anew; if it is new, a clock is wrong.",
    ),
    "not_yet_valid": Advice("error", _TIME, "Nobody takes it yet.", "Set the clock that is wrong by NTP."),
    "from_the_future": Advice(
        "error", _TIME, "It was issued later than now.", "Set the clock that is wrong by NTP; often it is this machine's.",
    ),
    "times_malformed": Advice("error", _TIME, "Nobody takes it.", "Find out who made it."),
    "auth_time_wrong": Advice(
        "warning", _TIME, "Nobody can have signed in after the token was issued.", "Do not compare max_age with it.",
    ),
    "token_revoked": Advice(
        "error", "revocation", "Cognito refuses it; who verifies offline goes on taking it until it expires.",
        "Sign in anew. Its origin_jti is that of the revoked refresh token.",
    ),
    "user_gone": Advice(
        "error", "revocation", "Cognito refuses it; who verifies offline goes on taking it until it expires.",
        "Look for the user in the pool: deleted or disabled.",
    ),
    "revocation_unknown": Advice(
        "unknown", "revocation", "Revocation cannot be seen in a token.",
        "An access token with the scope aws.cognito.signin.user.admin can be asked about; others are good until they expire.",
    ),
})  # fmt: skip

found = CODES.found
