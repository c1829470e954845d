"""Resources that are fetched with the access token: UserInfo, and what IdPs without OpenID Connect have in its place."""

from __future__ import annotations

from fedbridge.ports import OutboundRequest, OutboundResponse
from fedbridge.rp.context import Context


def fetch_resource(
    context: Context,
    endpoint: str,
    url: str,
    *,
    access_token: str,
    accept: str,
    max_bytes: int,
    method: str = "GET",
) -> OutboundResponse:
    """Send a GET, or a POST of an empty form, with the access token, and return whatever was answered.

    The token goes as Bearer, or as DPoP with a proof (RFC 9449 §7.1), whatever the spelling of its `token_type` was. With
    mutual TLS the alias of `{endpoint}_endpoint` is called. A GET is tried again once when the connection failed, a
    POST never. Raises UpstreamError (`dpop_nonce_…`, `upstream_…`), ConfigurationError and KeyUnavailable (the client
    certificate), DeadlineExceeded.
    """
    called = context.called(f"{endpoint}_endpoint", url)
    dpop = context.dpop
    form = {"content-type": "application/x-www-form-urlencoded"} if method == "POST" else {}

    def send(proof: str | None = None) -> OutboundResponse:
        headers = {"accept": accept, **form}
        headers |= (
            {"authorization": f"Bearer {access_token}"}
            if proof is None
            else {"authorization": f"DPoP {access_token}", "dpop": proof}
        )
        body = b"" if method == "POST" else None
        request = OutboundRequest(method=method, url=called, headers=headers, body=body, max_bytes=max_bytes)
        return context.calls.send(context.connection, endpoint, request, context.deadline)

    def attempt() -> OutboundResponse:
        if dpop is None:
            return send()
        return dpop.send(method, called, send, context.deadline, access_token=access_token)

    return context.calls.again(attempt, context.deadline) if method == "GET" else attempt()
