"""Every reason that the code can log, read from its syntax tree: so that none goes without an explanation.

A reason is what `FedbridgeError.reason` holds and telemetry logs as `reason`. Where one is not written down as a
literal, SPELT says which ones it stands for; what is neither is an Unreadable, which fails the test that asks.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "shared" / "fedbridge"

# Callable → the position of its reason, where it is not always given by the keyword `reason`.
POSITIONS = {
    "UpstreamError": 0,
    "IssuerMismatch": 0,
    "upstream_error": 0,
    "unavailable": 0,
    "assurance_not_met": 0,
    "invalid_grant": 0,
    "invalid_token": 0,
    "_invalid_client": 0,
    "_invalid": 1,
    "TriggerRefused": 0,
    "Unusable": 0,
    "_page": 4,
    "_refused": 0,
    "response_refused": 0,
    "refused": 0,
}

ENCRYPTABLE = ("id_token", "userinfo", "authorization_response")
JWTS = (*ENCRYPTABLE, "nested_token", "logout_token")
"""Kinds of JWT that an IdP sends, as `fedbridge.rp.jwt` names them in its reasons; some may come in a JWE."""

_OF_JWTS = (
    "encrypted", "algorithms_unusable", "malformed", "algorithm_refused", "header_refused", "type_refused",
    "kid_malformed", "signature_invalid", "key_unknown", "kid_ambiguous",
)  # fmt: skip
_OF_ENCRYPTABLE = (
    "not_encrypted", "encryption_malformed", "encryption_algorithm_refused", "encryption_header_refused",
    "encryption_claims_differ", "decryption_key_unknown", "decryption_failed", "not_signed",
)  # fmt: skip
_OF_PARTIES = ("issuer_mismatch", "audience_mismatch")
_OF_TIMES = ("time_malformed", "expired", "not_yet_valid", "from_the_future")
"""What `fedbridge.rp.claim_checks` says of JWTs that are no ID tokens."""


def _spelt(kinds: tuple[str, ...], reasons: tuple[str, ...]) -> dict[str, frozenset[str]]:
    return {
        f"f'{{{kind}}}_{reason}'": frozenset({f"{each}_{reason}" for each in kinds})
        for reason in reasons
        for kind in ("kind", "accepted.kind")
    }


def _of_endpoints(reason: str) -> frozenset[str]:
    names = ["token", "pushed_authorization_request", *(["revocation"] if reason != "answer_invalid" else [])]
    return frozenset({f"{name}_endpoint_{reason}" for name in names})


# The reason as it is written in the code → the reasons that it stands for. What only hands on another failure's
# reason stands for none of its own.
SPELT: dict[str, frozenset[str]] = {
    **_spelt(JWTS, _OF_JWTS),
    **_spelt(ENCRYPTABLE, _OF_ENCRYPTABLE),
    **_spelt(("userinfo", "nested_token", "logout_token"), _OF_PARTIES),
    **_spelt(("userinfo", "nested_token", "authorization_response", "logout_token"), _OF_TIMES),
    "f'logout_token_{name}_malformed'": frozenset({f"logout_token_{name}_malformed" for name in ("sub", "sid", "jti")}),
    "f'{document.name}_unavailable'": frozenset({"jwks_unavailable", "did_document_unavailable"}),
    "f'id_token_{name}_malformed'": frozenset({f"id_token_{name}_malformed" for name in ("exp", "iat", "nbf")}),
    "f'id_token_{name}_mismatch'": frozenset({f"id_token_{name}_mismatch" for name in ("at_hash", "c_hash", "s_hash")}),
    "f'{endpoint}_endpoint_answer_invalid'": _of_endpoints("answer_invalid"),
    "f'{endpoint}_endpoint_unavailable'": _of_endpoints("unavailable"),
    "f'{endpoint}_endpoint_redirected'": _of_endpoints("redirected"),
    "_REASONS.get(code or '', f'{endpoint}_endpoint_refused')": _of_endpoints("refused") | frozenset({
        "client_authentication_refused", "authorization_code_refused",
        "dpop_proof_refused",
    }),
    "_REASONS.get(error.code, 'saml_rejected')": frozenset({"saml_rejected"}),  # the others are raised elsewhere, too
    "_REASONS.get(code, 'store_rejected')": frozenset({
        "store_rejected", "store_access_denied", "store_missing",
    }),
    "_REASONS.get(code, 'user_pool_rejected')": frozenset({
        "user_pool_rejected", "user_pool_access_denied", "user_pool_missing", "user_pool_unavailable", "user_pool_identity_taken",
        "user_pool_link_limit",
    }),
    "f'{prefix}_{reason}'": frozenset({
        *(f"{prefix}_{reason}" for prefix in ("kms", "secret")
          for reason in ("throttled", "timeout", "unavailable", "access_denied", "error")),
        *(f"kms_{reason}" for reason in ("key_disabled", "key_not_found", "key_unsuitable", "key_invalid_state")),
        *(f"secret_{reason}" for reason in ("undecryptable", "deleted", "not_found")),
    }),
}  # fmt: skip

HANDED_ON = frozenset({
    "reason", "failure.reason", "error.reason", "unmarked.reason", "unusable.reason", "refused.reason", "why",
    "error.reason if isinstance(error, FedbridgeError) else FedbridgeError.reason",
    "failure.reason if isinstance(failure, FedbridgeError) else FedbridgeError.reason",
})  # fmt: skip


class UnreadableError(Exception):
    """A reason that is neither a literal nor in SPELT: write it down, here and in cli/explain/causes.toml."""


@dataclass(frozen=True)
class Spelling:
    """A reason as the code has it, and where."""

    expression: ast.expr
    place: str

    def reasons(self) -> frozenset[str]:
        """Return the reasons that it stands for; raises UnreadableError."""
        return _reasons(self.expression, self.place)


def reasons() -> frozenset[str]:
    """Return every reason of the package; raises UnreadableError."""
    found = {reason for spelling in spellings() for reason in spelling.reasons()}
    return frozenset(found)


def spellings() -> Iterator[Spelling]:
    """Yield every expression of a reason."""
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.is_relative_to(PACKAGE / "cli"):
            continue  # Commands print what they find; functions log, and the command line is in none of them.
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree):
            for expression in _expressions(node):
                yield Spelling(expression, f"{file.relative_to(PACKAGE)}:{expression.lineno}")


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.ClassDef):
        for statement in node.body:
            targets = _targets(statement)
            if "reason" in targets and isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
                yield statement.value
    elif isinstance(node, ast.Call):
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "reason")
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        at = POSITIONS.get(name)
        if at is not None and len(node.args) > at:
            yield node.args[at]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from _defaults(node)
    elif isinstance(node, ast.Assign) and "reason" in _targets(node):
        yield node.value
    elif (
        isinstance(node, ast.Tuple) and len(node.elts) == 2 and ast.unparse(node.elts[0]).startswith("pages.")
    ):
        yield node.elts[1]  # what a page says, and the reason that is logged with it


def _targets(statement: ast.stmt) -> set[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _defaults(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    positional = [*function.args.posonlyargs, *function.args.args]
    defaults = function.args.defaults
    pairs = [*zip(positional[len(positional) - len(defaults) :], defaults, strict=True)]
    pairs += [
        (name, value)
        for name, value in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
        if value
    ]
    yield from (value for name, value in pairs if name.arg == "reason")


def _reasons(expression: ast.expr, place: str) -> frozenset[str]:
    if isinstance(expression, ast.Constant) and (
        expression.value is None or isinstance(expression.value, str)
    ):
        return frozenset() if expression.value is None else frozenset({expression.value})
    if isinstance(expression, ast.IfExp) and ast.unparse(expression) not in HANDED_ON:
        return _reasons(expression.body, place) | _reasons(expression.orelse, place)
    written = ast.unparse(expression)
    if written in HANDED_ON:
        return frozenset()
    if written not in SPELT:
        raise UnreadableError(f"{place}: {written}")
    return SPELT[written]
