"""JWS compact serialization over the `Signer` port (RFC 7515 §3.1, §5.1).

The signing input is built here, once for local and KMS keys alike: joserfc has no hook for a key that never leaves KMS.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.model.deadline import Deadline
    from fedbridge.ports import Signer


def b64url(data: bytes) -> str:
    """Return base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def left_half(algorithm: str, value: str) -> bytes:
    """Return the left half of a value's hash, by the hash of the JWS algorithm (OpenID Connect Core §3.1.3.6)."""
    digest = hashlib.new(f"sha{algorithm[2:]}", value.encode("utf-8")).digest()
    return digest[: len(digest) // 2]


def encode_json(value: Any) -> bytes:
    """Return compact UTF-8 JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def sign_compact(
    signer: Signer, header: Mapping[str, Any], claims: Mapping[str, Any], deadline: Deadline
) -> str:
    """Return the compact JWS of `claims`; `alg` comes from the signer, never from `header`.

    Raises KeyUnavailable, DeadlineExceeded.
    """
    protected = {"alg": signer.algorithm, **{k: v for k, v in header.items() if k != "alg" and v is not None}}
    signing_input = f"{b64url(encode_json(protected))}.{b64url(encode_json(claims))}"
    return f"{signing_input}.{b64url(signer.sign(signing_input.encode('ascii'), deadline))}"
