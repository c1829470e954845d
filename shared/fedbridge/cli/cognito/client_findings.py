"""App clients and domains of the pool: the way from the app to the bridge and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.cli.cognito.calls import region_of
from fedbridge.cli.cognito.codes import found
from fedbridge.cli.cognito.mapping import USERNAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fedbridge.cli.check.finding import Finding
    from fedbridge.cli.cognito.pool import IdentityProvider, Pool
    from fedbridge.model.connection import RelyingParty

BY_COGNITO = frozenset({USERNAME, "email_verified", "phone_number_verified"})
"""Mapped without an app client's permission: nobody can give it for them."""


SELF_SERVICE = "aws.cognito.signin.user.admin"
"""The scope of access tokens with which people read and change their own profile."""


def app_client_findings(
    clients: Sequence[Mapping[str, Any]], provider: IdentityProvider, *, unseen: int = 0
) -> Iterator[Finding]:
    """Yield what is wrong with the app clients that offer the identity provider; the others are not its business.

    `unseen` are as many more of the pool, which nobody looked at.
    """
    if not clients:
        yield found("app_client_missing", "The pool has no app client.")
        return
    offering = [each for each in clients if provider.name in each.get("SupportedIdentityProviders", [])]
    if unseen:
        said = f"{len(offering)} of them offer {provider.name}"
        yield found(
            "app_clients_unseen", f"{len(clients)} app clients were looked at, and {unseen} not; {said}."
        )
    elif not offering:
        yield found("identity_provider_not_enabled", f"No app client of the pool offers {provider.name}.")
    for client in offering:
        yield from _flows(client)
        yield from _writing(client, provider.attribute_mapping)


def domain_findings(pool: Pool, party: RelyingParty) -> Iterator[Finding]:
    """Yield which addresses of the pool the relying party does not know."""
    addresses = redirect_uris(pool)
    if not addresses:
        yield found("domain_missing", f"{pool.id} has no domain.")
        return
    missing = {kind: uri for kind, uri in addresses.items() if uri not in party.redirect_uris}
    for kind, uri in missing.items():
        alone = len(missing) == len(addresses) and kind == "prefix"
        code = "redirect_uri_unregistered" if alone else f"{kind}_domain_unregistered"
        yield found(code, f"{uri} is not among redirect_uris of {party.client_id}.")


def redirect_uris(pool: Pool) -> dict[str, str]:
    """Return where the pool is come back to, by kind of its domain (`prefix`, `custom`)."""
    found_at = {}
    if pool.domain:
        region = region_of(pool.id)
        # The only endpoints of GovCloud are those under FIPS 140.
        auth = "auth-fips" if region.startswith("us-gov-") else "auth"
        found_at["prefix"] = f"https://{pool.domain}.{auth}.{region}.amazoncognito.com/oauth2/idpresponse"
    if pool.custom_domain:
        found_at["custom"] = f"https://{pool.custom_domain}/oauth2/idpresponse"
    return found_at


def _flows(client: Mapping[str, Any]) -> Iterator[Finding]:
    name = _name(client)
    if not client.get("AllowedOAuthFlowsUserPoolClient"):
        yield found("app_client_oauth_off", f"{name} may not use the pool's OAuth endpoints.")
        return
    if "code" not in client.get("AllowedOAuthFlows", []):
        yield found("app_client_code_flow", f"{name} has the flows {_listed(client, 'AllowedOAuthFlows')}.")
    if "openid" not in client.get("AllowedOAuthScopes", []):
        yield found("app_client_scopes", f"{name} has the scopes {_listed(client, 'AllowedOAuthScopes')}.")
    if not client.get("CallbackURLs"):
        yield found("app_client_callback", f"{name} has no CallbackURLs.")


def _writing(client: Mapping[str, Any], mapping: Mapping[str, str]) -> Iterator[Finding]:
    """Tell which mapped attributes the client may not write, and which its users may.

    Unset WriteAttributes are all attributes: so it is seen and the console says, though the API's reference does not.
    """
    writable, name = client.get("WriteAttributes"), _name(client)
    mapped = [each for each in mapping if each not in BY_COGNITO]
    if writable:
        for each in mapped:
            if each not in writable:
                yield found("attribute_not_writable", f"{name} may not write {each}, which is mapped.")
    custom = [each for each in mapped if each.startswith("custom:") and (not writable or each in writable)]
    if custom and SELF_SERVICE in client.get("AllowedOAuthScopes", []):
        yield found(
            "attribute_self_service", f"{name} gives out {SELF_SERVICE} and may write {', '.join(custom)}."
        )


def _name(client: Mapping[str, Any]) -> str:
    return f"App client {client.get('ClientName', '')} ({client['ClientId']})"


def _listed(client: Mapping[str, Any], field: str) -> str:
    return ", ".join(client.get(field, [])) or "none"
