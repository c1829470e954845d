"""The demo's bank: npm oidc-provider (certified), as strict as the banks that Cognito cannot sign in at."""

from __future__ import annotations

from tests.counterparts.oidc_provider import ALICE, Client, OidcProvider, User

CLIENT_ID = "fedbridge-demo"
LEVEL = "urn:nordbank:loa:3"
"""The assurance level that the connection asks for; the bridge refuses a lower one."""

BOB = User(
    name="bob",
    sub="Nb-0815.Bob",
    claims={
        "email": "bob@example.com",
        "email_verified": True,
        "name": "Bob Lind",
        "given_name": "Bob",
        "family_name": "Lind",
    },
    acr="urn:nordbank:loa:1",
    amr=["pwd"],
)


def bank(*, front: str, bridge_issuer: str) -> OidcProvider:
    """Return the bank, not started yet, that everybody sees at `front` and that knows one client: the bridge."""
    bridge = Client(
        client_id=CLIENT_ID,
        client_name="Demo app",
        redirect_uris=[f"{bridge_issuer}/callback"],
        jwks_uri=f"{bridge_issuer}/client-jwks.json",
        token_endpoint_auth_method="private_key_jwt",  # noqa: S106  the name of a method
        token_endpoint_auth_signing_alg="ES256",  # noqa: S106  likewise
    )
    return OidcProvider(
        clients=[bridge], users=[ALICE, BOB], front=front, pages="demo", acr_values=[BOB.acr or "", LEVEL]
    )
