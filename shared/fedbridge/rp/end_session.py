"""The request that ends a session at the IdP (OpenID Connect RP-Initiated Logout 1.0 §2)."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import Connection
from fedbridge.model.metadata import ProviderMetadata


def logout_request(
    connection: Connection,
    metadata: ProviderMetadata,
    *,
    state: str,
    return_url: str,
    id_token_hint: str | None,
) -> str | None:
    """Return where the browser goes, None where the IdP would refuse the little that there is to bring.

    With an ID token there is no client id beside it: IdPs that demand the one refuse what they do not expect. Raises
    UpstreamError `end_session_endpoint_missing`.
    """
    policy, endpoint = connection.logout, metadata.end_session_endpoint
    if endpoint is None:
        raise UpstreamError("end_session_endpoint_missing")
    back = {"post_logout_redirect_uri": return_url, "state": state}
    if policy.mode == "id_token_hint" and id_token_hint is not None:
        url = _with(endpoint, {"id_token_hint": id_token_hint, **back})
        if policy.max_query is None or len(url.partition("?")[2]) <= policy.max_query:
            return url
    if policy.hint_required:
        return None
    return _with(endpoint, {"client_id": connection.client_id, **back})


def _with(endpoint: str, parameters: dict[str, str]) -> str:
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters, quote_via=quote)}"
