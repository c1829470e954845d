"""What a snapshot holds (Lambda SnapStart): what requests would load later, and nothing that belongs to one of them.

A snapshot of the initialised process is started many times over, so whatever is random, secret or connected in it would
be so many times over: no value is drawn, no key or secret read, no credential fetched and no connection opened before
the first request. Everything else had better be there: modules, and SDK clients, which make no call when they are made.
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-best-practices.html
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CLIENTS = ("dynamodb", "kms", "secretsmanager", "ssm", "cognito-idp")
"""Services that a sign-in or a sign-out may call."""

EVERYWHERE = (
    "botocore.exceptions", "botocore.parsers", "cryptography.hazmat.primitives.serialization",
    "fedbridge.flows.sessions", "fedbridge.user_pools",
)  # fmt: skip

FRONT_CHANNEL = (
    *EVERYWHERE, "cryptography.x509", "fedbridge.keys.client_certificate", "fedbridge.keys.decrypter",
    "fedbridge.keys.kms_decrypter", "fedbridge.model.session", "fedbridge.op.form_post", "fedbridge.rp.claim_checks",
    "fedbridge.rp.dpop", "fedbridge.rp.end_session", "fedbridge.rp.jarm", "fedbridge.rp.jwe",
    "fedbridge.rp.nested_token", "fedbridge.rp.oauth2", "fedbridge.rp.pushed_authorization",
    "fedbridge.rp.request_encryption", "fedbridge.rp.request_object", "fedbridge.rp.symmetric",
)  # fmt: skip

BACK_CHANNEL = (
    *EVERYWHERE, "fedbridge.net.outbound", "fedbridge.rp.logout_token", "fedbridge.store.replays_dynamodb",
)  # fmt: skip

SAML = (
    *EVERYWHERE, "cryptography.x509", "fedbridge.keys.client_certificate", "fedbridge.keys.decrypter",
    "fedbridge.keys.kms_decrypter", "fedbridge.op.form_post", "fedbridge.store.replays_dynamodb",
)  # fmt: skip


def is_snapshot(environ: Mapping[str, str]) -> bool:
    """Tell whether this process is being made a snapshot of, or was started from one."""
    return environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"


def warm_up(environ: Mapping[str, str], modules: tuple[str, ...], clients: Callable[[str], Any]) -> None:
    """Load these modules and make the clients, if a snapshot is to hold them; raises ImportError for what is not shipped."""
    if not is_snapshot(environ):
        return
    for module in modules:
        import_module(module)
    for service in CLIENTS:
        clients(service)
