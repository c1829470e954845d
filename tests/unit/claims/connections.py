from typing import Any

from hypothesis import HealthCheck, settings

from fedbridge.model.connection import Connection, RelyingParty

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How long an example takes says nothing on a busy machine."""

POOL = RelyingParty(
    client_id="pool",
    secret_hashes=("sha256:" + "0" * 64,),
    redirect_uris=("https://pool.auth.example/oauth2/idpresponse",),
    restart_url="https://app.example/",
)


def connection(**fields: Any) -> Connection:
    return Connection(
        **{
            "name": "acme",
            "issuer": "https://idp.example",
            "client_id": "bridge",
            "relying_parties": (POOL,),
            **fields,
        }
    )
