"""A user pool as Cognito describes it, and the writes that operators make there: never half of a thing.

Both updates replace what they are not given, so each reads first and sends everything back with the one change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fedbridge.cli.cognito.calls import CognitoRefused, ask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PAGE = 60
"""Most items that Cognito lists at once."""

PROVIDER_FIELDS = ("ProviderDetails", "AttributeMapping", "IdpIdentifiers", "AcrMapping")
"""What UpdateIdentityProvider takes beside the names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute of a pool's schema; the lengths are None where there is no limit or it holds no text."""

    name: str
    mutable: bool
    required: bool
    developer_only: bool = False
    min_length: int | None = None
    max_length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What a check or a change needs to know of a user pool. `domain` is the prefix, `custom_domain` a host name.

    `updated_issuer` is whether its tokens name the issuer that AWS introduced for several Regions.
    """

    id: str
    schema: Mapping[str, Attribute]
    case_sensitive: bool = True
    domain: str | None = None
    custom_domain: str | None = None
    updated_issuer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """An identity provider of a pool, as DescribeIdentityProvider tells it. The details hold the client secret."""

    name: str
    type: str
    details: Mapping[str, str] = field(repr=False)
    attribute_mapping: Mapping[str, str] = field(default_factory=dict)
    acr_mapping: Mapping[str, str] = field(default_factory=dict)


def describe_pool(client: Any, pool_id: str) -> Pool:
    """Return the pool; raises CognitoRefused."""
    told = ask(client, "describe_user_pool", UserPoolId=pool_id)["UserPool"]
    return Pool(
        id=pool_id,
        schema={each["Name"]: _attribute(each) for each in told.get("SchemaAttributes", [])},
        case_sensitive=told.get("UsernameConfiguration", {}).get("CaseSensitive", True),
        domain=told.get("Domain"),
        custom_domain=told.get("CustomDomain"),
        updated_issuer=told.get("IssuerConfiguration", {}).get("Type") == "UPDATED",
    )


def describe_identity_provider(client: Any, pool_id: str, name: str) -> IdentityProvider | None:
    """Return the identity provider of this name, None where the pool has none; raises CognitoRefused."""
    told = _described(client, pool_id, name)
    return None if told is None else identity_provider(told)


def identity_provider(told: Mapping[str, Any]) -> IdentityProvider:
    """Return what one of Cognito's answers says of an identity provider."""
    return IdentityProvider(
        name=told["ProviderName"],
        type=told.get("ProviderType", "OIDC"),
        details=dict(told.get("ProviderDetails", {})),
        attribute_mapping=dict(told.get("AttributeMapping", {})),
        acr_mapping=dict(told.get("AcrMapping", {})),
    )


def oidc_provider_names(client: Any, pool_id: str) -> list[str]:
    """Return the names of the pool's OIDC identity providers; raises CognitoRefused."""
    return [name for name, type_ in provider_types(client, pool_id).items() if type_ == "OIDC"]


def provider_types(client: Any, pool_id: str) -> dict[str, str]:
    """Return all of the pool's identity providers, by name, with the API's `ProviderType`; raises CognitoRefused."""
    pages = _pages(client, "list_identity_providers", UserPoolId=pool_id)
    return {
        each["ProviderName"]: each.get("ProviderType", "") for page in pages for each in page["Providers"]
    }


def app_client_ids(client: Any, pool_id: str) -> Iterator[str]:
    """Yield the ids of the pool's app clients, page by page; raises CognitoRefused."""
    for page in _pages(client, "list_user_pool_clients", UserPoolId=pool_id):
        yield from (each["ClientId"] for each in page["UserPoolClients"])


def describe_app_client(client: Any, pool_id: str, client_id: str) -> Mapping[str, Any]:
    """Return the app client as Cognito tells it; raises CognitoRefused."""
    told: Mapping[str, Any] = ask(
        client, "describe_user_pool_client", UserPoolId=pool_id, ClientId=client_id
    )["UserPoolClient"]
    return told


def update_identity_provider(client: Any, pool_id: str, name: str, **changes: Any) -> Mapping[str, Any]:
    """Change fields of an identity provider, send the others back as they are, and return what Cognito has then.

    Raises CognitoRefused.
    """
    current = ask(client, "describe_identity_provider", UserPoolId=pool_id, ProviderName=name)
    kept = {key: value for key, value in current["IdentityProvider"].items() if key in PROVIDER_FIELDS}
    told: Mapping[str, Any] = ask(
        client, "update_identity_provider", UserPoolId=pool_id, ProviderName=name, **{**kept, **changes}
    )["IdentityProvider"]
    return told


def enable_for_app_client(client: Any, pool_id: str, client_id: str, names: Sequence[str]) -> None:
    """Set the identity providers of an app client, and leave all its other settings alone; raises CognitoRefused.

    UpdateUserPoolClient sets what it is not given to a default, so all that it takes and that is set is given again.
    """
    current = describe_app_client(client, pool_id, client_id)
    known = client.meta.service_model.operation_model("UpdateUserPoolClient").input_shape.members
    # An empty text is how an answer says that there is none, and no text that could be given again.
    kept = {name: value for name, value in current.items() if name in known and value not in ("", None)}
    ask(client, "update_user_pool_client", **{**kept, "SupportedIdentityProviders": list(names)})


def _described(client: Any, pool_id: str, name: str) -> Mapping[str, Any] | None:
    try:
        answer = ask(client, "describe_identity_provider", UserPoolId=pool_id, ProviderName=name)
    except CognitoRefused as refused:
        if refused.code != "ResourceNotFoundException":
            raise
        # The same code stands for a pool that is not there, which describing the pool tells.
        ask(client, "describe_user_pool", UserPoolId=pool_id)
        return None
    told: Mapping[str, Any] = answer["IdentityProvider"]
    return told


def _pages(client: Any, operation: str, **parameters: Any) -> Iterator[Mapping[str, Any]]:
    token: dict[str, Any] = {}
    while True:
        page = ask(client, operation, MaxResults=PAGE, **parameters, **token)
        yield page
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


def _attribute(told: Mapping[str, Any]) -> Attribute:
    limits = told.get("StringAttributeConstraints", {})
    return Attribute(
        name=told["Name"],
        mutable=told.get("Mutable", True),
        required=told.get("Required", False),
        developer_only=told.get("DeveloperOnlyAttribute", False),
        min_length=_number(limits.get("MinLength")),
        max_length=_number(limits.get("MaxLength")),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text else None
